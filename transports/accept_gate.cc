#include "transports/accept_gate.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace nearcall::internal {
namespace {

constexpr int64_t kPauseNanos = 100'000'000;

}  // namespace

absl::StatusOr<std::unique_ptr<AcceptGate>> AcceptGate::Create(
    int fd, absl::string_view what) {
  std::unique_ptr<AcceptGate> gate(new AcceptGate(fd));
  gate->epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  gate->timer_ =
      Fd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  for (const int one : {fd, gate->timer_.get()}) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (epoll_ctl(gate->epoll_.get(), EPOLL_CTL_ADD, one, &event) != 0) {
      return absl::ResourceExhaustedError(
          absl::StrCat("cannot watch ", what, ": ", strerror(errno),
                       "; raise the limit of open files (ulimit -n)"));
    }
  }
  return gate;
}

Pollable AcceptGate::incoming() const { return {epoll_.get(), EPOLLIN}; }

absl::Status AcceptGate::Pause(absl::string_view why) {
  epoll_event quiet{};
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd_, &quiet);
  itimerspec pause{};
  pause.it_value.tv_nsec = kPauseNanos;
  timerfd_settime(timer_.get(), 0, &pause, nullptr);
  paused_ = true;
  return absl::ResourceExhaustedError(
      absl::StrCat(why, "; trying again in 100 ms"));
}

bool AcceptGate::Paused() {
  if (!paused_) return false;
  uint64_t expirations;
  if (read(timer_.get(), &expirations, sizeof expirations) < 0) return true;
  paused_ = false;
  epoll_event event{};
  event.events = EPOLLIN;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd_, &event);
  return false;
}

}  // namespace nearcall::internal
