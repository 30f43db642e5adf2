// The scheme pipe: a channel starts its server as a child process, and the two
// talk over a pair of anonymous pipes. In the child, pipe: (with anything
// behind it) means the pair that it was given.
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "transports/command_line.h"
#include "transports/factories.h"
#include "transports/fd_link.h"
#include "transports/options.h"
#include "transports/pipe_child.h"
#include "transports/pipe_environment.h"
#include "transports/stream_io.h"

namespace nearcall::internal {
namespace {

constexpr char kReattach[] = "NEARCALL_PIPE_REATTACH";

// The descriptors 0, 1 and 2 are the child's own.
Fd AboveStandard(int fd) {
  if (fd > STDERR_FILENO) return Fd(fd);
  const Fd low(fd);
  return Fd(fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

struct Pipe {
  Fd read;
  Fd write;
};

absl::StatusOr<Pipe> MakePipe(uint32_t bytes) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("pipe: cannot make a pipe: ", strerror(errno)));
  }
  Pipe pipe{AboveStandard(ends[0]), AboveStandard(ends[1])};
  if (!pipe.read || !pipe.write) {
    return absl::ResourceExhaustedError(
        absl::StrCat("pipe: no descriptor left: ", strerror(errno)));
  }
  if (absl::Status status = SetPipeBytes(pipe.write.get(), bytes);
      !status.ok()) {
    return status;
  }
  return pipe;
}

class PipeDialer final : public Dialer {
 public:
  PipeDialer(std::vector<std::string> argv, uint32_t pipe_bytes,
             FdLinkOptions link)
      : argv_(std::move(argv)),
        pipe_bytes_(pipe_bytes),
        link_(std::move(link)) {}

  absl::StatusOr<std::unique_ptr<Link>> Dial(Deadline deadline,
                                             int interrupt_fd) override;
  bool starts_process() const override { return true; }
  bool WaitForServer(Deadline until, int interrupt_fd) override;

 private:
  absl::Status Start();
  absl::Status AwaitServer(Deadline deadline, int interrupt_fd);

  const std::vector<std::string> argv_;
  const uint32_t pipe_bytes_;
  const FdLinkOptions link_;

  // The child of this channel: the last link's, or, with descriptors here, one
  // that has yet to serve. A caller with a short deadline leaves it to the next
  // one.
  std::shared_ptr<PipeChild> child_;
  Fd read_;
  Fd write_;
};

absl::Status PipeDialer::Start() {
  absl::StatusOr<Pipe> there = MakePipe(pipe_bytes_);
  if (!there.ok()) return there.status();
  absl::StatusOr<Pipe> back = MakePipe(pipe_bytes_);
  if (!back.ok()) return back.status();
  const int read = there->read.get();
  const int write = back->write.get();
  absl::StatusOr<std::shared_ptr<PipeChild>> child =
      PipeChild::Start(argv_, ChildEnvironment(read, write, argv_),
                       {read, write}, link_.info.address);
  if (!child.ok()) return child.status();
  child_ = *std::move(child);
  read_ = std::move(back->read);
  write_ = std::move(there->write);
  return absl::OkStatus();
}

// A server speaks first. Its end shows in the pidfd even while a process that
// it started holds the pipe.
absl::Status PipeDialer::AwaitServer(Deadline deadline, int interrupt_fd) {
  // Without a pidfd: it ended before one could be had.
  while (child_->pidfd() >= 0) {
    std::array<pollfd, 3> fds = {{{read_.get(), POLLIN, 0},
                                  {child_->pidfd(), POLLIN, 0},
                                  {interrupt_fd, POLLIN, 0}}};
    timespec storage;
    const int ready = ppoll(fds.data(), fds.size(),
                            deadline.RemainingTimespec(&storage), nullptr);
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return absl::DeadlineExceededError("Deadline Exceeded");
    if ((fds[0].revents & POLLIN) != 0) return absl::OkStatus();
    if (fds[2].revents != 0) return absl::CancelledError("CANCELLED");
    break;
  }
  read_.reset();
  write_.reset();
  return absl::UnavailableError(absl::StrCat(
      child_->HowItEnded(), " before it served pipe: to this process"));
}

absl::StatusOr<std::unique_ptr<Link>> PipeDialer::Dial(Deadline deadline,
                                                       int interrupt_fd) {
  // One that a caller in a hurry left may have ended since.
  if (read_ && child_->ended()) {
    read_.reset();
    write_.reset();
  }
  if (!read_) {
    // One child at a time.
    if (child_ != nullptr && !child_->End(deadline, interrupt_fd)) {
      if (deadline.passed()) {
        return absl::DeadlineExceededError("Deadline Exceeded");
      }
      return absl::CancelledError("CANCELLED");
    }
    if (absl::Status status = Start(); !status.ok()) return status;
  }
  if (absl::Status status = AwaitServer(deadline, interrupt_fd); !status.ok()) {
    return status;
  }
  FdLinkOptions options = link_;
  options.info.peer.pid = child_->pid();
  options.info.peer.uid = geteuid();
  options.info.peer.gid = getegid();
  options.pidfd = child_->pidfd();
  options.how_peer_ended = [child = child_] { return child->HowItEnded(); };
  return MakePipeLink(std::move(read_), std::move(write_), std::move(options));
}

// Only a child that is still starting can come before it is time to start one.
bool PipeDialer::WaitForServer(Deadline until, int interrupt_fd) {
  std::array<pollfd, 2> fds = {
      {{read_.get(), POLLIN, 0}, {interrupt_fd, POLLIN, 0}}};
  timespec storage;
  return ppoll(fds.data(), fds.size(), until.RemainingTimespec(&storage),
               nullptr) > 0 &&
         fds[0].revents != 0;
}

class PipeListener final : public Listener {
 public:
  PipeListener(std::unique_ptr<Link> link, Fd incoming)
      : incoming_(std::move(incoming)), link_(std::move(link)) {}

