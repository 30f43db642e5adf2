// The scheme tcp: sockets of this machine's loopback, and with allow_remote of
// others.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "transports/factories.h"
#include "transports/http2_peer.h"
#include "transports/options.h"
#include "transports/tcp_address.h"
#include "transports/tcp_listener.h"
#include "transports/tcp_owner.h"
#include "transports/tcp_token.h"

namespace nearcall::internal {
namespace {

constexpr int kBacklog = 1024;
// A free port of the first address may be taken on the second, or by a server
// of ours on another address.
constexpr int kPortAttempts = 32;

struct TcpTarget {
  TcpAddresses addresses;
  TcpAuth auth;
  FdLinkOptions link;
};

absl::StatusOr<TcpTarget> Parse(const Target& target, Side side) {
  TcpTarget result;
  const absl::StatusOr<uint32_t> frame_bytes = FrameBytes(target);
  if (!frame_bytes.ok()) return frame_bytes.status();
  absl::StatusOr<TcpAddresses> addresses = ParseTcpAddresses(target, side);
  if (!addresses.ok()) return addresses.status();
  absl::StatusOr<TcpAuth> auth = ParseTcpAuth(target);
  if (!auth.ok()) return auth.status();
  result.addresses = *std::move(addresses);
  result.auth = *std::move(auth);
  result.link.info.scheme = target.scheme;
  result.link.info.max_frame = *frame_bytes;
  return result;
}

absl::Status SystemError(absl::string_view what, int error) {
  const std::string text = absl::StrCat(what, ": ", strerror(error));
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return absl::ResourceExhaustedError(
          absl::StrCat(text, "; raise the limit of open files (ulimit -n)"));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(text);
    case EAFNOSUPPORT:
      return absl::UnimplementedError(text);
    default:
      return absl::UnavailableError(text);
  }
}

absl::StatusOr<Fd> NewSocket(const SocketAddress& address) {
  Fd fd(
      socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) {
    const int error = errno;
    return SystemError("cannot make a TCP socket", error);
  }
  return fd;
}

// --- The client ---

/// OK: the descriptor has what was asked for. Else why waiting has ended.
absl::Status WaitFor(int fd, short events, Deadline deadline, int interrupt_fd,
                     absl::string_view what) {
  for (;;) {
    std::array<pollfd, 2> fds = {{{fd, events, 0}, {interrupt_fd, POLLIN, 0}}};
    timespec storage;
    const int ready = ppoll(fds.data(), fds.size(),
                            deadline.RemainingTimespec(&storage), nullptr);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return SystemError("ppoll", errno);
    if (fds[1].revents != 0) {
      return absl::CancelledError("connecting was interrupted");
    }
    if (ready == 0) return absl::DeadlineExceededError(what);
    return absl::OkStatus();
  }
}

absl::StatusOr<Fd> Connect(const SocketAddress& address, Deadline deadline,
                           int interrupt_fd) {
  absl::StatusOr<Fd> fd = NewSocket(address);
  if (!fd.ok()) return fd;
  int error =
      connect(fd->get(), address.data(), address.size()) == 0 ? 0 : errno;
  if (error == EINPROGRESS || error == EINTR) {
    if (absl::Status status =
            WaitFor(fd->get(), POLLOUT, deadline, interrupt_fd,
                    absl::StrCat(address.Text(), ": connect timed out"));
        !status.ok()) {
      return status;
    }
    socklen_t size = sizeof error;
    if (getsockopt(fd->get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
      error = errno;
    }
  }
  // A connection to a port that nobody has may have got that very port for its
  // own end: then it is connected to itself.
  SocketAddress own;
  socklen_t size = SocketAddress::kCapacity;
  if (error == 0 && getsockname(fd->get(), own.data(), &size) == 0 &&
      own.Text() == address.Text()) {
    error = ECONNREFUSED;
  }
  if (error == 0) {
    SetNoDelay(fd->get());
    return fd;
  }
  if (error == ECONNREFUSED) {
    return absl::UnavailableError(
        absl::StrCat("no server at tcp:", address.Text(), ": ", strerror(error),
                     "; start the server or check the port"));
  }
  return SystemError(absl::StrCat("tcp:", address.Text(), ": connect"), error);
}

class TcpDialer final : public Dialer {
 public:
  explicit TcpDialer(TcpTarget target) : target_(std::move(target)) {}

  absl::StatusOr<std::unique_ptr<Link>> Dial(Deadline deadline,
                                             int interrupt_fd) override {
    const absl::StatusOr<std::vector<SocketAddress>> addresses =
        Resolve(target_.addresses);
    if (!addresses.ok()) return addresses.status();
    absl::Status first = absl::UnavailableError(
        absl::StrCat("'", target_.addresses.named.host, "' has no address"));
    for (size_t i = 0; i < addresses->size(); ++i) {
      const SocketAddress& address = (*addresses)[i];
      absl::StatusOr<Fd> fd = Connect(address, deadline, interrupt_fd);
      if (fd.ok()) {
        return Establish(*std::move(fd), address, deadline, interrupt_fd);
      }
      if (i == 0) first = fd.status();
      if (absl::IsCancelled(fd.status()) ||
          absl::IsDeadlineExceeded(fd.status())) {
        return fd.status();
      }
    }
    return first;
  }

 private:
  /// What we show the server, and the words for why it is nothing.
  struct Shown {
    std::optional<Token> token;
    std::string why_none;
  };

  absl::StatusOr<Shown> FindToken(const SocketAddress& server) {
    Shown shown;
    if (target_.auth.kind == TcpAuth::Kind::kNone) {
      shown.why_none = "this target says auth=none";
      return shown;
    }
    if (target_.auth.kind == TcpAuth::Kind::kFile) {
      const absl::StatusOr<Token> token =
          ReadSecretFile(target_.auth.token_file);
      if (!token.ok()) return token.status();
      shown.token = *token;
      return shown;
    }
    if (!server.loopback()) {
      shown.why_none =
          "the token of a server is on its machine; give both sides the same "
          "token_file=FILE";
      return shown;
    }
    const absl::StatusOr<std::string> path =
        TokenPath(Side::kClient, server.port());
    if (!path.ok()) return path.status();
    const absl::StatusOr<Token> token = ReadTokenFile(*path);
    if (token.ok()) {
      shown.token = *token;
    } else if (absl::IsNotFound(token.status())) {
      shown.why_none = absl::StrCat(
          *path,
          " does not exist; run both as the same user with the same "
          "NEARCALL_RUNTIME_DIR, or give both token_file=FILE, or the server "
          "auth=none or our uid in allow_uids");
    } else {
      return token.status();
    }
    return shown;
  }

  // Before a token is shown: it must not go to a stranger who took the port.
  absl::Status CheckServer(int fd, const SocketAddress& server, PeerIds* ids) {
    if (!server.loopback()) return absl::OkStatus();
    SocketAddress own;
    socklen_t size = SocketAddress::kCapacity;
    if (getsockname(fd, own.data(), &size) != 0) {
      return SystemError("getsockname", errno);
    }
    for (const uid_t uid : ServersOf(own, server)) {
      ids->uid = uid;
      if (absl::Status status =
              CheckPeer(*ids, "server", server.Text(), target_.auth.peers);
          !status.ok()) {
        return status;
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Link>> Establish(Fd fd,
                                                  const SocketAddress& server,
                                                  Deadline deadline,
                                                  int interrupt_fd) {
    const absl::StatusOr<Shown> shown = FindToken(server);
    if (!shown.ok()) return shown.status();
    FdLinkOptions link = target_.link;
    link.info.address = server.Text();
    link.info.peer_name = server.PeerName();
    if (shown->token) {
      if (absl::Status status = CheckServer(fd.get(), server, &link.info.peer);
          !status.ok()) {
        return status;
      }
    }
    const auto hello = EncodeTcpHello(shown->token);
    if (send(fd.get(), hello.data(), hello.size(),
             MSG_DONTWAIT | MSG_NOSIGNAL) !=
        static_cast<ssize_t>(hello.size())) {
      return SystemError(absl::StrCat(server.Text(), ": the server went away"),
                         errno);
    }
    if (absl::Status status =
            ReceiveAnswer(fd.get(), link.info, *shown, deadline, interrupt_fd);
        !status.ok()) {
      return status;
    }
    return MakeSocketLink(std::move(fd), std::move(link));
  }

  absl::Status ReceiveAnswer(int fd, const LinkInfo& info, const Shown& shown,
                             Deadline deadline, int interrupt_fd) {
    std::array<std::byte, kTcpAnswerBytes> bytes;
    const Deadline patience = Deadline::AfterMillis(kEstablishTimeoutMillis);
    const std::string where = absl::StrCat("the server at tcp:", info.address);
    for (size_t received = 0; received < bytes.size();) {
      const absl::Status waited =
          WaitFor(fd, POLLIN, std::min(deadline, patience), interrupt_fd,
                  absl::StrCat(where, " accepted, but did not answer in time"));
      if (absl::IsDeadlineExceeded(waited) && patience < deadline) {
        return absl::UnavailableError(absl::StrCat(
            waited.message(), ": is it stopped, or no nearcall server?"));
      }
      if (!waited.ok()) return waited;
      const ssize_t got = recv(fd, bytes.data() + received,
                               bytes.size() - received, MSG_DONTWAIT);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (got <= 0) {
        return absl::UnavailableError(absl::StrCat(
            where,
            " closed the connection: it does not speak nearcall, or has "
            "just ended"));
      }
      received += static_cast<size_t>(got);
      if (IsHttp2Server({bytes.data(), received})) {
        return absl::UnavailableError(PeerSpeaksGrpc(info));
      }
    }
    const absl::StatusOr<TcpAnswer> answer = DecodeTcpAnswer(bytes);
    if (!answer.ok()) {
      return absl::Status(answer.status().code(),
                          absl::StrCat(where, ": ", answer.status().message()));
    }
    switch (answer->code) {
      case TcpCode::kOk:
        return absl::OkStatus();
      case TcpCode::kToken:
        return absl::PermissionDeniedError(absl::StrCat(
            where, shown.token
                       ? " refuses our token: it was started by another user, "
                         "with another NEARCALL_RUNTIME_DIR or another "
                         "token_file"
                       : absl::StrCat(" wants a token: ", shown.why_none)));
      case TcpCode::kVersion:
        return absl::UnavailableError(
            absl::StrCat(where, " speaks version ", answer->version,
                         " of the TCP hello, this process version ",
                         kTcpVersion, ": build both with the same nearcall"));
    }
    return absl::InternalError(
        absl::StrCat(where, " refuses with the unknown code ",
                     static_cast<uint32_t>(answer->code)));
  }

  const TcpTarget target_;
};

// --- The server ---

absl::Status PortTaken(const SocketAddress& address) {
  const PeerIds holder = ListenerOn(address);
  return absl::AlreadyExistsError(
      absl::StrCat("tcp:", address.Text(), " is held by another program",
                   holder.pid   ? absl::StrCat(", pid ", *holder.pid)
                   : holder.uid ? absl::StrCat(", of uid ", *holder.uid)
                                : "",
                   "; stop it or choose another port"));
}

absl::Status ListenError(const SocketAddress& address, absl::string_view call,
                         int error) {
  if (error == EADDRINUSE) return PortTaken(address);
  const std::string what = absl::StrCat("tcp:", address.Text(), ": ", call);
  if (error == EADDRNOTAVAIL) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, ": this machine does not have the address"));
  }
  return SystemError(what, error);
}

// With SO_REUSEADDR a port can be had while connections of a server that has
// ended linger in TIME_WAIT, and not while another one listens.
absl::StatusOr<Fd> Bind(SocketAddress* address, bool only_v6) {
  absl::StatusOr<Fd> fd = NewSocket(*address);
  if (!fd.ok()) return fd;
  const int on = 1;
  setsockopt(fd->get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address->family() == AF_INET6) {
    const int only = only_v6 ? 1 : 0;
    setsockopt(fd->get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
  }
  if (bind(fd->get(), address->data(), address->size()) != 0) {
    return ListenError(*address, "bind", errno);
  }
  socklen_t size = SocketAddress::kCapacity;
  if (getsockname(fd->get(), address->data(), &size) != 0) {
    return ListenError(*address, "getsockname", errno);
  }
  return fd;
}

// All addresses with one port; those after the first need not exist.
absl::StatusOr<std::vector<Fd>> BindAll(std::vector<SocketAddress>* addresses) {
  std::vector<Fd> sockets;
  const bool only_v6 = !IsWildcardHost(addresses->front().host());
  uint16_t port = addresses->front().port();
  for (auto address = addresses->begin(); address != addresses->end();) {
    address->set_port(port);
    absl::StatusOr<Fd> fd = Bind(&*address, only_v6);
    if (fd.ok()) {
      port = address->port();
      sockets.push_back(*std::move(fd));
      ++address;
      continue;
    }
    const bool absent = absl::IsFailedPrecondition(fd.status()) ||
                        absl::IsUnimplemented(fd.status());
    if (sockets.empty() || !absent) return fd.status();
    address = addresses->erase(address);
  }
  return sockets;
}

struct Bound {
  std::vector<Fd> sockets;
  std::vector<SocketAddress> addresses;
  ServerToken token;
};

// The name of a fixed port is taken first, as its error names the holder.
absl::StatusOr<Bound> TakePort(const TcpAuth& auth,
                               std::vector<SocketAddress> addresses) {
  const uint16_t wanted = addresses.front().port();
  Bound bound;
  if (wanted != 0) {
    absl::StatusOr<ServerToken> token = ServerToken::Take(auth, wanted);
    if (!token.ok()) return token.status();
    bound.token = *std::move(token);
  }
  absl::StatusOr<std::vector<Fd>> sockets = BindAll(&addresses);
  if (!sockets.ok()) return sockets.status();
  if (wanted == 0) {
    absl::StatusOr<ServerToken> token =
        ServerToken::Take(auth, addresses.front().port());
    if (!token.ok()) return token.status();
    bound.token = *std::move(token);
  }
  for (size_t i = 0; i < sockets->size(); ++i) {
    if (listen((*sockets)[i].get(), kBacklog) != 0) {
      return ListenError(addresses[i], "listen", errno);
    }
  }
  bound.sockets = *std::move(sockets);
  bound.addresses = std::move(addresses);
  return bound;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dialer>> MakeTcpDialer(const Target& target) {
  absl::StatusOr<TcpTarget> parsed = Parse(target, Side::kClient);
  if (!parsed.ok()) return parsed.status();
  return std::make_unique<TcpDialer>(*std::move(parsed));
}

absl::StatusOr<std::unique_ptr<Listener>> ListenTcp(const Target& target) {
  absl::StatusOr<TcpTarget> parsed = Parse(target, Side::kServer);
  if (!parsed.ok()) return parsed.status();
  const absl::StatusOr<std::vector<SocketAddress>> addresses =
      Resolve(parsed->addresses);
  if (!addresses.ok()) return addresses.status();
  const bool any_port = parsed->addresses.named.port == 0;
  absl::StatusOr<Bound> bound = TakePort(parsed->auth, *addresses);
  for (int attempt = 1; any_port && attempt < kPortAttempts &&
                        absl::IsAlreadyExists(bound.status());
       ++attempt) {
    bound = TakePort(parsed->auth, *addresses);
  }
  if (!bound.ok()) return bound.status();
  HostPort named = parsed->addresses.named;
  named.port = bound->addresses.front().port();
  if (IsWildcardHost(named.host)) named.host = "localhost";
  TcpListenOptions options;
  options.address = absl::StrCat("tcp:", HostPortText(named));
  options.port = named.port;
  options.auth = std::move(parsed->auth);
  options.link = std::move(parsed->link);
  options.link.info.address = HostPortText(named);
  if (parsed->addresses.narrowed) {
    std::fprintf(
        stderr,
        "nearcall: '%s' serves this machine only (%s): other machines need "
        "the option allow_remote=true, or a grpc: target\n",
        target.uri.c_str(),
        absl::StrJoin(bound->addresses, ", ",
                      [](std::string* out, const SocketAddress& address) {
                        out->append(address.Text());
                      })
            .c_str());
  }
  return ListenOnTcp(std::move(bound->sockets), std::move(bound->token),
                     std::move(options));
}

}  // namespace nearcall::internal
