// The sockets of fd: targets, which the process was given: by its parent, by
// systemd (LISTEN_FDS), or by the program itself.
#ifndef NEARCALL_TRANSPORTS_GIVEN_SOCKET_H_
#define NEARCALL_TRANSPORTS_GIVEN_SOCKET_H_

#include "absl/status/statusor.h"
#include "runtime/fd.h"
#include "runtime/target.h"
#include "transports/rendezvous.h"

namespace nearcall::internal {

struct GivenSocket {
  Fd fd;
  bool listening = false;  ///< Else connected.
  bool tcp = false;        ///< Else a Unix socket.
};

/// Takes over the descriptor that the target names: from here on it is closed
/// when its owner goes, and not inherited by other programs. On an error it
/// stays as it is. INVALID_ARGUMENT: no number, a standard descriptor, or an
/// option that this kind of socket does not have. FAILED_PRECONDITION: not a
/// stream socket, neither listening nor connected (a client's: connected), one
/// that the library owns already, or of LISTEN_FDS and meant for another
/// process.
absl::StatusOr<GivenSocket> TakeGivenSocket(const Target& target, Side side);

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_GIVEN_SOCKET_H_
