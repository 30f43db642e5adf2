#include "transports/ring_link.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "transports/end_reason.h"
#include "transports/interrupt_latch.h"

namespace nearcall::internal {
namespace {

// The kernel alone knows of a death, and a caller that only spins never enters
// it: each so many fruitless looks one of them asks. Some 0.3 us in 1024.
constexpr uint32_t kAskEvery = 1024;
// How long a sleeper that could get no descriptor to be interrupted by sleeps
// at a time.
constexpr int64_t kSliceNanos = 10'000'000;

// What wakes a role of this side: the reader, or the writer.
struct OwnBell {
  const Fd& socket;
  Sleeper<RingWord> sleeper;
  uint64_t heard = 0;
};

class RingLink final : public Link {
 public:
  RingLink(RingEnds ends, LinkInfo info);
  ~RingLink() override { Close(); }

  const LinkInfo& info() const override { return info_; }
  WriteSpan Reserve(uint32_t size) override;
  void Commit(uint32_t size) override;
  Io Flush() override;
  ReadSpan Peek() override;
  void Release() override;
  Io Sleep(unsigned want, Deadline deadline) override;
  void Interrupt() override;
  bool Arm(unsigned want) override;
  void Disarm() override;
  Pollable PollFd(Want want) const override;
  Pollable DeathFd() const override {
    return {ends_.frames_bell.get(), EPOLLRDHUP};
  }
  void HungUp() override { hung_up_.store(true, std::memory_order_relaxed); }
  void Close() override;
  std::string reason() const override { return reason_.Get(); }

 private:
  bool MadeBeforeFork() const { return reason_.MadeBeforeFork(); }
  Io LocalEnd() const;
  Io PeerEnd();
  bool AskKernel(uint32_t* looks);
  WriteSpan NoSpace();
  Io WriteEnd();
  ReadSpan Frame(uint32_t offset, uint32_t size) const;
  ReadSpan NoFrame();

  void Raise(unsigned want);
  void Lower(unsigned want);
  Io MayProgress(unsigned want);
  Io PollOnce(unsigned want, int interrupt_fd, Deadline deadline);
  void Ring(const Fd& bell);
  void Drain(OwnBell* bell);

  void NotePeerGone();
  void EndHere(Io io, RingEnding ending, std::string reason);
  Io Break(absl::string_view what);
  std::string Peer() const;

  const LinkInfo info_;
  const RingEnds ends_;
  RingWord own_ending_;
  const RingWord peer_ending_;

  // The writer's.
  alignas(kOwnLine) RingWriter<RingMemory> writer_;
  Waker<RingWord> frames_waker_;
  OwnBell space_;
  // Where the reader was when Reserve found no space. Written by the writer,
  // read by who sleeps for space.
  static constexpr uint64_t kNotStuck = UINT64_MAX;
  std::atomic<uint64_t> stuck_at_{kNotStuck};
  uint32_t writer_looks_ = 0;
  std::atomic<Io> write_end_{Io::kOk};  // Likewise.

  // The reader's.
  alignas(kOwnLine) RingReader<RingMemory> reader_;
  Waker<RingWord> space_waker_;
  OwnBell frames_;
  uint32_t reader_looks_ = 0;
  Io read_end_ = Io::kOk;

  // Whoever parks the link.
  unsigned parked_ = 0;

