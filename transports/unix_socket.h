// Unix stream sockets below the frames: address, connect, bind under the name
// lock, accept. For the unix: schemes and for the transports whose rendezvous
// rides on a Unix socket.
#ifndef NEARCALL_TRANSPORTS_UNIX_SOCKET_H_
#define NEARCALL_TRANSPORTS_UNIX_SOCKET_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/deadline.h"
#include "runtime/fd.h"
#include "runtime/link.h"
#include "transports/accept_gate.h"
#include "transports/rendezvous.h"

namespace nearcall::internal {

struct UnixAddress {
  std::string path;       ///< The file, or the abstract name without its NUL.
  bool abstract = false;  ///< No file, no permissions, no lock: see peers.
};

struct ConnectedSocket {
  Fd fd;
  PeerIds peer;
};

/// Connects and checks who serves (peer_policy.h). Errors as Dialer::Dial.
absl::StatusOr<ConnectedSocket> ConnectUnix(const UnixAddress& address,
                                            Deadline deadline,
                                            int interrupt_fd);

/// As Transport::remove_stale, for every transport that listens on one.
absl::Status RemoveStaleUnixSocket(const std::string& path,
                                   std::vector<std::string>* removed);

/// A listening socket and the name it holds. Errors as Transport::listen.
/// One thread at a time.
class UnixListenSocket {
 public:
  static absl::StatusOr<std::unique_ptr<UnixListenSocket>> Listen(
      const UnixAddress& address);
  ~UnixListenSocket() { Close(); }

  /// Readable when Accept may have something; stays so until it was taken.
  Pollable incoming() const;
  /// As Listener::Accept: an fd < 0 in the result is "nothing now". The peer
  /// is checked. When descriptors run out it pauses itself: incoming() is quiet
  /// for 100 ms, while the connection waits in the kernel's queue.
  absl::StatusOr<ConnectedSocket> Accept();
  /// Removes the socket file if it is still ours, then gives the name back.
  void Close();

 private:
  UnixListenSocket() = default;
  absl::Status Bind(const UnixAddress& address);

  UnixAddress address_;
  NameLock lock_;
  Fd socket_;
  std::unique_ptr<AcceptGate> gate_;  ///< Of socket_.
  dev_t device_ = 0;                  ///< Of the socket file that we made.
  ino_t inode_ = 0;
  uint32_t generation_ = 0;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_UNIX_SOCKET_H_
