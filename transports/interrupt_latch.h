// Link::Interrupt for links that sleep in ppoll: a flag, and an eventfd that is
// made for the first sleeper, as a server's links are parked and never need it.
#ifndef NEARCALL_TRANSPORTS_INTERRUPT_LATCH_H_
#define NEARCALL_TRANSPORTS_INTERRUPT_LATCH_H_

#include <atomic>

#include "runtime/fd.h"
#include "runtime/sync.h"

namespace nearcall::internal {

class InterruptLatch {
 public:
  /// Any thread.
  void Set();

  // A sleeper calls Enter, then Take; when that said no it may block on the
  // descriptor, and calls Woken when it was readable. At last it calls Leave.

  /// What to poll for reading; -1 when there are no descriptors left: then
  /// sleep in short slices and call Take between them.
  int Enter();
  /// True once per Set (several may merge).
  bool Take() { return set_.load() && set_.exchange(false); }
  void Woken();
  void Leave() { sleepers_.fetch_sub(1); }

 private:
  // Set stores the flag, then looks for sleepers; a sleeper counts itself, then
  // looks at the flag. Sequentially consistent: one of them sees the other.
  std::atomic<bool> set_{false};
  std::atomic<int> sleepers_{0};
  std::atomic<int> fd_{-1};
  Mutex mutex_;
  Fd owned_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_INTERRUPT_LATCH_H_
