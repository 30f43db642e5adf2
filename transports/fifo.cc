// The scheme fifo: two named pipes a link, and no socket anywhere.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transports/factories.h"
#include "transports/fd_link.h"
#include "transports/fifo_files.h"
#include "transports/fifo_listener.h"
#include "transports/fifo_request.h"
#include "transports/name_watch.h"
#include "transports/options.h"
#include "transports/peer_policy.h"
#include "transports/rendezvous.h"
#include "transports/stream_io.h"

namespace nearcall::internal {
namespace {

// Between its lock and its FIFO a server is starting, or ending; nothing tells
// a client which moment that is.
constexpr int64_t kFirstRetryNanos = 500'000;
constexpr int64_t kLastRetryNanos = 10'000'000;
// The kernel tells when the last reader of a FIFO goes. That it was the server
// only its lock can tell.
constexpr int64_t kLookAtLockNanos = 100'000'000;

struct FifoTarget {
  std::string path;
  uint32_t pipe_bytes = 0;
  FdLinkOptions link;
};

absl::StatusOr<FifoTarget> Parse(const Target& target, Side side) {
  const absl::StatusOr<uint32_t> frame_bytes = FrameBytes(target);
  if (!frame_bytes.ok()) return frame_bytes.status();
  absl::StatusOr<std::string> path =
      ResolveName(side, target.scheme, target.rest, kFifoSuffix);
  if (!path.ok()) return path.status();
  if (absl::Status status = CheckFifoPath(*path); !status.ok()) return status;
  FifoTarget result;
  result.path = *std::move(path);
  result.pipe_bytes = target.options.pipe_bytes();
  result.link.info.scheme = target.scheme;
  result.link.info.address = target.rest;
  result.link.info.max_frame = *frame_bytes;
  return result;
}

/// One attempt to get a link: what it waits with, and for whom.
class Attempt {
 public:
  Attempt(const FifoTarget& target, Deadline deadline, int interrupt_fd)
      : target_(target), deadline_(deadline), interrupt_fd_(interrupt_fd) {}

  absl::StatusOr<std::unique_ptr<Link>> Run() {
    if (absl::Status status = OpenServer(); !status.ok()) return status;
    absl::StatusOr<PrivateFifos> fifos = PrivateFifos::Make(target_.path);
    if (!fifos.ok()) return fifos.status();
    if (absl::Status status = SetPipeBytes(fifos->up.get(), target_.pipe_bytes);
        !status.ok()) {
      return status;
    }
    if (absl::Status status = Ask(fifos->token()); !status.ok()) return status;
    if (absl::Status status = AwaitAnswer(fifos->down.get()); !status.ok()) {
      return status;
    }
    FdLinkOptions options = target_.link;
    options.info.peer = server_.owner;
    return MakePipeLink(std::move(fifos->down), std::move(fifos->up),
                        std::move(options));
  }

 private:
  absl::Status NoServer(absl::string_view why) const {
    return absl::UnavailableError(absl::StrCat("no server at ", target_.path,
                                               ": ", why, "; ",
                                               NoServerAdvice(target_.path)));
  }

  absl::Status CheckHeld() const {
    const absl::StatusOr<bool> held = NameIsHeld(target_.path);
    if (!held.ok()) return held.status();
    return *held ? absl::OkStatus() : NoServer("nobody holds its lock");
  }

  absl::Status OpenServer() {
    for (int64_t retry = kFirstRetryNanos;;
         retry = std::min(2 * retry, kLastRetryNanos)) {
      if (absl::Status status = CheckHeld(); !status.ok()) return status;
      absl::StatusOr<OpenedFifo> server = OpenFifo(target_.path, O_WRONLY);
      if (server.ok()) {
        server_ = *std::move(server);
        return CheckPeer(server_.owner, "server", target_.path);
      }
      if (!absl::IsNotFound(server.status()) &&
          !absl::IsUnavailable(server.status())) {
        return server.status();
      }
      pollfd nothing{-1, 0, 0};
      const absl::StatusOr<bool> ready =
          Poll(&nothing, Deadline::After(retry),
               "the server holds the name, but takes no requests yet");
      if (!ready.ok()) return ready.status();
    }
  }

  absl::Status Ask(const std::string& token) {
    FifoRequest request;
    request.token = token;
    const std::string bytes = EncodeFifoRequest(request);
    for (;;) {
      if (WriteSome(server_.fd.get(), StreamKind::kPipe, bytes.data(),
                    bytes.size()) == static_cast<ssize_t>(bytes.size())) {
        return absl::OkStatus();
      }
      if (errno == EPIPE) return NoServer("it went away");
      if (errno != EAGAIN) {
        return absl::UnavailableError(
            absl::StrCat(target_.path, ": write: ", strerror(errno)));
      }
      pollfd space{server_.fd.get(), POLLOUT, 0};
      const absl::StatusOr<bool> ready =
          Poll(&space, Deadline::After(kLookAtLockNanos),
               "the server's FIFO of requests stayed full");
      if (!ready.ok()) return ready.status();
      if (absl::Status status = CheckHeld(); !status.ok()) return status;
    }
  }

