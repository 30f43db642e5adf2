#include "transports/unix_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace nearcall::internal {
namespace {

constexpr int kBacklog = 1024;
// A full backlog is the server's to empty, and the kernel does not say when.
constexpr int64_t kFirstRetryNanos = 200'000;
constexpr int64_t kLastRetryNanos = 10'000'000;

struct SocketAddress {
  sockaddr_un storage{};
  socklen_t size = 0;
  const sockaddr* get() const {
    return reinterpret_cast<const sockaddr*>(&storage);
  }
};

absl::StatusOr<SocketAddress> ToSocketAddress(const UnixAddress& address) {
  if (absl::Status status = CheckSocketPath(address.path); !status.ok()) {
    return status;
  }
  SocketAddress result;
  result.storage.sun_family = AF_UNIX;
  // An abstract name follows a NUL and is not ended by one.
  memcpy(result.storage.sun_path + (address.abstract ? 1 : 0),
         address.path.data(), address.path.size());
  result.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                       address.path.size() + 1);
  return result;
}

std::string Describe(const UnixAddress& address) {
  return address.abstract ? absl::StrCat("abstract socket @", address.path)
                          : address.path;
}

absl::StatusOr<Fd> NewSocket() {
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd) return fd;
  const std::string text =
      absl::StrCat("cannot make a Unix socket: ", strerror(errno));
  switch (errno) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return absl::ResourceExhaustedError(
          absl::StrCat(text, "; raise the limit of open files (ulimit -n)"));
    default:
      return absl::UnimplementedError(text);
  }
}

absl::Status ConnectError(const UnixAddress& address, int error) {
  const std::string tried =
      absl::StrCat(Describe(address), ": connect: ", strerror(error));
  switch (error) {
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(tried);
    case ENOENT:
    case ECONNREFUSED:
      return absl::UnavailableError(
          absl::StrCat("no server at ", tried, "; ",
                       address.abstract ? "start the server"
                                        : NoServerAdvice(address.path)));
    default:
      return absl::UnavailableError(tried);
  }
}

// The listener at an address that may be a dead server's: 0 or the error of
// connect, and who listens.
int ProbeListener(const SocketAddress& address, PeerIds* peer) {
  absl::StatusOr<Fd> probe = NewSocket();
  if (!probe.ok()) return EMFILE;
  if (connect(probe->get(), address.get(), address.size) != 0) return errno;
  if (absl::StatusOr<PeerIds> ids = UnixPeerIds(probe->get()); ids.ok()) {
    *peer = *ids;
  }
  return 0;
}

absl::Status NameTaken(const UnixAddress& address, const PeerIds& holder) {
  return absl::AlreadyExistsError(
      absl::StrCat(Describe(address), " is held by another server",
                   holder.pid ? absl::StrCat(", pid ", *holder.pid) : "",
                   "; stop it or choose another name"));
}

// Under the name's lock: what lies at the path belongs to nobody of ours. A
// program that does not know our locks may still be listening there.
absl::Status RemoveStaleSocket(const UnixAddress& address,
                               const SocketAddress& socket_address) {
  struct stat info;
  if (lstat(address.path.c_str(), &info) != 0) {
    return absl::OkStatus();  // Nothing there; else bind says what is wrong.
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(address.path,
                     " exists and is not a socket; remove it or choose another "
                     "name"));
  }
  PeerIds holder;
  const int error = ProbeListener(socket_address, &holder);
  if (error == 0 || error == EAGAIN) return NameTaken(address, holder);
  if (error != ECONNREFUSED) {
    return absl::FailedPreconditionError(absl::StrCat(
        address.path, " is in the way: connect: ", strerror(error)));
  }
  if (unlink(address.path.c_str()) != 0 && errno != ENOENT) {
    return absl::PermissionDeniedError(absl::StrCat(
        address.path, ": unlink of the stale socket: ", strerror(errno)));
  }
  return absl::OkStatus();
}

// After bind, before listen: the file's owner and mode are what was asked for,
// whatever the umask.
absl::Status GiveAccess(const UnixAddress& address) {
  if (address.abstract ||
      (address.access.mode == 0600 && !address.access.group)) {
    return absl::OkStatus();
  }
  const char* const path = address.path.c_str();
  if (address.access.group &&
      lchown(path, static_cast<uid_t>(-1), *address.access.group) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        path, ": cannot give the socket to group ", *address.access.group, ": ",
        strerror(errno), "; this process must be a member of it"));
  }
  if (chmod(path, address.access.mode) != 0) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, ": chmod: ", strerror(errno)));
  }
  return absl::OkStatus();
}

