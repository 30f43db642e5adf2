// The server's end of TCP: who may connect is settled before a client has a
// link. For tcp: and for TCP sockets that the process was given.
#ifndef NEARCALL_TRANSPORTS_TCP_LISTENER_H_
#define NEARCALL_TRANSPORTS_TCP_LISTENER_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/fd.h"
#include "runtime/target.h"
#include "runtime/transport.h"
#include "transports/connection_source.h"
#include "transports/fd_link.h"
#include "transports/peer_policy.h"
#include "transports/rendezvous.h"
#include "transports/tcp_token.h"

namespace nearcall::internal {

/// Options of a target that concern who may be at the other end.
struct TcpAuth {
  enum class Kind {
    kToken,  ///< What the server wrote into its runtime directory.
    kFile,   ///< token_file.
    kNone,
  };
  Kind kind = Kind::kToken;
  std::string token_file;
  PeerPolicy peers;  ///< By the kernel's tables; on a server: without a token.
};
absl::StatusOr<TcpAuth> ParseTcpAuth(const Target& target);

/// The token of a server, and for as long as it serves the file with it.
class ServerToken {
 public:
  ServerToken() = default;
  ServerToken(ServerToken&&) = default;
  ServerToken& operator=(ServerToken&& other) {
    Release();
    token_ = other.token_;
    path_ = std::move(other.path_);
    lock_ = std::move(other.lock_);
    return *this;
  }
  ~ServerToken() { Release(); }

  /// Of a server with the port, before it listens. kToken: a new one, in a file
  /// whose name it holds. ALREADY_EXISTS names the holder's pid. kNone: an
  /// object that every client passes.
  static absl::StatusOr<ServerToken> Take(const TcpAuth& auth, uint16_t port);
  const std::optional<Token>& token() const { return token_; }
  /// Removes the file and gives the name back.
  void Release();

 private:
  std::optional<Token> token_;
  std::string path_;
  NameLock lock_;
  uint32_t generation_ = ForkGeneration();
};

struct TcpListenOptions {
  std::string address;  ///< As Listener::address.
  int port = 0;
  TcpAuth auth;
  FdLinkOptions link;
};

/// `sockets` listen already.
absl::StatusOr<std::unique_ptr<Listener>> ListenOnTcp(std::vector<Fd> sockets,
                                                      ServerToken token,
                                                      TcpListenOptions options);

/// Connections from elsewhere. `token`: what a client must show.
absl::StatusOr<std::unique_ptr<Listener>> ListenOnTcpSource(
    std::unique_ptr<ConnectionSource> source, std::optional<Token> token,
    TcpListenOptions options);

/// No delay: a frame is not held back for the acknowledgement of the last one.
void SetNoDelay(int fd);

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_TCP_LISTENER_H_
