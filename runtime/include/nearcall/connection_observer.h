// Hearing of clients: on one machine a connection is a process.
#ifndef NEARCALL_CONNECTION_OBSERVER_H_
#define NEARCALL_CONNECTION_OBSERVER_H_

#include <nearcall/peer_credentials.h>

#include <cstdint>
#include <string>

namespace nearcall {

/// One client's connection to a server.
struct Connection {
  uint64_t id = 0;        ///< Never used again in the server's life.
  std::string peer;       ///< As ServerContext::peer() has it.
  std::string transport;  ///< The scheme: "shm", "unix", ...
  PeerCredentials credentials;
};

/// Called on a thread of the server's executor, one event at a time, in the
/// order in which they happened; a call may arrive before its OnConnect has
/// returned. Must outlive the server.
class ConnectionObserver {
 public:
  virtual ~ConnectionObserver() = default;
  /// The client has connected and shaken hands.
  virtual void OnConnect(const Connection& connection) = 0;
  /// It has gone: closed, died, or was cut off; `reason` says which.
  virtual void OnDisconnect(const Connection& connection,
                            const std::string& reason) = 0;
};

}  // namespace nearcall

#endif  // NEARCALL_CONNECTION_OBSERVER_H_
