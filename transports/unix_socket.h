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
#include "transports/acceptor.h"
#include "transports/connection_source.h"
#include "transports/peer_policy.h"
#include "transports/rendezvous.h"

namespace nearcall::internal {

struct UnixAddress {
  std::string path;       ///< The file, or the abstract name without its NUL.
  bool abstract = false;  ///< No file, no permissions, no lock: see peers.
  FileAccess access;      ///< Of the file.
  PeerPolicy peers;       ///< Who may be at the other end.
};

/// Fills in who may connect, from the target's options. Errors as the parts'.
absl::Status ParseUnixAccess(const Target& target, UnixAddress* address);

/// Connects and checks who serves (peer_policy.h). Errors as Dialer::Dial.
absl::StatusOr<ConnectedSocket> ConnectUnix(const UnixAddress& address,
                                            Deadline deadline,
                                            int interrupt_fd);

/// As Transport::remove_stale, for every transport that listens on one.
absl::Status RemoveStaleUnixSocket(const std::string& path,
                                   std::vector<std::string>* removed);

/// A listening socket and the name it holds.
class UnixListenSocket final : public ConnectionSource {
 public:
  /// Errors as Transport::listen.
  static absl::StatusOr<std::unique_ptr<ConnectionSource>> Listen(
      const UnixAddress& address);
  /// One that somebody else made and named: who connects is checked, the name
  /// is left alone. Of `address` only the name and the peers count.
  static absl::StatusOr<std::unique_ptr<ConnectionSource>> Adopt(
      Fd listening, const UnixAddress& address);
  ~UnixListenSocket() override { Close(); }

  Pollable incoming() const override { return acceptor_->incoming(); }
  absl::StatusOr<ConnectedSocket> Accept() override;
  /// Removes the socket file if it is still ours, then gives the name back.
  void Close() override;

 private:
  explicit UnixListenSocket(const UnixAddress& address) : address_(address) {}
  absl::StatusOr<Fd> Bind();
  absl::Status Watch(Fd listening);

  const UnixAddress address_;
  NameLock lock_;
  std::unique_ptr<Acceptor> acceptor_;
  dev_t device_ = 0;  ///< Of the socket file that we made.
  ino_t inode_ = 0;
  const uint32_t generation_ = ForkGeneration();
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_UNIX_SOCKET_H_
