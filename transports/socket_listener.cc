#include "transports/socket_listener.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transports/http2_peer.h"

namespace nearcall::internal {
namespace {

bool AddToEpoll(int epoll, int fd, void* data) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = data;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

SocketListener::SocketListener(Options options)
    : options_(std::move(options)), generation_(ForkGeneration()) {}

absl::StatusOr<std::unique_ptr<Listener>> SocketListener::Create(
    std::unique_ptr<ConnectionSource> source, Options options) {
  std::unique_ptr<SocketListener> listener(
      new SocketListener(std::move(options)));
  listener->incoming_ = source->incoming();
  listener->source_ = std::move(source);
  if (listener->options_.hello_bytes == 0) return listener;
  listener->epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  listener->timer_ =
      Fd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  listener->WatchSource(true);
  if (!listener->watching_ ||
      !AddToEpoll(listener->epoll_.get(), listener->timer_.get(), nullptr)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "cannot watch the socket of ", listener->options_.address, ": ",
        strerror(errno), "; raise the limit of open files (ulimit -n)"));
  }
  listener->incoming_ = {listener->epoll_.get(), EPOLLIN};
  return listener;
}

// The one place where something of ours is watched or not: when the table of
// half-open connections is full, the rest wait in the kernel's queue.
void SocketListener::WatchSource(bool watch) {
  if (watch == watching_) return;
  const int fd = source_->incoming().fd;
  if (watch) {
    watching_ = AddToEpoll(epoll_.get(), fd, nullptr);
  } else {
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    watching_ = false;
  }
}

absl::StatusOr<std::unique_ptr<Link>> SocketListener::Accept() {
  if (generation_ != ForkGeneration()) return nullptr;
  if (source_ == nullptr) return nullptr;
  if (options_.hello_bytes != 0) return AcceptGreeted();
  absl::StatusOr<ConnectedSocket> socket = source_->Accept();
  if (!socket.ok()) return socket.status();
  if (!socket->fd) return nullptr;
  return options_.make_link(*std::move(socket), {});
}

absl::StatusOr<std::unique_ptr<Link>> SocketListener::AcceptGreeted() {
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
      WatchSource(true);
      return link;
    }
  }
  WatchSource(half_open_.size() < kMaxHalfOpen);
  if (!taken.ok()) return taken;
  return nullptr;
}

absl::Status SocketListener::TakeConnections() {
  absl::Status result;
  while (half_open_.size() < kMaxHalfOpen) {
    absl::StatusOr<ConnectedSocket> socket = source_->Accept();
    if (!socket.ok()) {
      // One connection's fault, or no descriptors; the next call goes on.
      result = socket.status();
      break;
    }
    if (!socket->fd) break;
    HalfOpen& half_open = half_open_.emplace_back();
    half_open.socket = *std::move(socket);
    half_open.until = Deadline::AfterMillis(kEstablishTimeoutMillis);
    half_open.hello.resize(options_.hello_bytes);
    // A client's hello usually lies there by the time its connection is taken.
    half_open.ready = true;
    if (!AddToEpoll(epoll_.get(), half_open.socket.fd.get(), &half_open)) {
      result = absl::ResourceExhaustedError(absl::StrCat(
          options_.address, ": cannot watch a connection: ", strerror(errno)));
      half_open_.pop_back();
      break;
    }
  }
  SetTimer();
  return result;
}

// A null pointer: the hello is not complete, or the client has gone.
absl::StatusOr<std::unique_ptr<Link>> SocketListener::Advance(
    HalfOpens::iterator half_open) {
  half_open->ready = false;
  const int fd = half_open->socket.fd.get();
  std::vector<std::byte>& hello = half_open->hello;
  const ssize_t got = recv(fd, hello.data() + half_open->received,
                           hello.size() - half_open->received, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return nullptr;
  if (got <= 0) {
    half_open_.erase(half_open);
    return nullptr;
  }
  half_open->received += static_cast<size_t>(got);
  if (IsHttp2Client({hello.data(), half_open->received})) {
    half_open_.erase(half_open);
    return absl::InvalidArgumentError(
        absl::StrCat("a client of ", options_.address,
                     " speaks gRPC: serve it on grpc:HOST:PORT"));
  }
  if (half_open->received < hello.size()) return nullptr;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  HalfOpens complete;
  complete.splice(complete.begin(), half_open_, half_open);
  return options_.make_link(std::move(complete.front().socket),
                            complete.front().hello);
}

void SocketListener::DropLate() {
  uint64_t expirations;
  if (read(timer_.get(), &expirations, sizeof expirations) < 0) return;
  while (!half_open_.empty() && half_open_.front().until.passed()) {
    half_open_.pop_front();
  }
  SetTimer();
}

void SocketListener::SetTimer() {
  itimerspec when{};
  if (!half_open_.empty()) {
    const int64_t nanos = half_open_.front().until.nanos();
    when.it_value.tv_sec = static_cast<time_t>(nanos / 1'000'000'000);
    when.it_value.tv_nsec = static_cast<long>(nanos % 1'000'000'000);
  }
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void SocketListener::Close() {
  half_open_.clear();
  epoll_.reset();
  timer_.reset();
  if (source_ != nullptr) source_->Close();
  source_.reset();
}

}  // namespace nearcall::internal
