// Who may be at the other end, by what the kernel says about the peer. The one
// place of the rule, for servers and clients of every transport.
#ifndef NEARCALL_TRANSPORTS_PEER_POLICY_H_
#define NEARCALL_TRANSPORTS_PEER_POLICY_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/link.h"

namespace nearcall::internal {

/// SO_PEERCRED of a connected Unix socket. It names who called connect or
/// listen, not who holds the descriptor now: an identity, not a liveness.
absl::StatusOr<PeerIds> UnixPeerIds(int fd);

/// OK when the peer runs under our own effective uid; else PERMISSION_DENIED
/// that names both. An unknown uid is refused. `role` is "client" or "server".
absl::Status CheckPeer(const PeerIds& peer, absl::string_view role,
                       absl::string_view address);

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_PEER_POLICY_H_
