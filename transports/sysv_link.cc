#include "transports/sysv_link.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace nearcall::internal {

SysvLink::SysvLink(SysvLinkParts parts, LinkInfo info)
    : info_(std::move(info)),
      parts_(std::move(parts)),
      box_(parts_.box),
      out_(info_.max_frame) {}

SysvLink::~SysvLink() {
  if (MadeBeforeFork()) return;
  Close();
  SysvWatch::Process()->RemovePeer(parts_.watch_token);
  parts_.inbox->Forget(box_.get());
  if (!parts_.client_record.empty() && box_->gone.load()) {
    RemoveSysvRecordIfDead(parts_.client_record);
  }
}

std::string SysvLink::Where() const {
  return absl::StrCat(info_.scheme, ":", info_.address);
}

// kOk while neither Close nor a fork ended the link here.
Io SysvLink::LocalEnd() const {
  if (MadeBeforeFork()) [[unlikely]]
    return Io::kBroken;
  return closed_.load(std::memory_order_acquire) ? Io::kEnd : Io::kOk;
}

// --- Writing ---

WriteSpan SysvLink::Reserve(uint32_t size) {
  assert(size > 0 && size <= info_.max_frame);
  if (const Io io = LocalEnd(); io != Io::kOk) return {.io = io};
  if (const Io io = write_end_.load(std::memory_order_acquire); io != Io::kOk) {
    return {.io = io};
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
  return {
      .io = EndWrites(Io::kBroken, absl::StrCat("no memory for a frame of ",
                                                size, " bytes to ", Where()))};
}

Io SysvLink::Flush() {
  if (const Io io = LocalEnd(); io != Io::kOk) return io;
  if (const Io io = write_end_.load(std::memory_order_acquire); io != Io::kOk) {
    return io;
  }
  if (box_->gone.load(std::memory_order_acquire)) {
    return EndWrites(
        Io::kBroken,
        absl::StrCat(Where(), ": ", parts_.inbox->ReasonOf(box_.get())));
  }
  SysvMessage message;
  message.type = box_->peer_base + kSysvData;
  while (out_.pending() > 0) {
    const size_t size = std::min(out_.pending(), kSysvFragment);
    memcpy(message.data, out_.data(), size);
    const int error = SysvSend(box_->peer_queue, message, size);
    if (error == 0) {
      out_.Sent(size);
    } else if (error == EAGAIN) {
      return Blocked();
    } else if (error != EINTR) {
      return EndWrites(Io::kBroken,
                       absl::StrCat("sending to ", Where(), ": message queue ",
                                    box_->peer_queue, ", the peer's, is gone: ",
                                    strerror(error)));
    }
  }
  if (box_->wants_space.load(std::memory_order_relaxed)) {
    box_->wants_space.store(false);
  }
  return Io::kOk;
}

// The kernel announces no space, but who reads the queue can: a mark without
// bytes enters it, and is answered when it is read.
Io SysvLink::Blocked() {
  if (!box_->wants_space.exchange(true)) {
    SysvSendEmpty(box_->peer_queue, box_->peer_base + kSysvMark);
  }
  return Io::kAgain;
}

// The reads go on until the queue has nothing more of the peer's, and then end
// as well.
Io SysvLink::EndWrites(Io io, std::string reason) {
  Io open = Io::kOk;
  write_end_.compare_exchange_strong(open, io);
  parts_.inbox->Lose(box_.get(), reason);
  reason_.Set(std::move(reason));
  return write_end_.load();
}

// --- Reading ---

ReadSpan SysvLink::Peek() {
  if (const Io io = LocalEnd(); io != Io::kOk) return {.io = io};
  for (;;) {
    if (const Io io = read_end_.load(std::memory_order_relaxed);
        io != Io::kOk) {
      return {.io = io};
    }
    if (in_.has_length()) {
      const uint32_t length = in_.length();
      if (length == 0 || length > info_.max_frame) {
        return {.io = EndReads(Io::kBroken,
                               absl::StrCat("the peer at ", Where(),
                                            " announced a frame of ", length,
                                            " bytes; 1 "
                                            "to ",
                                            info_.max_frame, " are allowed"))};
      }
      if (in_.has_frame()) {
        peeked_ = true;
        return {
            .data = in_.frame(), .size = length, .io = Io::kOk, .stable = true};
      }
    }
    if (std::exchange(presumed_empty_, false) &&
        !box_->fresh.load(std::memory_order_relaxed)) {
      return {.io = Io::kAgain};
    }
    const Io io = parts_.inbox->Fetch(box_.get(), &in_);
    if (const Io end = LocalEnd(); end != Io::kOk) return {.io = end};
    if (io == Io::kAgain) return {.io = io};
    if (io != Io::kOk) return {.io = ReadEndFor(io)};
  }
}

Io SysvLink::ReadEndFor(Io fetched) {
  if (fetched == Io::kBroken) {
    return EndReads(fetched, absl::StrCat(Where(), ": ",
                                          parts_.inbox->ReasonOf(box_.get())));
  }
  if (in_.size() > 0) {
    return EndReads(Io::kBroken, absl::StrCat("the peer at ", Where(),
                                              " ended in the middle of a "
                                              "frame"));
  }
  return EndReads(Io::kEnd, absl::StrCat("the peer at ", Where(),
                                         " closed the connection"));
}

void SysvLink::Release() {
  if (!std::exchange(peeked_, false)) return;
  in_.PopFrame();
  presumed_empty_ = in_.size() == 0;
}

Io SysvLink::EndReads(Io io, std::string reason) {
  read_end_.store(io);
  Io open = Io::kOk;
  write_end_.compare_exchange_strong(open, io);
  // A peer that broke the rules is told so by the end.
  if (io == Io::kBroken) {
    SysvSendEmpty(box_->peer_queue, box_->peer_base + kSysvEnd);
  }
  parts_.inbox->Discard(box_.get(), reason);
  reason_.Set(std::move(reason));
  return io;
}

// --- Waiting ---

// kAgain: a wanted direction has to wait. Else what Sleep returns; kOk also
// where the next call finds an end. With the inbox's mutex held.
Io SysvLink::MayProgress(unsigned want) const {
  if (const Io io = LocalEnd(); io != Io::kOk) return io;
  if ((want & kReadable) != 0) {
    if (const Io io = read_end_.load(); io != Io::kOk) return io;
    if (box_->readable() || in_.has_frame()) return Io::kOk;
  }
  if ((want & kWritable) != 0) {
    if (const Io io = write_end_.load(); io != Io::kOk) return io;
    if (!box_->wants_space.load() || box_->gone.load()) return Io::kOk;
  }
  return Io::kAgain;
}

Io SysvLink::Sleep(unsigned want, Deadline deadline) {
  if (MadeBeforeFork()) return Io::kBroken;
  Deadline until = deadline;
  if ((want & kWritable) != 0) {
    until = std::min(deadline, Deadline::AfterMillis(kSysvRetryMillis));
  }
  Io result = Io::kAgain;
  const bool progress = parts_.inbox->Await(until, [&] {
    if (interrupted_.load() && interrupted_.exchange(false)) {
      result = Io::kInterrupted;
    } else {
      result = MayProgress(want);
    }
    return result != Io::kAgain;
  });
  if (progress) return result;
  return until == deadline ? Io::kTimeout : Io::kOk;
}

void SysvLink::Interrupt() {
  if (MadeBeforeFork()) return;
  interrupted_.store(true);
  parts_.inbox->Ring(box_.get());
}

bool SysvLink::Arm(unsigned want) {
  if (LocalEnd() != Io::kOk || write_end_.load() != Io::kOk) return false;
  if ((want & kReadable) != 0 &&
      (in_.has_frame() || read_end_.load() != Io::kOk)) {
    return false;
  }
  if (!parts_.inbox->Arm(box_.get(), want)) return false;
  if ((want & kReadable) != 0) {
    presumed_empty_ = false;
    in_.GiveBack();
  }
  out_.GiveBack();
  return true;
}

Pollable SysvLink::DeathFd() const {
  if (!box_->death) return {};
  return {box_->death.get(), EPOLLIN};
}

void SysvLink::Close() {
  if (MadeBeforeFork() || closed_.exchange(true)) return;
  reason_.Set("the connection was closed by this side");
  SysvSendEmpty(box_->peer_queue, box_->peer_base + kSysvEnd);
  if (!parts_.client_record.empty()) {
    SysvWatch::SignalClosed(parts_.client_record);
  }
  parts_.inbox->Close(box_.get());
}

}  // namespace nearcall::internal
