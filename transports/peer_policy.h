// Who may be at the other end, by what the kernel says about the peer. The one
// place of the rule, for servers and clients of every transport.
#ifndef NEARCALL_TRANSPORTS_PEER_POLICY_H_
#define NEARCALL_TRANSPORTS_PEER_POLICY_H_

#include <sys/types.h>

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/link.h"
#include "runtime/target.h"

namespace nearcall::internal {

/// Our own effective uid always may, and root may be the server: it can be
/// anybody anyway. These may as well.
struct PeerPolicy {
  bool anyone = false;
  std::vector<uid_t> uids;
  std::optional<gid_t> group;  ///< As a process's own or a supplementary one.

  bool Allows(std::optional<uid_t> uid, absl::string_view role) const;
};

/// Options allow_uids and group. INVALID_ARGUMENT says what is wrong.
absl::StatusOr<PeerPolicy> ParsePeerPolicy(const Target& target);

/// SO_PEERCRED of a connected Unix socket. It names who called connect or
/// listen, not who holds the descriptor now: an identity, not a liveness.
absl::StatusOr<PeerIds> UnixPeerIds(int fd);

/// OK when the peer may be there; else PERMISSION_DENIED that names both and
/// the remedy. An unknown uid is refused. `role` is "client" or "server", what
/// the peer is. Groups are not looked at.
absl::Status CheckPeer(const PeerIds& peer, absl::string_view role,
                       absl::string_view address,
                       const PeerPolicy& policy = {});

/// Who is at the other end of a connected Unix socket, if it may be.
absl::StatusOr<PeerIds> CheckUnixPeer(int fd, absl::string_view role,
                                      absl::string_view address,
                                      const PeerPolicy& policy);

/// How the file of a name is made.
struct FileAccess {
  mode_t mode = 0600;
  std::optional<gid_t> group;
};

/// Options mode, group and allow_uids of a name in the file system.
/// INVALID_ARGUMENT when they let others in at a name inside the runtime
/// directory, which only we can enter, or contradict each other.
absl::StatusOr<FileAccess> ParseFileAccess(const Target& target,
                                           const PeerPolicy& policy);

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_PEER_POLICY_H_
