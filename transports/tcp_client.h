// The client's end of TCP: what is said before the first frame on a connection
// that is already there.
#ifndef NEARCALL_TRANSPORTS_TCP_CLIENT_H_
#define NEARCALL_TRANSPORTS_TCP_CLIENT_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/deadline.h"
#include "runtime/fd.h"
#include "runtime/link.h"
#include "transports/fd_link.h"
#include "transports/tcp_address.h"
#include "transports/tcp_listener.h"

namespace nearcall::internal {

/// Shows the server at the other end of `fd` what `auth` says and waits for its
/// answer. `link` is filled in: address and peer. Errors as Dialer::Dial.
absl::StatusOr<std::unique_ptr<Link>> EstablishTcp(
    Fd fd, const SocketAddress& server, const TcpAuth& auth, FdLinkOptions link,
    Deadline deadline, int interrupt_fd);

/// `what` and the error of a system call on a TCP socket, by what is to be
/// done.
absl::Status TcpError(absl::string_view what, int error);

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_TCP_CLIENT_H_
