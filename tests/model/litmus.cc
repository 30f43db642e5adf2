// The store-buffer litmus on the real bell: real threads, the real memory of a
// region, the real ring, sleeper and waker.
//
// Round by round both threads meet; then one publishes a frame and asks whether
// to ring, while the other raises its word and looks again. A round in which
// neither sees the other is a lost wake-up: the sleeper would block for ever.
// With the orders of the code there must be none; with release and acquire in
// place of sequential consistency there must be some, or the machine did not
// put the question.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "transports/ring_region.h"

namespace nearcall::internal {
namespace {

constexpr uint32_t kRounds = 1'000'000;
// The planted bug shows within some hundred rounds on an idle machine.
constexpr uint32_t kMostRounds = 20'000'000;
constexpr uint32_t kRing = kMinRingBytes;

// The same words with weaker orders.
template <class Base>
class Weak : public Base {
 public:
  using Base::Base;
  static constexpr std::memory_order kLoad = std::memory_order_acquire;
  static constexpr std::memory_order kStore = std::memory_order_release;
  using Order = std::memory_order;

  static Order ForLoad(Order order) {
    return order == Base::kSeqCst ? kLoad : order;
  }
  static Order ForStore(Order order) {
    return order == Base::kSeqCst ? kStore : order;
  }
};

class WeakWord : public Weak<RingWord> {
 public:
  using Weak::Weak;
  uint32_t Load(Order order) const { return RingWord::Load(ForLoad(order)); }
  void Store(uint32_t value, Order order) {
    RingWord::Store(value, ForStore(order));
  }
};

class WeakMemory : public Weak<RingMemory> {
 public:
  using Weak::Weak;
  uint32_t LoadLength(uint32_t offset, Order order) const {
    return RingMemory::LoadLength(offset, ForLoad(order));
  }
  void StoreLength(uint32_t offset, uint32_t value, Order order) {
    RingMemory::StoreLength(offset, value, ForStore(order));
  }
  void StoreIndex(uint32_t value, Order order) {
    RingMemory::StoreIndex(value, ForStore(order));
  }
};

/// Both threads leave Meet() at nearly the same time.
class Meeting {
 public:
  void Meet(uint32_t round) {
    const uint32_t all = 2 * (round + 1);
    here_.fetch_add(1);
    for (int spins = 0; here_.load() < all; ++spins) {
      // On one core the other thread must be let in.
      if (spins > 1000) std::this_thread::yield();
    }
  }

 private:
  std::atomic<uint32_t> here_{0};
};

/// Lost wake-ups; ends after `rounds`, or at the first when `until_lost`.
template <class Memory, class Word>
uint32_t Count(uint32_t rounds, bool until_lost, uint32_t* done) {
  const auto region = RingRegion::MakePrivate(kRing);
  if (!region.ok()) return UINT32_MAX;
  RingHeader* const header = (*region)->header();
  const Memory memory((*region)->records(), &header->consumed);
  RingWriter<Memory> writer(memory, kRing);
  RingReader<Memory> reader(memory, kRing, kRing / 4);
  Waker<Word> waker{Word(&header->reader_sleep)};
  Sleeper<Word> sleeper{Word(&header->reader_sleep)};
  Meeting before;
  Meeting after;
  std::atomic<bool> rung{false};
  std::atomic<bool> stop{false};
  std::thread writing([&] {
    for (uint32_t round = 0; !stop.load(); ++round) {
      uint32_t offset = 0;
      // One frame is in the ring at most, and small.
      if (writer.Reserve(8, &offset) != RingState::kOk) std::abort();
      before.Meet(round);
      writer.Commit(8);
      rung.store(waker.Due(), std::memory_order_relaxed);
      after.Meet(round);
    }
  });
  uint32_t lost = 0;
  uint32_t round = 0;
  for (bool more = true; more; ++round) {
    uint32_t offset = 0;
    uint32_t size = 0;
    before.Meet(round);
    sleeper.Raise();
    const bool seen = reader.Recheck();
    more = round + 1 < rounds && !(until_lost && lost > 0);
    if (!more) stop.store(true);
    after.Meet(round);
    sleeper.Lower();
    if (!seen && !rung.load(std::memory_order_relaxed)) ++lost;
    if (reader.Peek(&offset, &size) != RingState::kOk || size != 8) {
      std::abort();
    }
    reader.Release();
  }
  writing.join();
  *done = round;
  return lost;
}

int Main() {
  uint32_t rounds = 0;
  const uint32_t lost =
      Count<RingMemory, RingWord>(kRounds, /*until_lost=*/false, &rounds);
  std::printf("sequentially consistent: %u lost wake-ups in %u rounds\n", lost,
              rounds);
  if (std::thread::hardware_concurrency() < 2) {
    std::puts("one core: a store buffer cannot be seen, no mutant was tried");
    return lost == 0 ? 0 : 1;
  }
  const uint32_t caught =
      Count<WeakMemory, WeakWord>(kMostRounds, /*until_lost=*/true, &rounds);
  std::printf("release and acquire: the first of %u after %u rounds\n", caught,
              rounds);
  std::printf("mutants caught %d/1\n", caught > 0 ? 1 : 0);
  return lost == 0 && caught > 0 ? 0 : 1;
}

}  // namespace
}  // namespace nearcall::internal

int main() { return nearcall::internal::Main(); }
