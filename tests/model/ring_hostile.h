// What the ring's two ends do with words that a peer made up. No threads: each
// load of a peer's word gives what the script says next.
#ifndef NEARCALL_TESTS_MODEL_RING_HOSTILE_H_
#define NEARCALL_TESTS_MODEL_RING_HOSTILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/model/ring_model.h"

namespace nearcall::model {

/// Memory of which the peer's words are scripted.
class ScriptedMemory {
 public:
  enum class Order { kAny };
  static constexpr Order kRelaxed = Order::kAny;
  static constexpr Order kAcquire = Order::kAny;
  static constexpr Order kRelease = Order::kAny;
  static constexpr Order kSeqCst = Order::kAny;

  struct Script {
    std::vector<uint32_t> loads;
    size_t next = 0;
    uint32_t Take() {
      return loads[next + 1 < loads.size() ? next++ : loads.size() - 1];
    }
  };
  explicit ScriptedMemory(Script* script) : script_(script) {}
  uint32_t LoadLength(uint32_t, Order) const { return script_->Take(); }
  void StoreLength(uint32_t, uint32_t, Order) {}
  uint32_t LoadIndex(Order) const { return script_->Take(); }
  void StoreIndex(uint32_t, Order) {}

 private:
  Script* script_;
};

/// Empty, or which rule was broken.
template <class V>
std::string HostileLengths() {
  using State = typename V::State;
  const std::vector<uint32_t> values = {0,  1,  4,          kMaxFrame,
                                        13, 64, 0x7fffffff, 0xffffffff};
  for (const uint32_t first : values) {
    for (const uint32_t second : values) {
      ScriptedMemory::Script script{{first, second}};
      typename V::template Reader<ScriptedMemory> reader(
          ScriptedMemory(&script), kCapacity, kMaxFrame);
      uint32_t offset = 0;
      uint32_t size = 0;
      const State state = reader.Peek(&offset, &size);
      const State expected = first == 0          ? State::kAgain
                             : first > kMaxFrame ? State::kBroken
                                                 : State::kOk;
      if (state != expected) return "a length was not judged by its first load";
      if (state != State::kOk) continue;
      if (size != first) return "a length was used that was not checked";
      uint32_t again = 0;
      if (reader.Peek(&offset, &again) != State::kOk || again != first) {
        return "a length changed while the frame was looked at";
      }
    }
  }
  return "";
}

template <class V>
std::string HostileIndexes() {
  using State = typename V::State;
  // The writer has written 2 records of 16 and wants a third, which needs a
  // look at the index: 64 - 32 - free space for another length.
  for (int64_t index = -64; index <= 128; ++index) {
    ScriptedMemory::Script script{{static_cast<uint32_t>(index)}};
    typename V::template Writer<ScriptedMemory> writer(ScriptedMemory(&script),
                                                       kCapacity);
    uint32_t offset = 0;
    uint32_t written = 0;
    State state = State::kOk;
    // The first records fit without a look; then one look, then none is legal
    // beyond what was written.
    for (int i = 0; i < 4 && state == State::kOk; ++i) {
      state = writer.Reserve(kMaxFrame, &offset);
      if (state != State::kOk) break;
      if (offset >= kCapacity + 4) return "an offset outside the ring";
      writer.Commit(kMaxFrame);
      written += 16;
    }
    const bool legal = index >= 0 && index <= 48 && index % 8 == 0;
    if (!legal && state != State::kBroken) {
      return "an index was believed that cannot be: " + std::to_string(index);
    }
    if (legal && state == State::kBroken) {
      return "a legal index was refused: " + std::to_string(index);
    }
    if (writer.reader_seen_at() > written) return "read more than was written";
  }
  return "";
}

}  // namespace nearcall::model

#endif  // NEARCALL_TESTS_MODEL_RING_HOSTILE_H_
