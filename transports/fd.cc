// The scheme fd: sockets that the process was given, listening or connected.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "transports/await_socket.h"
#include "transports/factories.h"
#include "transports/given_socket.h"
#include "transports/options.h"
#include "transports/socket_listener.h"
#include "transports/tcp_address.h"
#include "transports/tcp_client.h"
#include "transports/tcp_listener.h"
#include "transports/unix_socket.h"

namespace nearcall::internal {
namespace {

struct FdTarget {
  GivenSocket socket;
  TcpAuth auth;
  FdLinkOptions link;
  bool allow_remote = false;
  std::string name;  ///< For messages.
};

absl::StatusOr<FdTarget> Take(const Target& target, Side side) {
  FdTarget result;
  const absl::StatusOr<uint32_t> frame_bytes = FrameBytes(target);
  if (!frame_bytes.ok()) return frame_bytes.status();
  absl::StatusOr<TcpAuth> auth = ParseTcpAuth(target);
  if (!auth.ok()) return auth.status();
  absl::StatusOr<GivenSocket> socket = TakeGivenSocket(target, side);
  if (!socket.ok()) return socket.status();
  result.socket = *std::move(socket);
  result.auth = *std::move(auth);
  result.allow_remote = target.options.allow_remote();
  result.link.info.scheme = target.scheme;
  result.link.info.address = target.rest;
  result.link.info.max_frame = *frame_bytes;
  result.name = absl::StrCat(target.scheme, ":", target.rest);
  if (result.socket.tcp) SetNoDelay(result.socket.fd.get());
  return result;
}

using NameCall = int (*)(int, sockaddr*, socklen_t*);

absl::StatusOr<SocketAddress> TcpName(const FdTarget& target, NameCall call) {
  SocketAddress address;
  socklen_t size = SocketAddress::kCapacity;
  if (call(target.socket.fd.get(), address.data(), &size) != 0) {
    return TcpError(target.name, errno);
  }
  if (address.loopback() || target.allow_remote) return address;
  return absl::InvalidArgumentError(absl::StrCat(
      target.name, " is a socket at ", address.Text(),
      ", not on loopback, which needs allow_remote=true; nothing is "
      "encrypted"));
}

// --- The client ---

/// The one connection there is: it cannot be made again.
class FdDialer final : public Dialer {
 public:
  explicit FdDialer(FdTarget target) : target_(std::move(target)) {}

  absl::StatusOr<std::unique_ptr<Link>> Dial(Deadline deadline,
                                             int interrupt_fd) override {
    Fd& fd = target_.socket.fd;
    if (!fd) {
      return absl::UnavailableError(absl::StrCat(
          "no server at ", target_.name,
          " any more: the connection has ended, and one that was given cannot "
          "be made again; start a new channel with a new socket"));
    }
    return target_.socket.tcp ? EstablishTcpLink(deadline, interrupt_fd)
                              : EstablishUnixLink(deadline, interrupt_fd);
  }

  // Nothing can come.
  bool WaitForServer(Deadline until, int interrupt_fd) override {
    pollfd interrupt{interrupt_fd, POLLIN, 0};
    timespec storage;
    ppoll(&interrupt, 1, until.RemainingTimespec(&storage), nullptr);
    return false;
  }

 private:
  absl::StatusOr<std::unique_ptr<Link>> EstablishTcpLink(Deadline deadline,
                                                         int interrupt_fd) {
    const absl::StatusOr<SocketAddress> server = TcpName(target_, &getpeername);
    if (!server.ok()) return server.status();
    return EstablishTcp(std::move(target_.socket.fd), *server, target_.auth,
                        target_.link, deadline, interrupt_fd);
  }

  // A server speaks first. Until then a call may give up and leave the
  // connection to the next one.
  absl::StatusOr<std::unique_ptr<Link>> EstablishUnixLink(Deadline deadline,
                                                          int interrupt_fd) {
    const int fd = target_.socket.fd.get();
    if (absl::Status status = AwaitSocket(
            fd, POLLIN, deadline, interrupt_fd,
            absl::StrCat("the server at ", target_.name, " says nothing"));
        !status.ok()) {
      return status;
    }
    const absl::StatusOr<PeerIds> peer =
        CheckUnixPeer(fd, "server", target_.name, target_.auth.peers);
    if (!peer.ok()) return peer.status();
    FdLinkOptions link = target_.link;
    link.info.peer = *peer;
    return MakeSocketLink(std::move(target_.socket.fd), std::move(link));
  }

  FdTarget target_;
};

// --- The server ---

/// A connected socket, as the only client that ever comes.
class OneConnection final : public ConnectionSource {
 public:
  OneConnection(ConnectedSocket socket, Fd incoming)
      : socket_(std::move(socket)), incoming_(std::move(incoming)) {}

  Pollable incoming() const override { return {incoming_.get(), POLLIN}; }
  absl::StatusOr<ConnectedSocket> Accept() override {
    uint64_t one;
    (void)!read(incoming_.get(), &one, sizeof one);
    return std::move(socket_);
  }
  void Close() override { socket_.fd.reset(); }

