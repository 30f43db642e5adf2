// What the kernel says about the process at the other end.
#ifndef NEARCALL_PEER_CREDENTIALS_H_
#define NEARCALL_PEER_CREDENTIALS_H_

#include <sys/types.h>

#include <optional>

namespace nearcall {

/// Unset members are unknown (TCP), never guessed. `pid` is advisory: it names
/// who connected, not who holds the descriptor now.
struct PeerCredentials {
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<pid_t> pid;
};

}  // namespace nearcall

#endif  // NEARCALL_PEER_CREDENTIALS_H_
