#include "transports/fd_link.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "runtime/sync.h"
#include "transports/end_reason.h"
#include "transports/http2_peer.h"
#include "transports/stream_buffers.h"
#include "transports/stream_io.h"

namespace nearcall::internal {
namespace {

// A frame this large goes out by itself: what is pending before it is sent
// first, so that its bytes need not be moved to close an alignment gap.
constexpr uint32_t kSendFirst = 8192;
// How long a sleeper that could get no descriptor for its bell sleeps at most.
constexpr int64_t kBellessSleepNanos = 10'000'000;

class FdLink final : public Link {
 public:
  FdLink(Fd read, Fd write, Fd death, FdLinkOptions options);
  ~FdLink() override;

  const LinkInfo& info() const override { return info_; }
  WriteSpan Reserve(uint32_t size) override;
  void Commit(uint32_t size) override { out_.Commit(size); }
  Io Flush() override;
  ReadSpan Peek() override;
  void Release() override;
  Io Sleep(unsigned want, Deadline deadline) override;
  void Interrupt() override;
  bool Arm(unsigned want) override;
  void Disarm() override {}
  Pollable PollFd(Want want) const override;
  Pollable DeathFd() const override;
  void HungUp() override {
    hung_up_.store(true);
    RingSleepers();
  }
  void Close() override;
  std::string reason() const override { return reason_.Get(); }

 private:
  bool MadeBeforeFork() const { return reason_.MadeBeforeFork(); }
  // It has ended, and whoever still has its ends of the pipes does not count.
  bool ProcessGone() const { return death_ && hung_up_.load(); }
  Io LocalEnd() const;
  Io ReceiveSome();
  Io EndReads(Io io, std::string reason);
  Io EndWrites(Io io, std::string reason);
  std::string BadLength(uint32_t length) const;
  std::string PeerEnded(const char* how) const;
  Io MayProgress(unsigned want) const;
  Io PollOnce(unsigned want, Deadline deadline);
  int Bell();
  void RingSleepers();

  const LinkInfo info_;
  const size_t max_io_;
  const std::function<std::string()> how_peer_ended_;
  const Fd death_;  // Empty: the stream's end is the only sign.
  const Fd read_;
  const Fd write_;  // Empty: read_ is both.
  const int read_fd_;
  const int write_fd_;
  const StreamKind read_kind_;
  const StreamKind write_kind_;

  // The writer's.
  OutBuffer out_;
  // The last send met a full stream. Only then is there an edge to wait for.
  std::atomic<bool> write_blocked_{false};

  // The reader's.
  InBuffer in_;
  bool peeked_ = false;
  // The last receive came back short: the stream was empty at that moment, and
  // the next Peek may say so without asking again. Once.
  bool drained_ = false;
  std::atomic<bool> hung_up_{false};

  // kOk while open. A direction's end is first noted by its own role; the other
  // role's end is noted here too and found by this one.
  std::atomic<Io> read_end_{Io::kOk};
  std::atomic<Io> write_end_{Io::kOk};
  std::atomic<bool> closed_{false};

  // Interrupt and sleeper each write one of these words, then read the other
  // (sequentially consistent): at least one of them sees the other.
  std::atomic<bool> interrupted_{false};
  std::atomic<int> sleepers_{0};
  std::atomic<int> bell_fd_{-1};

