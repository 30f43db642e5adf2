// How a client waits while a link is being established.
#ifndef NEARCALL_TRANSPORTS_AWAIT_SOCKET_H_
#define NEARCALL_TRANSPORTS_AWAIT_SOCKET_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "runtime/deadline.h"

namespace nearcall::internal {

/// OK: `fd` shows one of `events` (POLL*), or an error that the next call on it
/// tells. Else why waiting has ended, as Dialer::Dial says it:
/// DEADLINE_EXCEEDED with the text `late`, or CANCELLED.
absl::Status AwaitSocket(int fd, short events, Deadline deadline,
                         int interrupt_fd, absl::string_view late);

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_AWAIT_SOCKET_H_
