// The scheme shm: rings in shared memory, established over a Unix socket.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transports/await_socket.h"
#include "transports/factories.h"
#include "transports/name_watch.h"
#include "transports/shm_establish.h"
#include "transports/socket_listener.h"
#include "transports/unix_socket.h"

namespace nearcall::internal {
namespace {

// More descriptors than this in one message do not come from a server of ours.
constexpr size_t kMaxReceivedFds = 8;

struct ShmTarget {
  UnixAddress address;
  RingWish wish;
  LinkInfo info;
};

absl::StatusOr<ShmTarget> Parse(const Target& target, Side side) {
  const absl::StatusOr<RingWish> wish = ParseRingWish(target);
  if (!wish.ok()) return wish.status();
  absl::StatusOr<std::string> path =
      ResolveName(side, target.scheme, target.rest, ".shm");
  if (!path.ok()) return path.status();
  if (absl::Status status = CheckSocketPath(*path); !status.ok()) {
    return status;
  }
  ShmTarget result;
  result.wish = *wish;
  result.info.scheme = target.scheme;
  result.info.address = target.rest;
  result.address.path = *std::move(path);
  if (absl::Status status = ParseUnixAccess(target, &result.address);
      !status.ok()) {
    return status;
  }
  return result;
}

// What has come of an offer so far.
struct Incoming {
  std::array<std::byte, kShmOfferBytes> bytes;
  size_t received = 0;
  std::array<Fd, kShmOfferFds> fds;
  size_t fd_count = 0;
};

// Takes every descriptor of the message into possession, the superfluous ones
// to be closed.
absl::Status TakeFds(msghdr* message, Incoming* incoming) {
  size_t count = 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(message); header != nullptr;
       header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const size_t fds = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < fds; ++i) {
      int raw;
      memcpy(&raw, CMSG_DATA(header) + i * sizeof raw, sizeof raw);
      Fd fd(raw);
      ++count;
      if (incoming->fd_count < incoming->fds.size()) {
        incoming->fds[incoming->fd_count++] = std::move(fd);
      } else {
        incoming->fd_count = kMaxReceivedFds;
      }
    }
  }
  if ((message->msg_flags & MSG_CTRUNC) != 0 && count < kMaxReceivedFds) {
    return absl::UnavailableError(
        "no room for the descriptors of a ring in this process: raise the "
        "limit of open files (ulimit -n)");
  }
  return absl::OkStatus();
}

// OK with an incomplete offer: wait and call again.
absl::Status ReceiveSome(int socket, Incoming* incoming) {
  iovec data{incoming->bytes.data() + incoming->received,
             incoming->bytes.size() - incoming->received};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxReceivedFds * sizeof(int))>
      control;
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got =
      recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return absl::OkStatus();
    return absl::UnavailableError(
        absl::StrCat("the server went away: ", strerror(errno)));
  }
  if (got == 0) {
    return absl::UnavailableError(
        "the server closed the connection before it offered rings");
  }
  incoming->received += static_cast<size_t>(got);
  return TakeFds(&message, incoming);
}

absl::Status ReceiveOffer(int socket, Deadline deadline, int interrupt_fd,
                          Incoming* incoming) {
  const Deadline patience = Deadline::AfterMillis(kEstablishTimeoutMillis);
  while (incoming->received < incoming->bytes.size()) {
    const absl::Status waited =
        AwaitSocket(socket, POLLIN, std::min(deadline, patience), interrupt_fd,
                    "the server accepted, but offered no rings in time");
    if (absl::IsDeadlineExceeded(waited) && patience < deadline) {
      return absl::UnavailableError(
          absl::StrCat("the server accepted, but offered no rings within ",
                       kEstablishTimeoutMillis, " ms: is it stopped?"));
    }
    if (!waited.ok()) return waited;
    if (absl::Status status = ReceiveSome(socket, incoming); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

class ShmDialer final : public Dialer {
 public:
  explicit ShmDialer(ShmTarget target)
      : target_(std::move(target)), watch_(target_.address.path) {}

  absl::StatusOr<std::unique_ptr<Link>> Dial(Deadline deadline,
                                             int interrupt_fd) override {
    absl::StatusOr<ConnectedSocket> socket =
        ConnectUnix(target_.address, deadline, interrupt_fd);
    if (!socket.ok()) return socket.status();
    watch_.Stop();
    absl::StatusOr<std::unique_ptr<Link>> link =
        Establish(*std::move(socket), deadline, interrupt_fd);
    if (link.ok()) return link;
    return absl::Status(
        link.status().code(),
        absl::StrCat(target_.address.path, ": ", link.status().message()));
  }

 private:
  absl::StatusOr<std::unique_ptr<Link>> Establish(ConnectedSocket socket,
                                                  Deadline deadline,
                                                  int interrupt_fd) {
    ShmHello hello;
    hello.wish = target_.wish;
    const std::array<std::byte, kShmHelloBytes> bytes = EncodeHello(hello);
    if (send(socket.fd.get(), bytes.data(), bytes.size(),
             MSG_DONTWAIT | MSG_NOSIGNAL) !=
        static_cast<ssize_t>(bytes.size())) {
      return absl::UnavailableError(
          absl::StrCat("the server went away: ", strerror(errno)));
    }
    Incoming incoming;
    if (absl::Status status =
            ReceiveOffer(socket.fd.get(), deadline, interrupt_fd, &incoming);
        !status.ok()) {
      return status;
    }
    const absl::StatusOr<ShmOffer> offer = DecodeOffer(incoming.bytes);
    if (!offer.ok()) return offer.status();
    if (offer->code == ShmCode::kOk && incoming.fd_count != kShmOfferFds) {
      return absl::InternalError(
          absl::StrCat("the server sent ", incoming.fd_count,
                       " descriptors with its offer, not ", kShmOfferFds));
    }
    LinkInfo info = target_.info;
    info.peer = socket.peer;
    return AcceptOffer(std::move(socket.fd), *offer, std::move(incoming.fds),
                       std::move(info));
  }

  const ShmTarget target_;
  NameWatch watch_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Dialer>> MakeShmDialer(const Target& target) {
  absl::StatusOr<ShmTarget> parsed = Parse(target, Side::kClient);
  if (!parsed.ok()) return parsed.status();
  return std::make_unique<ShmDialer>(*std::move(parsed));
}

absl::StatusOr<std::unique_ptr<Listener>> ListenShm(const Target& target) {
  absl::StatusOr<ShmTarget> parsed = Parse(target, Side::kServer);
  if (!parsed.ok()) return parsed.status();
  absl::StatusOr<std::unique_ptr<ConnectionSource>> source =
      UnixListenSocket::Listen(parsed->address);
  if (!source.ok()) return source.status();
  SocketListener::Options options;
  options.address = absl::StrCat(target.scheme, ":", target.rest);
  options.hello_bytes = kShmHelloBytes;
  options.make_link = [wish = parsed->wish, info = parsed->info](
                          ConnectedSocket socket,
                          std::span<const std::byte> bytes)
      -> absl::StatusOr<std::unique_ptr<Link>> {
    std::array<std::byte, kShmHelloBytes> fixed;
    std::copy_n(bytes.begin(), fixed.size(), fixed.begin());
    const absl::StatusOr<ShmHello> hello = DecodeHello(fixed);
    if (!hello.ok()) return hello.status();
    LinkInfo link_info = info;
    link_info.peer = socket.peer;
    return OfferLink(std::move(socket.fd), *hello, wish, std::move(link_info));
  };
  return SocketListener::Create(*std::move(source), std::move(options));
}

}  // namespace nearcall::internal
