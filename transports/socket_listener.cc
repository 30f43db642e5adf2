#include "transports/socket_listener.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace nearcall::internal {
namespace {

bool AddToEpoll(int epoll, int fd, void* data) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = data;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

ShmListener::ShmListener(RingWish wish, LinkInfo info)
    : wish_(wish),
      info_(std::move(info)),
      address_(absl::StrCat(info_.scheme, ":", info_.address)),
      generation_(ForkGeneration()) {}

absl::StatusOr<std::unique_ptr<Listener>> ShmListener::Listen(
    const UnixAddress& address, const RingWish& wish, LinkInfo info) {
  absl::StatusOr<std::unique_ptr<UnixListenSocket>> socket =
      UnixListenSocket::Listen(address);
  if (!socket.ok()) return socket.status();
  std::unique_ptr<ShmListener> listener(new ShmListener(wish, std::move(info)));
  listener->socket_ = *std::move(socket);
  listener->socket_incoming_ = listener->socket_->incoming();
  listener->epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  listener->timer_ =
      Fd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  listener->WatchSocket(true);
  if (!listener->watching_ ||
      !AddToEpoll(listener->epoll_.get(), listener->timer_.get(), nullptr)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "cannot watch the socket of ", listener->address_, ": ",
        strerror(errno), "; raise the limit of open files (ulimit -n)"));
  }
  return listener;
}

Pollable ShmListener::incoming() const { return {epoll_.get(), EPOLLIN}; }

// The one place where something of ours is watched or not: when the table of
// half-open connections is full, the rest wait in the kernel's queue.
void ShmListener::WatchSocket(bool watch) {
  if (watch == watching_) return;
  if (watch) {
    watching_ = AddToEpoll(epoll_.get(), socket_incoming_.fd, nullptr);
  } else {
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket_incoming_.fd, nullptr);
    watching_ = false;
  }
}

absl::StatusOr<std::unique_ptr<Link>> ShmListener::Accept() {
  if (socket_ == nullptr || generation_ != ForkGeneration()) return nullptr;
  DropLate();
  const absl::Status taken = TakeConnections();
  // What has come on the half-open ones, in one look at the kernel.
  std::array<epoll_event, kMaxHalfOpen + 2> events;
  const int count = epoll_wait(epoll_.get(), events.data(),
                               static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    auto* const half_open = static_cast<HalfOpen*>(events[i].data.ptr);
    if (half_open != nullptr) half_open->ready = true;
  }
  for (auto it = half_open_.begin(); it != half_open_.end();) {
    const auto current = it++;
    if (!current->ready) continue;
    absl::StatusOr<std::unique_ptr<Link>> link = Advance(current);
    if (!link.ok() || *link != nullptr) {
      WatchSocket(true);
      return link;
    }
  }
  WatchSocket(half_open_.size() < kMaxHalfOpen);
  if (!taken.ok()) return taken;
  return nullptr;
}

absl::Status ShmListener::TakeConnections() {
  absl::Status result;
  while (half_open_.size() < kMaxHalfOpen) {
    absl::StatusOr<ConnectedSocket> socket = socket_->Accept();
    if (!socket.ok()) {
      // One connection's fault, or no descriptors; the next call goes on.
      result = socket.status();
      break;
    }
    if (!socket->fd) break;
    HalfOpen& half_open = half_open_.emplace_back();
    half_open.socket = *std::move(socket);
    half_open.until = Deadline::AfterMillis(kEstablishTimeoutMillis);
    // A client's hello usually lies there by the time its connection is taken.
    half_open.ready = true;
    if (!AddToEpoll(epoll_.get(), half_open.socket.fd.get(), &half_open)) {
      result = absl::ResourceExhaustedError(absl::StrCat(
          address_, ": cannot watch a connection: ", strerror(errno)));
      half_open_.pop_back();
      break;
    }
  }
  SetTimer();
  return result;
}

// A null pointer: the hello is not complete, or the client has gone.
absl::StatusOr<std::unique_ptr<Link>> ShmListener::Advance(
    HalfOpens::iterator half_open) {
  half_open->ready = false;
  const int fd = half_open->socket.fd.get();
  const ssize_t got = recv(fd, half_open->hello.data() + half_open->received,
                           kShmHelloBytes - half_open->received, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return nullptr;
  if (got <= 0) {
    half_open_.erase(half_open);
    return nullptr;
  }
  half_open->received += static_cast<size_t>(got);
  if (half_open->received < kShmHelloBytes) return nullptr;
  const absl::StatusOr<ShmHello> hello = DecodeHello(half_open->hello);
  ConnectedSocket socket = std::move(half_open->socket);
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  half_open_.erase(half_open);
  if (!hello.ok()) return hello.status();
  LinkInfo info = info_;
  info.peer = socket.peer;
  return OfferLink(std::move(socket.fd), *hello, wish_, std::move(info));
}

void ShmListener::DropLate() {
  uint64_t expirations;
  if (read(timer_.get(), &expirations, sizeof expirations) < 0) return;
  while (!half_open_.empty() && half_open_.front().until.passed()) {
    half_open_.pop_front();
  }
  SetTimer();
}

void ShmListener::SetTimer() {
  itimerspec when{};
  if (!half_open_.empty()) {
    const int64_t nanos = half_open_.front().until.nanos();
    when.it_value.tv_sec = static_cast<time_t>(nanos / 1'000'000'000);
    when.it_value.tv_nsec = static_cast<long>(nanos % 1'000'000'000);
  }
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void ShmListener::Close() {
  half_open_.clear();
  epoll_.reset();
  timer_.reset();
  socket_.reset();
}

}  // namespace nearcall::internal