// OK when the time is up and it is worth another try.
absl::Status WaitToRetry(const UnixAddress& address, int64_t nanos,
                         Deadline deadline, int interrupt_fd) {
  if (deadline.passed()) {
    return absl::DeadlineExceededError(absl::StrCat(
        Describe(address), ": the server's queue of connections stayed full"));
  }
  pollfd interrupt{interrupt_fd, POLLIN, 0};
  timespec storage;
  const Deadline until = std::min(deadline, Deadline::After(nanos));
  if (ppoll(&interrupt, 1, until.RemainingTimespec(&storage), nullptr) > 0) {
    return absl::CancelledError(
        absl::StrCat(Describe(address), ": connect was interrupted"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ConnectedSocket> ConnectUnix(const UnixAddress& address,
                                            Deadline deadline,
                                            int interrupt_fd) {
  absl::StatusOr<SocketAddress> to = ToSocketAddress(address);
  if (!to.ok()) return to.status();
  absl::StatusOr<Fd> fd = NewSocket();
  if (!fd.ok()) return fd.status();
  int64_t retry = kFirstRetryNanos;
  while (connect(fd->get(), to->get(), to->size) != 0) {
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return ConnectError(address, errno);
    if (absl::Status status =
            WaitToRetry(address, retry, deadline, interrupt_fd);
        !status.ok()) {
      return status;
    }
    retry = std::min(2 * retry, kLastRetryNanos);
  }
  const absl::StatusOr<PeerIds> peer =
      CheckUnixPeer(fd->get(), "server", Describe(address), address.peers);
  if (!peer.ok()) return peer.status();
  return ConnectedSocket{*std::move(fd), *peer, ""};
}

absl::Status RemoveStaleUnixSocket(const std::string& path,
                                   std::vector<std::string>* removed) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) {
    return absl::OkStatus();
  }
  UnixAddress address;
  address.path = path;
  const absl::StatusOr<SocketAddress> at = ToSocketAddress(address);
  if (!at.ok()) return absl::OkStatus();  // None of ours has such a path.
  const absl::Status status = RemoveStaleSocket(address, *at);
  // A program that does not know our locks listens there.
  if (absl::IsAlreadyExists(status)) return absl::OkStatus();
  if (status.ok()) removed->push_back(path);
  return status;
}

absl::Status ParseUnixAccess(const Target& target, UnixAddress* address) {
  absl::StatusOr<PeerPolicy> peers = ParsePeerPolicy(target);
  if (!peers.ok()) return peers.status();
  address->peers = *std::move(peers);
  if (address->abstract) return absl::OkStatus();
  const absl::StatusOr<FileAccess> access =
      ParseFileAccess(target, address->peers);
  if (!access.ok()) return access.status();
  address->access = *access;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ConnectionSource>> UnixListenSocket::Listen(
    const UnixAddress& address) {
  std::unique_ptr<UnixListenSocket> result(new UnixListenSocket(address));
  if (!address.abstract) {
    absl::StatusOr<NameLock> lock = NameLock::Take(address.path);
    if (!lock.ok()) return lock.status();
    result->lock_ = *std::move(lock);
  }
  absl::StatusOr<Fd> socket = result->Bind();
  if (!socket.ok()) return socket.status();
  if (absl::Status status = result->Watch(*std::move(socket)); !status.ok()) {
    return status;
  }
  return result;
}

absl::StatusOr<std::unique_ptr<ConnectionSource>> UnixListenSocket::Adopt(
    Fd listening, const UnixAddress& address) {
  std::unique_ptr<UnixListenSocket> result(new UnixListenSocket(address));
  if (absl::Status status = result->Watch(std::move(listening)); !status.ok()) {
    return status;
  }
  return result;
}

absl::Status UnixListenSocket::Watch(Fd listening) {
  std::vector<Fd> sockets;
  sockets.push_back(std::move(listening));
  absl::StatusOr<std::unique_ptr<Acceptor>> acceptor =
      Acceptor::Create(std::move(sockets), Describe(address_));
  if (!acceptor.ok()) return acceptor.status();
  acceptor_ = *std::move(acceptor);
  return absl::OkStatus();
}

// A bound and listening socket at the address; under the name's lock.
absl::StatusOr<Fd> UnixListenSocket::Bind() {
  absl::StatusOr<SocketAddress> at = ToSocketAddress(address_);
  if (!at.ok()) return at.status();
  if (!address_.abstract) {
    if (absl::Status status = RemoveStaleSocket(address_, *at); !status.ok()) {
      return status;
    }
  }
  absl::StatusOr<Fd> socket = NewSocket();
  if (!socket.ok()) return socket;
  // Before bind: the file is made with the socket's own mode, so at no moment
  // can another user connect who may not.
  fchmod(socket->get(), 0600);
  if (bind(socket->get(), at->get(), at->size) != 0) {
    const int error = errno;
    if (error == EADDRINUSE) {
      PeerIds holder;
      ProbeListener(*at, &holder);
      return NameTaken(address_, holder);
    }
    const std::string text =
        absl::StrCat(Describe(address_), ": bind: ", strerror(error));
    if (error == EACCES || error == EPERM) {
      return absl::PermissionDeniedError(text);
    }
    return absl::FailedPreconditionError(text);
  }
  struct stat info;
  if (!address_.abstract && lstat(address_.path.c_str(), &info) == 0) {
    device_ = info.st_dev;
    inode_ = info.st_ino;
  }
  if (absl::Status status = GiveAccess(address_); !status.ok()) return status;
  if (listen(socket->get(), kBacklog) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(Describe(address_), ": listen: ", strerror(errno)));
  }
  return socket;
}

absl::StatusOr<ConnectedSocket> UnixListenSocket::Accept() {
  absl::StatusOr<Fd> fd = acceptor_->Accept();
  if (!fd.ok()) return fd.status();
  if (!*fd) return ConnectedSocket();
  const absl::StatusOr<PeerIds> peer =
      CheckUnixPeer(fd->get(), "client", Describe(address_), address_.peers);
  if (!peer.ok()) return peer.status();
  return ConnectedSocket{*std::move(fd), *peer, ""};
}

void UnixListenSocket::Close() {
  if (generation_ == ForkGeneration() && inode_ != 0) {
    struct stat info;
    if (lstat(address_.path.c_str(), &info) == 0 && info.st_dev == device_ &&
        info.st_ino == inode_) {
      unlink(address_.path.c_str());
    }
  }
  inode_ = 0;
  acceptor_.reset();
  lock_.Release();
}

}  // namespace nearcall::internal