  Mutex mutex_;
  Fd bell_ ABSL_GUARDED_BY(mutex_);
  EndReason reason_;
};

FdLink::FdLink(Fd read, Fd write, Fd death, FdLinkOptions options)
    : info_(std::move(options.info)),
      max_io_(options.max_io),
      how_peer_ended_(std::move(options.how_peer_ended)),
      death_(std::move(death)),
      read_(std::move(read)),
      write_(std::move(write)),
      read_fd_(read_.get()),
      write_fd_(write_ ? write_.get() : read_fd_),
      read_kind_(KindOf(read_fd_)),
      write_kind_(KindOf(write_fd_)),
      out_(info_.max_frame) {}

FdLink::~FdLink() {
  Close();
  if (!MadeBeforeFork() && read_kind_ == StreamKind::kSocket) {
    DiscardUnread(read_fd_);
  }
}

// kOk while neither Close nor a fork ended the link here.
Io FdLink::LocalEnd() const {
  if (MadeBeforeFork()) [[unlikely]]
    return Io::kBroken;
  return closed_.load(std::memory_order_acquire) ? Io::kEnd : Io::kOk;
}

// --- Writing ---

WriteSpan FdLink::Reserve(uint32_t size) {
  assert(size > 0 && size <= info_.max_frame);
  if (const Io io = LocalEnd(); io != Io::kOk) return {.io = io};
  if (const Io io = write_end_.load(std::memory_order_acquire); io != Io::kOk) {
    return {.io = io};
  }
  if (size >= kSendFirst && out_.pending() > 0) {
    if (const Io io = Flush(); io != Io::kOk && io != Io::kAgain) {
      return {.io = io};
    }
  }
  std::byte* data = nullptr;
  OutBuffer::Room room = out_.Reserve(size, &data);
  if (room == OutBuffer::Room::kFull) {
    if (const Io io = Flush(); io != Io::kOk && io != Io::kAgain) {
      return {.io = io};
    }
    room = out_.Reserve(size, &data);
  }
  switch (room) {
    case OutBuffer::Room::kOk:
      return {.data = data, .size = size, .io = Io::kOk};
    case OutBuffer::Room::kFull:
      return {.io = Io::kAgain};
    case OutBuffer::Room::kNoMemory:
      break;
  }
  return {.io = EndWrites(Io::kBroken,
                          absl::StrCat("no memory for a frame of ", size,
                                       " bytes to ", info_.address))};
}

Io FdLink::Flush() {
  if (const Io io = LocalEnd(); io != Io::kOk) return io;
  if (const Io io = write_end_.load(std::memory_order_acquire); io != Io::kOk) {
    return io;
  }
  while (out_.pending() > 0) {
    const ssize_t sent = WriteSome(write_fd_, write_kind_, out_.data(),
                                   std::min(out_.pending(), max_io_));
    if (sent > 0) {
      out_.Sent(static_cast<size_t>(sent));
      continue;
    }
    const int error = errno;
    if (error == EAGAIN) {
      if (ProcessGone()) return EndWrites(Io::kEnd, PeerEnded("ended"));
      write_blocked_.store(true, std::memory_order_relaxed);
      return Io::kAgain;
    }
    if (const Io io = LocalEnd(); io != Io::kOk) return io;
    if (error == EPIPE) {
      return EndWrites(Io::kEnd, PeerEnded("closed the connection"));
    }
    return EndWrites(Io::kBroken,
                     absl::StrCat("sending to ", info_.scheme, ":",
                                  info_.address, ": ", strerror(error)));
  }
  write_blocked_.store(false, std::memory_order_relaxed);
  return Io::kOk;
}

// The reads go on until the stream is empty, and then end as well. A reader
// that waits must come and see.
Io FdLink::EndWrites(Io io, std::string reason) {
  reason_.Set(std::move(reason));
  Io open = Io::kOk;
  write_end_.compare_exchange_strong(open, io);
  if (write_kind_ == StreamKind::kSocket) shutdown(write_fd_, SHUT_RDWR);
  RingSleepers();
  return write_end_.load();
}

// --- Reading ---

ReadSpan FdLink::Peek() {
  if (const Io io = LocalEnd(); io != Io::kOk) return {.io = io};
  for (;;) {
    if (const Io io = read_end_.load(std::memory_order_relaxed);
        io != Io::kOk) {
      return {.io = io};
    }
    if (in_.has_length()) {
      const uint32_t length = in_.length();
      if (length == 0 || length > info_.max_frame) {
        return {.io = EndReads(Io::kBroken, BadLength(length))};
      }
      if (in_.has_frame()) {
        peeked_ = true;
        return {
            .data = in_.frame(), .size = length, .io = Io::kOk, .stable = true};
      }
    }
    if (const Io io = ReceiveSome(); io != Io::kOk) return {.io = io};
  }
}

void FdLink::Release() {
  if (std::exchange(peeked_, false)) in_.PopFrame();
}

// kOk: bytes came. kAgain: none now.
Io FdLink::ReceiveSome() {
  const Io write_end = write_end_.load(std::memory_order_acquire);
  if (std::exchange(drained_, false) && write_end == Io::kOk &&
      !hung_up_.load(std::memory_order_relaxed)) {
    return Io::kAgain;
  }
  std::span<std::byte> space = in_.Space();
  if (space.empty()) {
    return EndReads(Io::kBroken,
                    absl::StrCat("no memory for a frame from ", info_.address));
  }
  const size_t asked = std::min(space.size(), max_io_);
  const ssize_t got = ReadSome(read_fd_, read_kind_, space.data(), asked);
  const int error = errno;
  if (const Io io = LocalEnd(); io != Io::kOk) return io;
  if (got > 0) {
    const auto size = static_cast<size_t>(got);
    in_.Received(size, size == space.size());
    drained_ = size < asked;
    return Io::kOk;
  }
  if (got < 0 && error == EAGAIN) {
    if (write_end != Io::kOk) return EndReads(write_end, "");
    if (!ProcessGone()) return Io::kAgain;
    return EndReads(Io::kEnd, PeerEnded("ended"));
  }
  if (got < 0) {
    return EndReads(Io::kBroken,
                    absl::StrCat("receiving from ", info_.scheme, ":",
                                 info_.address, ": ", strerror(error)));
  }
  if (in_.size() > 0) {
    return EndReads(Io::kBroken, PeerEnded("ended in the middle of a frame"));
  }
  return EndReads(write_end == Io::kOk ? Io::kEnd : write_end,
                  PeerEnded("closed the connection"));
}

Io FdLink::EndReads(Io io, std::string reason) {
  if (!reason.empty()) reason_.Set(std::move(reason));
  read_end_.store(io);
  Io open = Io::kOk;
  write_end_.compare_exchange_strong(open, io);
  // A peer that broke the rules is told so by the end.
  if (io == Io::kBroken && read_kind_ == StreamKind::kSocket) {
    shutdown(read_fd_, SHUT_RDWR);
  }
  RingSleepers();
  return io;
}

std::string FdLink::PeerEnded(const char* how) const {
  const std::string end =
      absl::StrCat("the peer at ", info_.scheme, ":", info_.address, " ", how);
  return how_peer_ended_ ? absl::StrCat(end, ": ", how_peer_ended_()) : end;
}

std::string FdLink::BadLength(uint32_t length) const {
  const std::span<const std::byte> head(in_.front(), kLengthBytes);
  if (IsHttp2Client(head) || IsHttp2Server(head)) return PeerSpeaksGrpc(info_);
  const std::string where = absl::StrCat(info_.scheme, ":", info_.address);
  return absl::StrCat("the peer at ", where, " announced a frame of ", length,
                      " bytes; 1 to ", info_.max_frame,
                      " are allowed: it does not speak nearcall, or its "
                      "frame_bytes is larger than ours");
}

// --- Waiting ---

bool FdLink::Arm(unsigned want) {
  if (MayProgress(want) != Io::kAgain) return false;
  if ((want & kReadable) != 0) {
    drained_ = false;
    in_.GiveBack();
  }
  out_.GiveBack();
  return true;
}

// kAgain: a wanted direction has to wait for its descriptor. Else what Sleep
// returns; kOk also where the next call finds an end.
Io FdLink::MayProgress(unsigned want) const {
  if (const Io io = LocalEnd(); io != Io::kOk) return io;
  const Io write_end = write_end_.load();
  if ((want & kReadable) != 0) {
    if (const Io io = read_end_.load(); io != Io::kOk) return io;
    if (write_end != Io::kOk || in_.has_frame() || ProcessGone()) {
      return Io::kOk;
    }
    // A length that Peek will refuse waits for no more bytes.
    if (in_.has_length() &&
        (in_.length() == 0 || in_.length() > info_.max_frame)) {
      return Io::kOk;
    }
  }
  if ((want & kWritable) != 0) {
    if (write_end != Io::kOk) return write_end;
    if (!write_blocked_.load(std::memory_order_relaxed) || ProcessGone()) {
      return Io::kOk;
    }
  }
  return Io::kAgain;
}

Io FdLink::Sleep(unsigned want, Deadline deadline) {
  sleepers_.fetch_add(1);
  const absl::Cleanup leave = [this] { sleepers_.fetch_sub(1); };
  for (;;) {
    if (interrupted_.load() && interrupted_.exchange(false)) {
      return Io::kInterrupted;
    }
    if (const Io io = MayProgress(want); io != Io::kAgain) return io;
    if (const Io io = PollOnce(want, deadline); io != Io::kAgain) return io;
  }
}

// One ppoll. kAgain: look again.
Io FdLink::PollOnce(unsigned want, Deadline deadline) {
  std::array<pollfd, 3> fds;
  nfds_t count = 0;
  const bool reads = (want & kReadable) != 0;
  const bool writes = (want & kWritable) != 0;
  const bool shared = read_fd_ == write_fd_;
  const int16_t in = reads ? POLLIN | POLLRDHUP : 0;
  const int16_t out = writes ? POLLOUT : 0;
  // A pipe pair's reading end is in the set even for a writer: it shows the
  // peer's end while the other pipe is merely full.
  fds[count++] = {read_fd_, static_cast<int16_t>(shared ? in | out : in), 0};
  if (writes && !shared) fds[count++] = {write_fd_, out, 0};
  const int bell = Bell();
  if (bell >= 0) fds[count++] = {bell, POLLIN, 0};
  // The flags are looked at once more with the bell in place: whoever raises
  // one from here on rings it.
  if (interrupted_.load() || MayProgress(want) != Io::kAgain) return Io::kAgain;

  Deadline until = deadline;
  if (bell < 0) until = std::min(deadline, Deadline::After(kBellessSleepNanos));
  timespec storage;
  const int ready =
      ppoll(fds.data(), count, until.RemainingTimespec(&storage), nullptr);
  if (ready == 0) return until == deadline ? Io::kTimeout : Io::kAgain;
  if (ready < 0) {
    if (errno == EINTR) return Io::kAgain;
    return EndWrites(Io::kBroken, absl::StrCat("waiting for ", info_.address,
                                               ": ppoll: ", strerror(errno)));
  }
  if (reads && fds[0].revents != 0) drained_ = false;
  if (!reads && !shared && (fds[0].revents & POLLHUP) != 0) {
    return EndWrites(Io::kEnd, PeerEnded("closed the connection"));
  }
  if (bell >= 0 && fds[count - 1].revents != 0) {
    // After the end it stays rung, for every sleeper.
    if (LocalEnd() == Io::kOk && write_end_.load() == Io::kOk) {
      uint64_t rings;
      (void)!read(bell, &rings, sizeof rings);
    }
    if (interrupted_.load() && interrupted_.exchange(false)) {
      return Io::kInterrupted;
    }
  }
  return Io::kOk;
}

// The descriptor that wakes sleepers, made for the first of them: a server's
// links are parked and never need one. -1: none to be had.
int FdLink::Bell() {
  const int fd = bell_fd_.load();
  if (fd >= 0) return fd;
  MutexLock lock(&mutex_);
  if (!bell_) {
    bell_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    bell_fd_.store(bell_.get());
  }
  return bell_.get();
}

void FdLink::RingSleepers() {
  if (sleepers_.load() == 0) return;
  const int bell = bell_fd_.load();
  const uint64_t one = 1;
  if (bell >= 0) (void)!write(bell, &one, sizeof one);
}

void FdLink::Interrupt() {
  if (MadeBeforeFork()) return;
  interrupted_.store(true);
  RingSleepers();
}

Pollable FdLink::PollFd(Want want) const {
  if (want == kWritable) return {write_fd_, EPOLLOUT};
  return {read_fd_, EPOLLIN | EPOLLRDHUP};
}

// A pipe's hang-up needs no asking for.
Pollable FdLink::DeathFd() const {
  if (death_) return {death_.get(), EPOLLIN};
  return {read_fd_, read_kind_ == StreamKind::kSocket ? EPOLLRDHUP : 0u};
}

void FdLink::Close() {
  if (MadeBeforeFork() || closed_.exchange(true)) return;
  reason_.Set("the connection was closed by this side");
  EndWriting(write_fd_, write_kind_);
  if (read_kind_ == StreamKind::kPipe) {
    WakePipeReader(read_fd_);
  } else if (read_fd_ != write_fd_) {
    shutdown(read_fd_, SHUT_RDWR);
  }
  RingSleepers();
}

}  // namespace

std::unique_ptr<Link> MakeSocketLink(Fd socket, FdLinkOptions options) {
  return std::make_unique<FdLink>(std::move(socket), Fd(), Fd(),
                                  std::move(options));
}

absl::StatusOr<std::unique_ptr<Link>> MakePipeLink(Fd read, Fd write,
                                                   FdLinkOptions options) {
  for (const Fd* fd : {&read, &write}) {
    const int flags = fcntl(fd->get(), F_GETFL);
    if (flags < 0 || fcntl(fd->get(), F_SETFL, flags | O_NONBLOCK) != 0) {
      return absl::InternalError(
          absl::StrCat("descriptor ", fd->get(),
                       " cannot be made non-blocking: ", strerror(errno)));
    }
  }
  if (absl::Status status = PrepareEndWriting(); !status.ok()) return status;
  Fd death;
  if (options.pidfd >= 0) {
    absl::StatusOr<Fd> either = WatchPipeAndProcess(read.get(), options.pidfd);
    if (!either.ok()) return either.status();
    death = *std::move(either);
  }
  return std::make_unique<FdLink>(std::move(read), std::move(write),
                                  std::move(death), std::move(options));
}

}  // namespace nearcall::internal
