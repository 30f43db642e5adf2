// The ring and the bell in Relacy, which explores threads' interleavings and
// what the C++ memory model lets each load see.
//
// One thread writes frames of two sizes through a ring that is too small for
// them, the other reads them; each sleeps as RingLink does, for frames or for
// space. Found would be: a payload read while or before it is written or taken
// twice (rl::var is checked for races), a lost frame, a lost wake-up
// (deadlock), a bell that nobody asked for.
//
// ring_model: the real templates must pass, each mutant of mutate.py must fail.
#include "tests/model/ring_model.h"

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "tests/model/ring_hostile.h"
// The last: it defines new, delete, assert and others as macros.
#include <relacy/relacy.hpp>

namespace nearcall::model {
namespace {

constexpr uint32_t kWords = kCapacity / 8;
constexpr uint32_t kFrames = 7;

/// Sizes whose records begin at every second word, and reach over the end.
uint32_t SizeOf(uint32_t frame) { return frame % 3 == 1 ? 4 : kMaxFrame; }

class Word {
 public:
  using Order = rl::memory_order;
  static constexpr Order kRelaxed = rl::mo_relaxed;
  static constexpr Order kAcquire = rl::mo_acquire;
  static constexpr Order kRelease = rl::mo_release;
  static constexpr Order kSeqCst = rl::mo_seq_cst;

  explicit Word(rl::atomic<uint32_t>* word) : word_(word) {}
  uint32_t Load(Order order) const { return word_->load(order, $); }
  void Store(uint32_t value, Order order) { word_->store(value, order, $); }

 private:
  rl::atomic<uint32_t>* word_;
};

/// The shared memory. Each aligned word can be a length, or payload; what is
/// between them is payload only.
struct Region {
  rl::atomic<uint32_t> aligned[kWords];
  rl::var<uint32_t> between[kWords];
  rl::atomic<uint32_t> consumed;
  rl::atomic<uint32_t> reader_sleep;
  rl::atomic<uint32_t> writer_sleep;

  Region() {
    for (uint32_t i = 0; i < kWords; ++i) {
      aligned[i].store(0, rl::mo_relaxed, $);
      between[i]($) = 0;
    }
    consumed.store(0, rl::mo_relaxed, $);
    reader_sleep.store(0, rl::mo_relaxed, $);
    writer_sleep.store(0, rl::mo_relaxed, $);
  }
};

class Memory {
 public:
  using Order = rl::memory_order;
  static constexpr Order kRelaxed = rl::mo_relaxed;
  static constexpr Order kAcquire = rl::mo_acquire;
  static constexpr Order kRelease = rl::mo_release;
  static constexpr Order kSeqCst = rl::mo_seq_cst;

  explicit Memory(Region* region) : region_(region) {}
  uint32_t LoadLength(uint32_t offset, Order order) const {
    return region_->aligned[offset / 8].load(order, $);
  }
  void StoreLength(uint32_t offset, uint32_t value, Order order) {
    region_->aligned[offset / 8].store(value, order, $);
  }
  uint32_t LoadIndex(Order order) const {
    return region_->consumed.load(order, $);
  }
  void StoreIndex(uint32_t value, Order order) {
    region_->consumed.store(value, order, $);
  }

 private:
  Region* region_;
};

/// Bytes on a socket: a wait takes one.
class Bell {
 public:
  Bell() { sem_.init(false, 0, 1 << 20, $); }
  ~Bell() { sem_.deinit($); }
  void Ring() {
    ++rung_;
    sem_.signal($);
  }
  void Wait() { sem_.wait(false, false, $); }
  uint64_t rung() const { return rung_; }

 private:
  rl::rl_sem_t sem_;
  uint64_t rung_ = 0;
};

class Scenario {
 public:
  virtual ~Scenario() = default;
  virtual void Write() = 0;
  virtual void Read() = 0;
  virtual void CheckEnd() = 0;
};

template <class V>
class Transfer final : public Scenario {
  using State = typename V::State;

 public:
  void Write() override {
    for (uint32_t frame = 0; frame < kFrames; ++frame) {
      uint32_t offset;
      for (;;) {
        const State state = writer_.Reserve(SizeOf(frame), &offset);
        RL_ASSERT(state != State::kBroken);
        if (state == State::kOk) break;
        Await(&space_sleeper_, &space_bell_,
              [this] { return writer_.MovedSince(writer_.reader_seen_at()); });
      }
      for (uint32_t at = 0; at < SizeOf(frame); at += 4) {
        WriteWord(offset + at, 100 + frame);
      }
      writer_.Commit(SizeOf(frame));
      if (frames_waker_.Due()) frames_bell_.Ring();
    }
  }

  void Read() override {
    for (uint32_t frame = 0; frame < kFrames; ++frame) {
      uint32_t offset;
      uint32_t size;
      for (;;) {
        const State state = reader_.Peek(&offset, &size);
        RL_ASSERT(state != State::kBroken);
        if (state == State::kOk) break;
        Await(&frames_sleeper_, &frames_bell_,
              [this] { return reader_.Recheck(); });
      }
      RL_ASSERT(size == SizeOf(frame));
      for (uint32_t at = 0; at < size; at += 4) {
        RL_ASSERT(ReadWord(offset + at) == 100 + frame);
      }
      if (reader_.Release() && space_waker_.Due()) space_bell_.Ring();
    }
  }