  // Rarely written. local_end_: by Close, or a broken rule. peer_end_: what
  // comes when the frames in the ring have been read.
  alignas(kOwnLine) std::atomic<Io> local_end_{Io::kOk};
  std::atomic<Io> peer_end_{Io::kOk};
  std::atomic<bool> hung_up_{false};
  InterruptLatch interrupt_;
  EndReason reason_;
};

RingLink::RingLink(RingEnds ends, LinkInfo info)
    : info_(std::move(info)),
      ends_(std::move(ends)),
      own_ending_(&ends_.own->header()->ending),
      peer_ending_(&ends_.peer->header()->ending),
      writer_(RingMemory(ends_.own->records(), &ends_.peer->header()->consumed),
              ends_.own->ring_bytes()),
      frames_waker_(RingWord(&ends_.peer->header()->reader_sleep)),
      space_{ends_.space_bell,
             Sleeper(RingWord(&ends_.own->header()->writer_sleep))},
      reader_(RingMemory(ends_.peer->records(), &ends_.own->header()->consumed),
              ends_.peer->ring_bytes(), info_.max_frame),
      space_waker_(RingWord(&ends_.peer->header()->writer_sleep)),
      frames_{ends_.frames_bell,
              Sleeper(RingWord(&ends_.own->header()->reader_sleep))} {
  assert(info_.max_frame <= ends_.own->ring_bytes() / 4);
  assert(info_.max_frame <= ends_.peer->ring_bytes() / 4);
}

// --- The end ---

std::string RingLink::Peer() const {
  return absl::StrCat(
      "the peer",
      info_.peer.pid ? absl::StrCat(" (pid ", *info_.peer.pid, ")") : "",
      " at ", info_.scheme, ":", info_.address);
}

void RingLink::EndHere(Io io, RingEnding ending, std::string reason) {
  Io open = Io::kOk;
  if (!local_end_.compare_exchange_strong(open, io)) return;
  reason_.Set(std::move(reason));
  own_ending_.Store(ending, RingWord::kSeqCst);
  // Wakes the sleepers of both sides. The descriptors stay open until nobody is
  // inside.
  shutdown(ends_.frames_bell.get(), SHUT_RDWR);
  shutdown(ends_.space_bell.get(), SHUT_RDWR);
}

void RingLink::Close() {
  if (MadeBeforeFork()) return;
  EndHere(Io::kEnd, kRingClosed, "the connection was closed by this side");
}

Io RingLink::Break(absl::string_view what) {
  EndHere(Io::kBroken, kRingGaveUp, absl::StrCat(Peer(), " ", what));
  return LocalEnd();
}

// kOk while neither this side nor a fork ended the link.
Io RingLink::LocalEnd() const {
  if (MadeBeforeFork()) [[unlikely]]
    return Io::kBroken;
  return local_end_.load(std::memory_order_acquire);
}

// A socket has hung up, or the peer's word says that it will.
void RingLink::NotePeerGone() {
  const uint32_t ending = peer_ending_.Load(RingWord::kSeqCst);
  // A socket of ours that hung up because this side ended proves nothing.
  if (ending == kRingOpen && LocalEnd() != Io::kOk) return;
  Io open = Io::kOk;
  if (!peer_end_.compare_exchange_strong(
          open, ending == kRingClosed ? Io::kEnd : Io::kBroken)) {
    return;
  }
  switch (ending) {
    case kRingOpen:
      return reason_.Set(absl::StrCat(Peer(), " died"));
    case kRingClosed:
      return reason_.Set(absl::StrCat(Peer(), " closed the connection"));
    case kRingGaveUp:
      return reason_.Set(absl::StrCat(
          Peer(), " gave up the connection, as it found our ring broken"));
    default:
      return reason_.Set(absl::StrCat(Peer(), " wrote ", ending,
                                      " where its ring says how it ended"));
  }
}

// kOk while nothing is known of an end of the peer.
Io RingLink::PeerEnd() {
  if (peer_ending_.Load(RingWord::kAcquire) != kRingOpen) [[unlikely]]
    NotePeerGone();
  return peer_end_.load(std::memory_order_acquire);
}

// True: the peer has gone. One in kAskEvery looks is a system call.
bool RingLink::AskKernel(uint32_t* looks) {
  if (++*looks % kAskEvery != 0 && !hung_up_.load(std::memory_order_relaxed)) {
    return false;
  }
  std::array<pollfd, 2> fds = {{{ends_.frames_bell.get(), POLLRDHUP, 0},
                                {ends_.space_bell.get(), POLLRDHUP, 0}}};
  if (poll(fds.data(), fds.size(), 0) <= 0) return false;
  NotePeerGone();
  return true;
}

// --- Writing ---

WriteSpan RingLink::Reserve(uint32_t size) {
  assert(size > 0 && size <= info_.max_frame);
  if (const Io io = WriteEnd(); io != Io::kOk) return {.io = io};
  uint32_t offset;
  switch (writer_.Reserve(size, &offset)) {
    case RingState::kOk:
      if (stuck_at_.load(std::memory_order_relaxed) != kNotStuck) {
        stuck_at_.store(kNotStuck, std::memory_order_relaxed);
      }
      return {
          .data = ends_.own->records() + offset, .size = size, .io = Io::kOk};
    case RingState::kAgain:
      return NoSpace();
    case RingState::kBroken:
      break;
  }
  return {.io = Break("moved its read index where it cannot be")};
}

WriteSpan RingLink::NoSpace() {
  stuck_at_.store(writer_.reader_seen_at(), std::memory_order_relaxed);
  if (PeerEnd() == Io::kOk && !AskKernel(&writer_looks_)) {
    return {.io = Io::kAgain};
  }
  const Io end = WriteEnd();
  return {.io = end == Io::kOk ? Io::kAgain : end};
}

// Whether writing has ended, and from then on for ever how.
Io RingLink::WriteEnd() {
  Io end = write_end_.load(std::memory_order_relaxed);
  if (end != Io::kOk) return end;
  end = LocalEnd();
  if (end == Io::kOk) end = peer_end_.load(std::memory_order_acquire);
  if (end != Io::kOk) write_end_.store(end, std::memory_order_relaxed);
  return end;
}

void RingLink::Commit(uint32_t size) {
  if (size == 0 || write_end_.load(std::memory_order_relaxed) != Io::kOk)
    return;
  // A commit publishes, and after a close here nothing more may be: the peer is
  // told that all was there.
  if (LocalEnd() != Io::kOk) [[unlikely]]
    return;
  writer_.Commit(size);
  // The next frame's second line, which the peer still has from a lap ago, is
  // fetched while we wait for the answer. (Its first was zeroed just now.)
  __builtin_prefetch(
      ends_.own->records() + writer_.next_offset() + kOwnLine / 2,
      /*rw=*/1);
}

Io RingLink::Flush() {
  if (const Io io = WriteEnd(); io != Io::kOk) return io;
  if (frames_waker_.Due()) Ring(ends_.frames_bell);
  const Io end = PeerEnd();
  if (end != Io::kOk) write_end_.store(end, std::memory_order_relaxed);
  return end;
}

// EAGAIN: the socket is full of bells, so the peer was rung already.
void RingLink::Ring(const Fd& bell) {
  const char byte = 0;
  while (send(bell.get(), &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    switch (errno) {
      case EINTR:
        continue;
      case EAGAIN:
        return;
      case EPIPE:
      case ECONNRESET:
        return NotePeerGone();
      default:
        Break(absl::StrCat("cannot be woken: send: ", strerror(errno)));
        return;
    }
  }
}

// --- Reading ---

ReadSpan RingLink::Peek() {
  if (read_end_ != Io::kOk) return {.io = read_end_};
  if (const Io io = LocalEnd(); io != Io::kOk) [[unlikely]]
    return {.io = read_end_ = io};
  uint32_t offset;
  uint32_t size;
  switch (reader_.Peek(&offset, &size)) {
    case RingState::kOk:
      return Frame(offset, size);
    case RingState::kAgain:
      return NoFrame();
    case RingState::kBroken:
      break;
  }
  return {.io = read_end_ = Break("published a frame longer than agreed")};
}

ReadSpan RingLink::Frame(uint32_t offset, uint32_t size) const {
  return {.data = ends_.peer->records() + offset,
          .size = size,
          .io = Io::kOk,
          .stable = ends_.trusted};
}

// What was published before the peer ended is to be read first: the ring is
// looked at once more after the end is known.
ReadSpan RingLink::NoFrame() {
  if (PeerEnd() == Io::kOk && !AskKernel(&reader_looks_)) {
    return {.io = Io::kAgain};
  }
  const Io end = PeerEnd();
  if (end == Io::kOk) return {.io = Io::kAgain};
  uint32_t offset;
  uint32_t size;
  switch (reader_.Peek(&offset, &size)) {
    case RingState::kOk:
      return Frame(offset, size);
    case RingState::kAgain:
      return {.io = read_end_ = end};
    case RingState::kBroken:
      break;
  }
  return {.io = read_end_ = Break("published a frame longer than agreed")};
}

void RingLink::Release() {
  if (read_end_ != Io::kOk) return;
  if (reader_.Release() && space_waker_.Due()) Ring(ends_.space_bell);
}

// --- Waiting ---

void RingLink::Raise(unsigned want) {
  if ((want & kReadable) != 0) frames_.sleeper.Raise();
  if ((want & kWritable) != 0) space_.sleeper.Raise();
}

void RingLink::Lower(unsigned want) {
  if ((want & kReadable) != 0) frames_.sleeper.Lower();
  if ((want & kWritable) != 0) space_.sleeper.Lower();
}

// kAgain: a wanted direction has to wait. Else what Sleep returns; a rule that
// the peer broke is for Peek and Reserve to find.
Io RingLink::MayProgress(unsigned want) {
  if (const Io io = LocalEnd(); io != Io::kOk) return io;
  const Io end = PeerEnd();
  if ((want & kReadable) != 0) {
    if (read_end_ != Io::kOk) return read_end_;
    if (reader_.Recheck()) return Io::kOk;
  }
  if (end != Io::kOk) return end;
  if ((want & kWritable) != 0) {
    // Who sleeps for space need not be who writes: only what the writer left
    // for others is looked at.
    const uint64_t stuck_at = stuck_at_.load(std::memory_order_relaxed);
    if (stuck_at == kNotStuck ||
        write_end_.load(std::memory_order_relaxed) != Io::kOk ||
        writer_.MovedSince(static_cast<uint32_t>(stuck_at))) {
      return Io::kOk;
    }
  }
  return Io::kAgain;
}

bool RingLink::Arm(unsigned want) {
  if (MadeBeforeFork()) return false;
  Lower(parked_ & ~want);
  parked_ = want;
  Raise(want);
  if (MayProgress(want) == Io::kAgain) return true;
  Lower(want);
  parked_ = 0;
  return false;
}

void RingLink::Disarm() {
  if (MadeBeforeFork()) return;
  const unsigned want = std::exchange(parked_, 0);
  Lower(want);
  if ((want & kReadable) != 0) Drain(&frames_);
  if ((want & kWritable) != 0) Drain(&space_);
}

// One call. A peer rings once a raise at most: one that keeps ringing would
// cost us a wake-up each time, as often as it likes.
void RingLink::Drain(OwnBell* bell) {
  std::array<char, 1024> bells;
  const ssize_t got =
      recv(bell->socket.get(), bells.data(), bells.size(), MSG_DONTWAIT);
  if (got > 0) {
    bell->heard += static_cast<uint64_t>(got);
    if (bell->heard > bell->sleeper.raises()) Break("rang without being asked");
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    NotePeerGone();
  }
}

Io RingLink::Sleep(unsigned want, Deadline deadline) {
  if (MadeBeforeFork()) return Io::kBroken;
  const int interrupt_fd = interrupt_.Enter();
  const absl::Cleanup leave = [this] { interrupt_.Leave(); };
  for (;;) {
    if (interrupt_.Take()) return Io::kInterrupted;
    Raise(want);
    Io io = MayProgress(want);
    if (io == Io::kAgain) io = PollOnce(want, interrupt_fd, deadline);
    Lower(want);
    if (io != Io::kAgain) return io;
  }
}

// One ppoll, and the bells that it showed. kAgain: look again.
Io RingLink::PollOnce(unsigned want, int interrupt_fd, Deadline deadline) {
  const bool reads = (want & kReadable) != 0;
  const bool writes = (want & kWritable) != 0;
  std::array<pollfd, 3> fds = {
      {{ends_.frames_bell.get(),
        static_cast<int16_t>(reads ? POLLIN | POLLRDHUP : POLLRDHUP), 0},
       {interrupt_fd, POLLIN, 0},
       {ends_.space_bell.get(), POLLIN | POLLRDHUP, 0}}};
  const Deadline until = interrupt_fd >= 0
                             ? deadline
                             : std::min(deadline, Deadline::After(kSliceNanos));
  timespec storage;
  const int ready = ppoll(fds.data(), writes ? 3 : 2,
                          until.RemainingTimespec(&storage), nullptr);
  if (ready == 0) return until == deadline ? Io::kTimeout : Io::kAgain;
  if (ready < 0) {
    return errno == EINTR ? Io::kAgain
                          : Break(absl::StrCat("cannot be waited for: ppoll: ",
                                               strerror(errno)));
  }
  if ((fds[0].revents & POLLIN) != 0) Drain(&frames_);
  if ((fds[2].revents & POLLIN) != 0) Drain(&space_);
  constexpr int kGone = POLLRDHUP | POLLHUP | POLLERR;
  if (((fds[0].revents | fds[2].revents) & kGone) != 0) NotePeerGone();
  if (fds[1].revents != 0) interrupt_.Woken();
  return MayProgress(want);
}

void RingLink::Interrupt() {
  if (!MadeBeforeFork()) interrupt_.Set();
}

Pollable RingLink::PollFd(Want want) const {
  const Fd& bell = want == kReadable ? ends_.frames_bell : ends_.space_bell;
  return {bell.get(), EPOLLIN | EPOLLRDHUP};
}

}  // namespace

std::unique_ptr<Link> MakeRingLink(RingEnds ends, LinkInfo info) {
  return std::make_unique<RingLink>(std::move(ends), std::move(info));
}

}  // namespace nearcall::internal
