// What a listener's incoming() shows: the descriptor that connections arrive
// on, but for pauses while the process has no descriptors left to take them.
// What waits in the kernel would else keep the waiter spinning.
#ifndef NEARCALL_TRANSPORTS_ACCEPT_GATE_H_
#define NEARCALL_TRANSPORTS_ACCEPT_GATE_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/fd.h"
#include "runtime/link.h"

namespace nearcall::internal {

/// One thread at a time.
class AcceptGate {
 public:
  /// `fd` stays the caller's and must outlive the gate. RESOURCE_EXHAUSTED when
  /// the kernel has no descriptors; `what` names the listener.
  static absl::StatusOr<std::unique_ptr<AcceptGate>> Create(
      int fd, absl::string_view what);

  /// Readable while `fd` is, but for pauses; then at the end of the pause.
  Pollable incoming() const;
  /// Quiet for 100 ms. The result is for Accept to return: RESOURCE_EXHAUSTED,
  /// `why`, and that it goes on by itself.
  absl::Status Pause(absl::string_view why);
  /// For each Accept to ask first; ends a pause whose time is up.
  bool Paused();

 private:
  explicit AcceptGate(int fd) : fd_(fd) {}

  const int fd_;
  Fd epoll_;  ///< Of fd_ and timer_.
  Fd timer_;  ///< Ends a pause.
  bool paused_ = false;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_ACCEPT_GATE_H_