  // Or the link would be closed: "rang without being asked".
  void CheckEnd() override {
    RL_ASSERT(frames_bell_.rung() <= frames_sleeper_.raises());
    RL_ASSERT(space_bell_.rung() <= space_sleeper_.raises());
  }

 private:
  using Sleeper = typename V::template Sleeper<Word>;

  // As RingLink::Sleep.
  template <class Recheck>
  void Await(Sleeper* sleeper, Bell* bell, Recheck recheck) {
    sleeper->Raise();
    if (!recheck()) bell->Wait();
    sleeper->Lower();
  }

  // A payload runs on into the second mapping, which is the same memory.
  void WriteWord(uint32_t offset, uint32_t value) {
    const uint32_t at = offset % kCapacity;
    if (at % 8 == 0) {
      region_.aligned[at / 8].store(value, rl::mo_relaxed, $);
    } else {
      region_.between[at / 8]($) = value;
    }
  }
  uint32_t ReadWord(uint32_t offset) {
    const uint32_t at = offset % kCapacity;
    if (at % 8 == 0) return region_.aligned[at / 8].load(rl::mo_relaxed, $);
    return region_.between[at / 8]($);
  }

  Region region_;
  Bell frames_bell_;
  Bell space_bell_;
  // The writer's.
  typename V::template Writer<Memory> writer_{Memory(&region_), kCapacity};
  typename V::template Waker<Word> frames_waker_{Word(&region_.reader_sleep)};
  Sleeper space_sleeper_{Word(&region_.writer_sleep)};
  // The reader's.
  typename V::template Reader<Memory> reader_{Memory(&region_), kCapacity,
                                              kMaxFrame};
  typename V::template Waker<Word> space_waker_{Word(&region_.writer_sleep)};
  Sleeper frames_sleeper_{Word(&region_.reader_sleep)};
};

std::unique_ptr<Scenario> (*make_scenario)() = nullptr;

struct TwoThreads : rl::test_suite<TwoThreads, 2> {
  std::unique_ptr<Scenario> scenario;
  void before() { scenario = make_scenario(); }
  void thread(unsigned index) {
    index == 0 ? scenario->Write() : scenario->Read();
  }
  void after() {
    scenario->CheckEnd();
    scenario.reset();
  }
};

struct Run {
  std::string failure;  ///< Empty: it passed.
  uint64_t iterations = 0;
};

/// With `show`, the history of what fails goes to stderr.
Run Simulate(rl::scheduler_type_e scheduler, unsigned bound,
             uint64_t iterations, bool show) {
  // Relacy's allocator, which replaces the global one, bears no other stream.
  std::ostream nowhere(nullptr);
  std::ostream* const out = show ? &std::cerr : &nowhere;
  rl::test_params params;
  params.search_type = scheduler;
  params.context_bound = bound;
  params.iteration_count = iterations;
  params.execution_depth_limit = 4000;
  params.output_stream = out;
  params.progress_stream = out;
  Run run;
  if (!rl::simulate<TwoThreads>(params)) {
    run.failure = rl::test_result_str(params.test_result);
  }
  run.iterations = params.stop_iteration;
  return run;
}

constexpr uint64_t kAll = 100'000'000;
constexpr unsigned kContextBound = 2;
constexpr uint64_t kRandom = 60'000;

// One variant under every check; mutants stop at the first that fails.
template <class V>
Run Check(bool show) {
  for (const std::string& failure :
       {HostileLengths<V>(), HostileIndexes<V>()}) {
    if (!failure.empty()) return {failure, 0};
  }
  make_scenario = [] {
    return std::unique_ptr<Scenario>(std::make_unique<Transfer<V>>());
  };
  Run random = Simulate(rl::sched_random, 0, kRandom, show);
  if (!random.failure.empty()) return random;
  Run bounded = Simulate(rl::sched_bound, kContextBound, kAll, show);
  bounded.iterations += random.iterations;
  return bounded;
}

int mutants = 0;
int caught = 0;

template <class V>
void CheckMutant() {
  const Run run = Check<V>(/*show=*/false);
  ++mutants;
  if (!run.failure.empty()) ++caught;
  std::printf("  %-30s %s (iteration %llu)\n", V::kName,
              run.failure.empty() ? "NOT CAUGHT" : run.failure.c_str(),
              static_cast<unsigned long long>(run.iterations));
}

int Main() {
  const Run run = Check<variants::real>(/*show=*/true);
  std::printf("ring and bell: %s, %llu iterations\n",
              run.failure.empty() ? "correct" : run.failure.c_str(),
              static_cast<unsigned long long>(run.iterations));
#define NEARCALL_CHECK_MUTANT(name) CheckMutant<variants::name>();
  NEARCALL_FOR_EACH_MUTANT(NEARCALL_CHECK_MUTANT)
  std::printf("mutants caught %d/%d\n", caught, mutants);
  return run.failure.empty() && caught == mutants ? 0 : 1;
}

}  // namespace
}  // namespace nearcall::model

int main() { return nearcall::model::Main(); }
