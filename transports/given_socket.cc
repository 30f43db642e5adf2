#include "transports/given_socket.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace nearcall::internal {
namespace {

// systemd's descriptors begin behind the standard ones.
constexpr int kFirstListenFd = 3;

absl::StatusOr<int> ParseNumber(const Target& target) {
  int fd;
  if (absl::SimpleAtoi(target.rest, &fd) && fd > STDERR_FILENO) return fd;
  return absl::InvalidArgumentError(absl::StrCat(
      "target '", target.uri, "': '", target.rest,
      "' is not the number of a descriptor that was passed on, which is 3 or "
      "more: write fd:N"));
}

int NumberIn(const char* variable) {
  const char* const text = secure_getenv(variable);
  int number = 0;
  return text != nullptr && absl::SimpleAtoi(text, &number) ? number : 0;
}

// A variable that was inherited together with the descriptors' numbers, but not
// with the descriptors, must not be believed.
absl::Status CheckListenPid(const Target& target, int fd) {
  const int count = NumberIn("LISTEN_FDS");
  if (fd < kFirstListenFd || fd - kFirstListenFd >= count) {
    return absl::OkStatus();
  }
  const int pid = NumberIn("LISTEN_PID");
  if (pid == getpid()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "target '", target.uri, "': LISTEN_FDS=", count,
      " passes this descriptor to pid ", pid, " (LISTEN_PID), and this is pid ",
      getpid(), ": start the server itself, without a process in between"));
}

int SocketOption(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

absl::Status CheckOptions(const Target& target, bool tcp) {
  const config::Options& options = target.options;
  if (tcp || !(options.has_auth() || options.has_token_file() ||
               options.has_allow_remote())) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "target '", target.uri,
      "' is a Unix socket, and auth, token_file and allow_remote are for TCP: "
      "leave them out"));
}

}  // namespace

absl::StatusOr<GivenSocket> TakeGivenSocket(const Target& target, Side side) {
  const absl::StatusOr<int> fd = ParseNumber(target);
  if (!fd.ok()) return fd.status();
  if (absl::Status status = CheckListenPid(target, *fd); !status.ok()) {
    return status;
  }
  const auto error = [&](absl::string_view what) {
    return absl::FailedPreconditionError(
        absl::StrCat("target '", target.uri, "': descriptor ", *fd, " ", what));
  };
  if (fcntl(*fd, F_GETFD) < 0) {
    return error("is not open: it was not passed on, or is closed already");
  }
  if (Fd::IsOwned(*fd)) {
    return error("is used by another channel or server of this process");
  }
  const int domain = SocketOption(*fd, SO_DOMAIN);
  const bool tcp = domain == AF_INET || domain == AF_INET6;
  if (SocketOption(*fd, SO_TYPE) != SOCK_STREAM ||
      (!tcp && domain != AF_UNIX)) {
    return error("is not a stream socket, Unix or TCP");
  }
  const bool listening = SocketOption(*fd, SO_ACCEPTCONN) == 1;
  if (listening && side == Side::kClient) {
    return error("is a listening socket; a channel needs a connected one");
  }
  sockaddr_storage peer;
  socklen_t size = sizeof peer;
  if (!listening &&
      getpeername(*fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) {
    return error(side == Side::kClient ? "is not connected"
                                       : "neither listens nor is connected");
  }
  if (absl::Status status = CheckOptions(target, tcp); !status.ok()) {
    return status;
  }
  fcntl(*fd, F_SETFD, FD_CLOEXEC);
  if (listening) fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) | O_NONBLOCK);
  return GivenSocket{Fd(*fd), listening, tcp};
}

}  // namespace nearcall::internal