  const std::string& address() const override { return address_; }
  Pollable incoming() const override { return {incoming_.get(), POLLIN}; }
  absl::StatusOr<std::unique_ptr<Link>> Accept() override {
    uint64_t one;
    (void)!read(incoming_.get(), &one, sizeof one);
    return std::move(link_);
  }
  bool owns_server() const override { return true; }
  void Close() override {}

 private:
  const std::string address_ = "pipe:";
  const Fd incoming_;  ///< An eventfd, readable until the link was accepted.
  std::unique_ptr<Link> link_;
};

/// The target that NEARCALL_PIPE_REATTACH names; nothing when it is not set.
absl::StatusOr<Target> ReattachTarget() {
  const char* const value = secure_getenv(kReattach);
  if (value == nullptr || *value == '\0') return Target();
  absl::StatusOr<Target> target = ParseTarget(value);
  if (target.ok() && target->scheme != "unix" &&
      target->scheme != "unix-abstract") {
    target = absl::InvalidArgumentError("it must be unix:NAME");
  }
  if (!target.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(kReattach, "=", value, ": ", target.status().message()));
  }
  return target;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dialer>> MakePipeDialer(const Target& target) {
  absl::StatusOr<Target> reattach = ReattachTarget();
  if (!reattach.ok()) return reattach.status();
  if (!reattach->scheme.empty()) {
    fprintf(stderr,
            "nearcall: %s: starts no child, attaches to one at %s (%s)\n",
            target.uri.c_str(), reattach->uri.c_str(), kReattach);
    return FindTransport(reattach->scheme)->make_dialer(*reattach);
  }
  absl::StatusOr<std::vector<std::string>> argv = SplitCommand(target.rest);
  if (!argv.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("target '", target.uri, "': ", argv.status().message()));
  }
  if (argv->empty() || argv->front().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("target '", target.uri,
                     "' names no command: a client writes pipe:COMMAND ARG..., "
                     "and the channel starts it"));
  }
  if (StartedByChannelAs(*argv)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "target '", target.uri,
        "': a channel started this process, or one above it, with this very "
        "command, so each child would start another, for ever; a server that "
        "calls others needs other names, or another configuration, for them"));
  }
  const absl::StatusOr<uint32_t> frame_bytes = FrameBytes(target);
  if (!frame_bytes.ok()) return frame_bytes.status();
  FdLinkOptions link;
  link.info.scheme = target.scheme;
  link.info.address = target.rest;
  link.info.max_frame = *frame_bytes;
  return std::make_unique<PipeDialer>(
      *std::move(argv), target.options.pipe_bytes(), std::move(link));
}

absl::StatusOr<std::unique_ptr<Listener>> ListenPipe(const Target& target) {
  const absl::StatusOr<uint32_t> frame_bytes = FrameBytes(target);
  if (!frame_bytes.ok()) return frame_bytes.status();
  absl::StatusOr<InheritedPipe> pipe = TakeInheritedPipe();
  if (!pipe.ok()) {
    absl::StatusOr<Target> reattach = ReattachTarget();
    if (!reattach.ok()) return reattach.status();
    if (reattach->scheme.empty()) return pipe.status();
    absl::StatusOr<std::unique_ptr<Listener>> listener =
        FindTransport(reattach->scheme)->listen(*reattach);
    if (listener.ok()) {
      fprintf(stderr,
              "nearcall: pipe: serves at %s; the client attaches with %s=%s\n",
              (*listener)->address().c_str(), kReattach, reattach->uri.c_str());
    }
    return listener;
  }
  FdLinkOptions options;
  options.info.scheme = target.scheme;
  options.info.address = absl::StrCat("pid ", pipe->parent);
  options.info.max_frame = *frame_bytes;
  options.info.peer.pid = pipe->parent;
  options.info.peer.uid = getuid();
  options.info.peer.gid = getgid();
  absl::StatusOr<std::unique_ptr<Link>> link = MakePipeLink(
      std::move(pipe->read), std::move(pipe->write), std::move(options));
  if (!link.ok()) return link.status();
  Fd incoming(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!incoming) {
    return absl::ResourceExhaustedError(
        absl::StrCat("pipe: eventfd: ", strerror(errno)));
  }
  return std::make_unique<PipeListener>(*std::move(link), std::move(incoming));
}

}  // namespace nearcall::internal
