// Who sleeps, and who must ring: the protocol that loses no wake-up although
// neither side writes a word of the other.
//
// A sleeper owns its sleep word. Odd means armed; every raise is a new odd
// value. The waker rings a value at most once, so a sleeper that is slow to get
// up costs no further bells.
//
//   sleeper                          waker
//   word := next odd   (seq_cst)     publish            (seq_cst)
//   look again         (seq_cst)     word odd and new?  (seq_cst) -> ring
//   block on the bell
//
// All four are sequentially consistent, so that either the sleeper's second
// look finds what was published or the waker finds the word raised
// (tests/model: with less it is lost). A bell that arrives after the sleeper
// has lowered its word is a spurious wake-up of its next sleep.
//
// `Word` is how a word is reached: Order, kRelaxed, kSeqCst as in ring.h, and
//   uint32_t Load(Order) const;  void Store(uint32_t, Order)
#ifndef NEARCALL_TRANSPORTS_RING_BELL_H_
#define NEARCALL_TRANSPORTS_RING_BELL_H_

#include <cstdint>

namespace nearcall::internal {

template <class Word>
class Sleeper {
 public:
  explicit Sleeper(Word word) : word_(word) {}

  /// Then look again before blocking.
  void Raise() {
    value_ = (value_ + 1) | 1;
    ++raises_;
    word_.Store(value_, Word::kSeqCst);
  }
  void Lower() {
    value_ = (value_ | 1) + 1;
    word_.Store(value_, Word::kRelaxed);
  }

  /// A peer that keeps to the protocol rings no more often than this.
  uint64_t raises() const { return raises_; }

 private:
  Word word_;
  uint32_t value_ = 0;
  uint64_t raises_ = 0;
};

template <class Word>
class Waker {
 public:
  explicit Waker(Word word) : word_(word) {}

  /// After a sequentially consistent store that a sleeper may wait for: whether
  /// to ring now.
  bool Due() {
    const uint32_t value = word_.Load(Word::kSeqCst);
    if ((value & 1) == 0 || value == rung_) return false;
    rung_ = value;
    return true;
  }

 private:
  Word word_;
  uint32_t rung_ = 0;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_RING_BELL_H_
