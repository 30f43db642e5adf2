// The scheme tcp: sockets of this machine's loopback, and with allow_remote of
// others.
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "transports/await_socket.h"
#include "transports/factories.h"
#include "transports/options.h"
#include "transports/tcp_address.h"
#include "transports/tcp_client.h"
#include "transports/tcp_listener.h"
#include "transports/tcp_owner.h"

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

absl::StatusOr<Fd> NewSocket(const SocketAddress& address) {
  Fd fd(
      socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) {
    const int error = errno;
    return TcpError("cannot make a TCP socket", error);
  }
  return fd;
}

// --- The client ---

absl::StatusOr<Fd> Connect(const SocketAddress& address, Deadline deadline,
                           int interrupt_fd) {
  absl::StatusOr<Fd> fd = NewSocket(address);
  if (!fd.ok()) return fd;
  int error =
      connect(fd->get(), address.data(), address.size()) == 0 ? 0 : errno;
  if (error == EINPROGRESS || error == EINTR) {
    if (absl::Status status =
            AwaitSocket(fd->get(), POLLOUT, deadline, interrupt_fd,
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
  return TcpError(absl::StrCat("tcp:", address.Text(), ": connect"), error);
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
        return EstablishTcp(*std::move(fd), address, target_.auth, target_.link,
                            deadline, interrupt_fd);
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
  return TcpError(what, error);
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
