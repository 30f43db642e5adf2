#include "transports/acceptor.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace nearcall::internal {

absl::StatusOr<std::unique_ptr<Acceptor>> Acceptor::Create(
    std::vector<Fd> sockets, std::string name) {
  std::unique_ptr<Acceptor> result(new Acceptor(std::move(name)));
  result->sockets_ = std::move(sockets);
  result->set_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  for (const Fd& socket : result->sockets_) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (epoll_ctl(result->set_.get(), EPOLL_CTL_ADD, socket.get(), &event) !=
        0) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "cannot watch the socket of ", result->name_, ": ", strerror(errno),
          "; raise the limit of open files (ulimit -n)"));
    }
  }
  absl::StatusOr<std::unique_ptr<AcceptGate>> gate =
      AcceptGate::Create(result->set_.get(), result->name_);
  if (!gate.ok()) return gate.status();
  result->gate_ = *std::move(gate);
  return result;
}

absl::StatusOr<Fd> Acceptor::Accept() {
  if (gate_->Paused()) return Fd();
  for (const Fd& socket : sockets_) {
    for (;;) {
      Fd fd(accept4(socket.get(), nullptr, nullptr,
                    SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (fd) return fd;
      const int error = errno;
      if (error == EAGAIN) break;
      if (error == EINTR || error == ECONNABORTED) continue;
      const std::string text =
          absl::StrCat(name_, ": accept: ", strerror(error));
      switch (error) {
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
          return gate_->Pause(text);
        case EINVAL:
          // No longer listening: whoever gave it to us has shut it down.
          epoll_ctl(set_.get(), EPOLL_CTL_DEL, socket.get(), nullptr);
          return absl::InternalError(text);
        default:  // An error of the connection that was to be taken.
          return absl::UnavailableError(text);
      }
    }
  }
  return Fd();
}

}  // namespace nearcall::internal
