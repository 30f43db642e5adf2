#include "transports/tcp_listener.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transports/acceptor.h"
#include "transports/socket_listener.h"
#include "transports/tcp_address.h"
#include "transports/tcp_owner.h"

namespace nearcall::internal {
namespace {

class TcpSource final : public ConnectionSource {
 public:
  TcpSource(std::unique_ptr<Acceptor> acceptor, ServerToken token)
      : acceptor_(std::move(acceptor)), token_(std::move(token)) {}
  ~TcpSource() override { Close(); }

  Pollable incoming() const override { return acceptor_->incoming(); }

  absl::StatusOr<ConnectedSocket> Accept() override {
    absl::StatusOr<Fd> fd = acceptor_->Accept();
    if (!fd.ok()) return fd.status();
    ConnectedSocket result;
    if (!*fd) return result;
    SetNoDelay(fd->get());
    SocketAddress peer;
    socklen_t size = SocketAddress::kCapacity;
    if (getpeername(fd->get(), peer.data(), &size) == 0) {
      result.peer_name = peer.PeerName();
    }
    result.fd = *std::move(fd);
    return result;
  }

  void Close() override {
    acceptor_.reset();
    token_.Release();
  }

 private:
  std::unique_ptr<Acceptor> acceptor_;
  ServerToken token_;
};

// Whether the kernel says that the client is one of those who need no token.
bool AllowedByUser(const ConnectedSocket& socket, const PeerPolicy& peers,
                   PeerIds* ids) {
  if (peers.anyone) return true;
  if (peers.uids.empty()) return false;
  SocketAddress own, client;
  socklen_t size = SocketAddress::kCapacity;
  if (getsockname(socket.fd.get(), own.data(), &size) != 0) return false;
  size = SocketAddress::kCapacity;
  if (getpeername(socket.fd.get(), client.data(), &size) != 0) return false;
  // Another machine's ports mean nothing in our tables.
  if (!client.loopback()) return false;
  ids->uid = ClientOf(own, client);
  return peers.Allows(ids->uid, "client");
}

absl::StatusOr<std::unique_ptr<Link>> Admit(ConnectedSocket socket,
                                            std::span<const std::byte> bytes,
                                            const std::optional<Token>& token,
                                            const TcpListenOptions& options) {
  const absl::StatusOr<TcpHello> hello = DecodeTcpHello(bytes);
  if (!hello.ok()) return hello.status();
  FdLinkOptions link = options.link;
  link.info.peer_name = socket.peer_name;
  TcpCode code = TcpCode::kOk;
  if (hello->version != kTcpVersion) {
    code = TcpCode::kVersion;
  } else if (token && !SameToken(*token, hello->token) &&
             !AllowedByUser(socket, options.auth.peers, &link.info.peer)) {
    code = TcpCode::kToken;
  }
  const auto answer = EncodeTcpAnswer(code);
  if (send(socket.fd.get(), answer.data(), answer.size(),
           MSG_DONTWAIT | MSG_NOSIGNAL) !=
      static_cast<ssize_t>(answer.size())) {
    return absl::UnavailableError(
        absl::StrCat(socket.peer_name, ": the client went away"));
  }
  if (code == TcpCode::kVersion) {
    return absl::UnavailableError(
        absl::StrCat("the client at ", socket.peer_name, " speaks version ",
                     hello->version, " of the TCP hello"));
  }
  if (code == TcpCode::kToken) {
    return absl::PermissionDeniedError(
        absl::StrCat("the client at ", socket.peer_name, " of ",
                     options.address, " has not the server's token"));
  }
  return MakeSocketLink(std::move(socket.fd), std::move(link));
}

}  // namespace

void SetNoDelay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

absl::StatusOr<TcpAuth> ParseTcpAuth(const Target& target) {
  const config::Options& options = target.options;
  TcpAuth auth;
  absl::StatusOr<PeerPolicy> peers = ParsePeerPolicy(target);
  if (!peers.ok()) return peers.status();
  auth.peers = *std::move(peers);
  if (options.has_auth() && options.auth() != "token" &&
      options.auth() != "none") {
    return absl::InvalidArgumentError(
        absl::StrCat("target '", target.uri, "': auth is '", options.auth(),
                     "': it must be token or none"));
  }
  if (options.auth() == "none") auth.kind = TcpAuth::Kind::kNone;
  if (!options.has_token_file()) return auth;
  auth.token_file = options.token_file();
  if (auth.kind == TcpAuth::Kind::kNone || auth.token_file[0] != '/') {
    return absl::InvalidArgumentError(absl::StrCat(
        "target '", target.uri, "': token_file is '", auth.token_file,
        "': it must be an absolute path, and not go with auth=none"));
  }
  auth.kind = TcpAuth::Kind::kFile;
  return auth;
}

absl::StatusOr<ServerToken> ServerToken::Take(const TcpAuth& auth,
                                              uint16_t port) {
  ServerToken result;
  if (auth.kind == TcpAuth::Kind::kNone) return result;
  if (auth.kind == TcpAuth::Kind::kFile) {
    const absl::StatusOr<Token> token = ReadSecretFile(auth.token_file);
    if (!token.ok()) return token.status();
    result.token_ = *token;
    return result;
  }
  const absl::StatusOr<std::string> path = TokenPath(Side::kServer, port);
  if (!path.ok()) return path.status();
  absl::StatusOr<NameLock> lock = NameLock::Take(*path);
  if (!lock.ok()) return lock.status();
  const absl::StatusOr<Token> token = MakeTokenFile(*path);
  if (!token.ok()) return token.status();
  result.token_ = *token;
  result.path_ = *path;
  result.lock_ = *std::move(lock);
  return result;
}

void ServerToken::Release() {
  if (lock_.held() && generation_ == ForkGeneration()) unlink(path_.c_str());
  lock_.Release();
}

absl::StatusOr<std::unique_ptr<Listener>> ListenOnTcp(
    std::vector<Fd> sockets, ServerToken token, TcpListenOptions options) {
  absl::StatusOr<std::unique_ptr<Acceptor>> acceptor =
      Acceptor::Create(std::move(sockets), options.address);
  if (!acceptor.ok()) return acceptor.status();
  const std::optional<Token> secret = token.token();
  return ListenOnTcpSource(
      std::make_unique<TcpSource>(*std::move(acceptor), std::move(token)),
      secret, std::move(options));
}

absl::StatusOr<std::unique_ptr<Listener>> ListenOnTcpSource(
    std::unique_ptr<ConnectionSource> source, std::optional<Token> token,
    TcpListenOptions options) {
  SocketListener::Options listener;
  listener.address = options.address;
  listener.port = options.port;
  listener.hello_bytes = kTcpHelloBytes;
  listener.make_link = [token = std::move(token), options = std::move(options)](
                           ConnectedSocket socket,
                           std::span<const std::byte> hello) {
    return Admit(std::move(socket), hello, token, options);
  };
  return SocketListener::Create(std::move(source), std::move(listener));
}

}  // namespace nearcall::internal
