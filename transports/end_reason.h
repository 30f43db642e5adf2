// Why a link ended: the first reason that anybody gave. Any thread; kept apart
// from the links, which all need the same of it.
#ifndef NEARCALL_TRANSPORTS_END_REASON_H_
#define NEARCALL_TRANSPORTS_END_REASON_H_

#include <cstdint>
#include <string>
#include <utility>

#include "runtime/fd.h"
#include "runtime/sync.h"

namespace nearcall::internal {

class EndReason {
 public:
  /// True in a process forked after the link was made, which must not touch
  /// what it inherited.
  bool MadeBeforeFork() const { return generation_ != ForkGeneration(); }

  void Set(std::string reason) {
    MutexLock lock(&mutex_);
    if (reason_.empty()) reason_ = std::move(reason);
  }
  std::string Get() const {
    // Without the mutex, which a thread of the parent may have held.
    if (MadeBeforeFork()) {
      return "the process forked after this connection was made";
    }
    MutexLock lock(&mutex_);
    return reason_;
  }

 private:
  const uint32_t generation_ = ForkGeneration();
  mutable Mutex mutex_;
  std::string reason_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_END_REASON_H_