 private:
  ConnectedSocket socket_;
  const Fd incoming_;  ///< An eventfd, readable until the socket was taken.
};

absl::StatusOr<std::unique_ptr<ConnectionSource>> OnlyClient(
    FdTarget* target, const PeerIds& peer, std::string peer_name) {
  Fd incoming(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!incoming) {
    return absl::ResourceExhaustedError(
        absl::StrCat(target->name, ": eventfd: ", strerror(errno)));
  }
  return std::make_unique<OneConnection>(
      ConnectedSocket{std::move(target->socket.fd), peer, std::move(peer_name)},
      std::move(incoming));
}

absl::StatusOr<std::unique_ptr<Listener>> ListenTcpFd(FdTarget target) {
  const bool listening = target.socket.listening;
  const absl::StatusOr<SocketAddress> own = TcpName(target, &getsockname);
  if (!own.ok()) return own.status();
  TcpListenOptions options;
  options.link = target.link;
  options.auth = target.auth;
  options.address = target.name;
  if (!listening && target.auth.kind == TcpAuth::Kind::kToken) {
    return absl::InvalidArgumentError(absl::StrCat(
        target.name,
        " is a TCP connection, and the token is the listening server's: say "
        "token_file=FILE, or auth=none where whoever accepted it has looked "
        "who calls"));
  }
  absl::StatusOr<ServerToken> token =
      ServerToken::Take(target.auth, own->port());
  if (!token.ok()) return token.status();
  if (!listening) {
    const absl::StatusOr<SocketAddress> client = TcpName(target, &getpeername);
    if (!client.ok()) return client.status();
    options.port = 1;
    absl::StatusOr<std::unique_ptr<ConnectionSource>> source =
        OnlyClient(&target, PeerIds(), client->PeerName());
    if (!source.ok()) return source.status();
    return ListenOnTcpSource(*std::move(source), token->token(),
                             std::move(options));
  }
  HostPort named{own->host(), own->port()};
  if (IsWildcardHost(named.host)) named.host = "localhost";
  options.address = absl::StrCat("tcp:", HostPortText(named));
  options.port = named.port;
  std::vector<Fd> sockets;
  sockets.push_back(std::move(target.socket.fd));
  return ListenOnTcp(std::move(sockets), *std::move(token), std::move(options));
}

absl::StatusOr<UnixAddress> OwnUnixAddress(const FdTarget& target) {
  sockaddr_un own{};
  socklen_t size = sizeof own;
  if (getsockname(target.socket.fd.get(), reinterpret_cast<sockaddr*>(&own),
                  &size) != 0) {
    return absl::InternalError(
        absl::StrCat(target.name, ": getsockname: ", strerror(errno)));
  }
  UnixAddress address;
  address.peers = target.auth.peers;
  const size_t length = size - offsetof(sockaddr_un, sun_path);
  if (length == 0) return address;
  address.abstract = own.sun_path[0] == '\0';
  address.path = address.abstract ? std::string(own.sun_path + 1, length - 1)
                                  : std::string(own.sun_path);
  return address;
}

absl::StatusOr<std::unique_ptr<Listener>> ListenUnixFd(FdTarget target) {
  const int fd = target.socket.fd.get();
  SocketListener::Options options;
  options.address = target.name;
  absl::StatusOr<std::unique_ptr<ConnectionSource>> source;
  if (target.socket.listening) {
    const absl::StatusOr<UnixAddress> address = OwnUnixAddress(target);
    if (!address.ok()) return address.status();
    if (!address->path.empty()) {
      options.address = absl::StrCat(
          address->abstract ? "unix-abstract:" : "unix:", address->path);
    }
    source = UnixListenSocket::Adopt(std::move(target.socket.fd), *address);
  } else {
    const absl::StatusOr<PeerIds> peer =
        CheckUnixPeer(fd, "client", target.name, target.auth.peers);
    if (!peer.ok()) return peer.status();
    source = OnlyClient(&target, *peer, "");
  }
  if (!source.ok()) return source.status();
  options.make_link = [link = target.link](ConnectedSocket socket,
                                           std::span<const std::byte>) {
    FdLinkOptions options = link;
    options.info.peer = socket.peer;
    return MakeSocketLink(std::move(socket.fd), std::move(options));
  };
  return SocketListener::Create(*std::move(source), std::move(options));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dialer>> MakeFdDialer(const Target& target) {
  absl::StatusOr<FdTarget> taken = Take(target, Side::kClient);
  if (!taken.ok()) return taken.status();
  return std::make_unique<FdDialer>(*std::move(taken));
}

absl::StatusOr<std::unique_ptr<Listener>> ListenFd(const Target& target) {
  absl::StatusOr<FdTarget> taken = Take(target, Side::kServer);
  if (!taken.ok()) return taken.status();
  return taken->socket.tcp ? ListenTcpFd(*std::move(taken))
                           : ListenUnixFd(*std::move(taken));
}

}  // namespace nearcall::internal
