#include "transports/peer_policy.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"

namespace nearcall::internal {

absl::StatusOr<PeerIds> UnixPeerIds(int fd) {
  ucred credentials;
  socklen_t size = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return absl::InternalError(
        absl::StrCat("getsockopt(SO_PEERCRED): ", strerror(errno)));
  }
  PeerIds peer;
  // The kernel fills in -1 and 0 where it knows nothing.
  if (credentials.uid != static_cast<uid_t>(-1)) peer.uid = credentials.uid;
  if (credentials.gid != static_cast<gid_t>(-1)) peer.gid = credentials.gid;
  if (credentials.pid > 0) peer.pid = credentials.pid;
  return peer;
}

absl::Status CheckPeer(const PeerIds& peer, absl::string_view role,
                       absl::string_view address) {
  const uid_t own = geteuid();
  if (peer.uid == own) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat(
      "the ", role, " at ", address, " runs as ",
      peer.uid ? absl::StrCat("uid ", *peer.uid) : "an unknown uid",
      peer.pid ? absl::StrCat(" (pid ", *peer.pid, ")") : "",
      ", this process as uid ", own, "; both sides must run as the same user"));
}

}  // namespace nearcall::internal