  absl::Status AwaitAnswer(int down) {
    const Deadline patience = Deadline::AfterMillis(kEstablishTimeoutMillis);
    for (;;) {
      std::array<pollfd, 2> fds = {
          {{down, POLLIN, 0}, {server_.fd.get(), 0, 0}}};
      const absl::StatusOr<bool> ready = Poll(
          fds.data(), std::min(patience, Deadline::After(kLookAtLockNanos)),
          "the server did not answer in time", fds.size());
      if (!ready.ok()) return ready.status();
      if (fds[0].revents != 0) {
        std::array<char, kFifoAnswerBytes> bytes;
        const ssize_t got =
            ReadSome(down, StreamKind::kPipe, bytes.data(), bytes.size());
        // Told to read, and nothing there to be read yet: it is not the end.
        if (got >= 0 || (errno != EAGAIN && errno != EINTR)) {
          return CheckAnswer(
              {bytes.data(), static_cast<size_t>(std::max<ssize_t>(got, 0))});
        }
      }
      if (*ready) return NoServer("it went away before it answered");
      if (absl::Status status = CheckHeld(); !status.ok()) return status;
      if (patience.passed()) {
        return absl::UnavailableError(absl::StrCat(
            "the server at ", target_.path, " did not answer within ",
            kEstablishTimeoutMillis, " ms: is it stopped?"));
      }
    }
  }

  // The server's one write is here in full, or the server has gone.
  absl::Status CheckAnswer(std::string_view answer) const {
    if (answer.empty()) {
      return absl::UnavailableError(absl::StrCat(
          "the server at ", target_.path, " refused, or ended just now"));
    }
    const std::optional<int> version =
        DecodeFifoAnswer({answer.data(), answer.size()});
    if (!version) {
      return absl::InternalError(absl::StrCat("the server at ", target_.path,
                                              " does not speak nearcall's ",
                                              target_.link.info.scheme, ":"));
    }
    if (*version != kFifoVersion) {
      return absl::UnimplementedError(absl::StrCat(
          "the server at ", target_.path, " speaks version ", *version, " of ",
          target_.link.info.scheme, ":, this client ", kFifoVersion,
          ": build both against one release"));
    }
    return absl::OkStatus();
  }

  // False: `until` passed. DEADLINE_EXCEEDED with `late`, or CANCELLED.
  absl::StatusOr<bool> Poll(pollfd* fds, Deadline until, absl::string_view late,
                            size_t count = 1) const {
    std::array<pollfd, 3> all;
    std::copy_n(fds, count, all.begin());
    all[count] = {interrupt_fd_, POLLIN, 0};
    timespec storage;
    const int ready =
        ppoll(all.data(), count + 1,
              std::min(until, deadline_).RemainingTimespec(&storage), nullptr);
    if (ready < 0 && errno != EINTR) {
      return absl::UnavailableError(absl::StrCat("ppoll: ", strerror(errno)));
    }
    if (ready > 0 && all[count].revents != 0) {
      return absl::CancelledError(
          absl::StrCat(target_.path, ": connecting was interrupted"));
    }
    for (size_t i = 0; i < count; ++i) {
      fds[i].revents = ready > 0 ? all[i].revents : int16_t{0};
    }
    if (ready <= 0 && deadline_.passed()) {
      return absl::DeadlineExceededError(
          absl::StrCat(target_.path, ": ", late));
    }
    return ready > 0;
  }

  const FifoTarget& target_;
  const Deadline deadline_;
  const int interrupt_fd_;
  OpenedFifo server_;
};

class FifoDialer final : public Dialer {
 public:
  explicit FifoDialer(FifoTarget target)
      : target_(std::move(target)), watch_(target_.path) {}
  absl::StatusOr<std::unique_ptr<Link>> Dial(Deadline deadline,
                                             int interrupt_fd) override {
    watch_.Stop();
    return Attempt(target_, deadline, interrupt_fd).Run();
  }
  bool WaitForServer(Deadline until, int interrupt_fd) override {
    return watch_.Wait(until, interrupt_fd);
  }

 private:
  const FifoTarget target_;
  NameWatch watch_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Dialer>> MakeFifoDialer(const Target& target) {
  absl::StatusOr<FifoTarget> parsed = Parse(target, Side::kClient);
  if (!parsed.ok()) return parsed.status();
  return std::make_unique<FifoDialer>(*std::move(parsed));
}

absl::StatusOr<std::unique_ptr<Listener>> ListenFifo(const Target& target) {
  absl::StatusOr<FifoTarget> parsed = Parse(target, Side::kServer);
  if (!parsed.ok()) return parsed.status();
  return FifoListener::Listen(parsed->path, parsed->pipe_bytes, parsed->link);
}

}  // namespace nearcall::internal
