// To which user the kernel says a TCP socket of this machine belongs:
// /proc/net/tcp and tcp6. Both may be unreadable or show another network
// namespace; then nothing is known.
#ifndef NEARCALL_TRANSPORTS_TCP_OWNER_H_
#define NEARCALL_TRANSPORTS_TCP_OWNER_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/link.h"
#include "transports/tcp_address.h"

namespace nearcall::internal {

/// One line of such a table.
struct TcpTableRow {
  std::string local;  ///< The address's bytes, see SocketAddress::bytes.
  uint16_t local_port = 0;
  std::string remote;
  uint16_t remote_port = 0;
  int state = 0;
  uid_t uid = 0;
  uint64_t inode = 0;  ///< 0: no process has it (yet, or any more).
};
inline constexpr int kTcpEstablished = 1;
inline constexpr int kTcpListen = 10;

/// Nothing: not a line of such a table (its heading).
std::optional<TcpTableRow> ParseTcpTableRow(std::string_view line);

/// The users on the other side of a connection from `own` to `server`: who
/// listens there, and who has accepted it already.
std::vector<uid_t> ServersOf(const SocketAddress& own,
                             const SocketAddress& server);

/// The user of the other side of an accepted connection.
std::optional<uid_t> ClientOf(const SocketAddress& own,
                              const SocketAddress& client);

/// Who listens on `address`; the pid where /proc shows it.
PeerIds ListenerOn(const SocketAddress& address);

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_TCP_OWNER_H_
