#include "runtime/session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/fd.h"

namespace nearcall::internal {
namespace {

// All extra credit of a link: docs/wire.md, flow control.
constexpr int64_t kLinkBudget = 16 * 1024 * 1024;
// Buffers kept for messages to come, and the largest worth keeping.
constexpr size_t kSpareBuffers = 16;
constexpr size_t kSpareBytes = 64 * 1024;
// Resets and pongs that a peer who does not read can make us hold.
constexpr size_t kMaxControl = 4096;

}  // namespace

Session::Session(std::unique_ptr<Link> link, const Hello& ours, int spin_micros)
    : link_(std::move(link)),
      ours_(ours),
      generation_(ForkGeneration()),
      max_body_(link_->info().max_frame - wire::Header::kSize),
      idle_policy_(spin_micros),
      budget_left_(kLinkBudget) {}

Session::~Session() = default;

void Session::SetPeerHello(const Hello& theirs) {
  theirs_ = theirs;
  max_body_ = std::min(link_->info().max_frame, theirs.max_frame) -
              static_cast<uint32_t>(wire::Header::kSize);
}

std::string Session::PeerName() const {
  const LinkInfo& info = link_->info();
  if (!info.peer_name.empty()) return info.peer_name;
  return absl::StrCat(info.scheme, ":", info.address);
}

// --- Writing ---

void Session::QueueLocked(Call* call) {
  if (call->queued_) return;
  call->queued_ = true;
  write_queue_.push(call);
}

void Session::Pump() {
  MutexLock lock(&mu);
  PumpLocked();
}

bool Session::AllSent() {
  MutexLock lock(&mu);
  return !CanWriteLocked() || (QueueEmptyLocked() && !unflushed_);
}

void Session::PumpLocked(bool flush) {
  if (!CanWriteLocked()) return;
  write_blocked_.store(false, std::memory_order_relaxed);
  if (WriteControlLocked()) {
    bool blocked = false;
    while (!blocked && !write_queue_.empty()) {
      Call* call = write_queue_.pop();
      call->queued_ = false;
      call->RefCall();
      switch (call->WriteOne(this)) {
        case Call::Wrote::kBlocked:
          blocked = true;
          [[fallthrough]];
        case Call::Wrote::kMore:
          if (!call->ended_) QueueLocked(call);
          break;
        case Call::Wrote::kNothing:
        case Call::Wrote::kStalled:
          break;
      }
      call->UnrefCall();
    }
  }
  if (flush || write_blocked_.load(std::memory_order_relaxed)) FlushLocked();
}

WriteSpan Session::ReserveLocked(size_t size) {
  const auto whole = static_cast<uint32_t>(size + wire::Header::kSize);
  if (!CanWriteLocked()) return {nullptr, 0, Io::kBroken};
  WriteSpan span = link_->Reserve(whole);
  if (span.io == Io::kAgain && unflushed_) {
    FlushLocked();
    if (!unflushed_) span = link_->Reserve(whole);
  }
  if (span.io == Io::kAgain) {
    write_blocked_.store(true, std::memory_order_relaxed);
    OnBlockedLocked();
  } else if (span.io != Io::kOk) {
    write_dead_ = true;
  }
  return span;
}

void Session::CommitLocked(WriteSpan span, const wire::Header& header,
                           size_t body_size) {
  header.Write(reinterpret_cast<uint8_t*>(span.data));
  link_->Commit(static_cast<uint32_t>(body_size + wire::Header::kSize));
  unflushed_ = true;
}

void Session::FlushLocked() {
  if (!unflushed_ || write_dead_) return;
  switch (link_->Flush()) {
    case Io::kOk:
      unflushed_ = false;
      break;
    case Io::kAgain:
      write_blocked_.store(true, std::memory_order_relaxed);
      OnBlockedLocked();
      break;
    default:
      write_dead_ = true;
      unflushed_ = false;
  }
}

bool Session::ControlFullLocked() const {
  return control_.size() > kMaxControl;
}

void Session::SendControlLocked(wire::Header header, std::string_view body) {
  if (!CanWriteLocked()) return;
  control_.push({header, std::string(body)});
}

void Session::SendResetLocked(uint64_t id, StatusCode code,
                              std::string_view text, bool refused) {
  const uint8_t flags = refused ? wire::kResetRefused : 0;
  SendControlLocked(
      {wire::Type::kReset, flags, static_cast<uint16_t>(code), id},
      text.substr(0, max_body_));
}

bool Session::WriteControlLocked() {
  while (!control_.empty()) {
    const Control& control = control_.front();
    const WriteSpan span = ReserveLocked(control.body.size());
    if (span.io != Io::kOk) return false;
    std::memcpy(span.data + wire::Header::kSize, control.body.data(),
                control.body.size());
    CommitLocked(span, control.header, control.body.size());
    control_.pop();
  }
  return true;
}

// --- The call table ---

void Session::InsertLocked(Call* call) { calls_.emplace(call->id_, call); }

Call* Session::FindLocked(uint64_t id) {
  const auto found = calls_.find(id);
  return found == calls_.end() ? nullptr : found->second;
}

void Session::EndLocked(Call* call) {
  if (call->ended_) return;
  call->ended_ = true;
  if (call->id_ != 0) calls_.erase(call->id_);
  if (call->queued_) {
    write_queue_.filter([call](Call* other) { return other != call; });
    call->queued_ = false;
  }
  LeaveBudgetQueueLocked(call);
  if (call->budget_held_ != 0) {
    ReturnBudgetLocked(std::exchange(call->budget_held_, 0));
  }
  OnEndedLocked(call);
  if (std::exchange(call->attached_, false)) call->UnrefCall();
}

// --- Credit ---

uint32_t Session::TakeBudgetLocked(Call* call, uint32_t bytes) {
  const bool turn = wants_budget_.empty() || wants_budget_.front() == call;
  if (turn && (bytes <= budget_left_ || budget_left_ == kLinkBudget)) {
    budget_left_ -= bytes;
    if (call->wants_budget_) {
      wants_budget_.pop();
      call->wants_budget_ = false;
    }
    return bytes;
  }
  if (!call->wants_budget_) {
    call->wants_budget_ = true;
    wants_budget_.push(call);
  }
  return 0;
}

void Session::LeaveBudgetQueueLocked(Call* call) {
  if (!std::exchange(call->wants_budget_, false)) return;
  wants_budget_.filter([call](Call* other) { return other != call; });
  // Those behind it may need less.
  ReturnBudgetLocked(0);
}

void Session::ReturnBudgetLocked(uint32_t bytes) {
  budget_left_ += bytes;
  while (!wants_budget_.empty()) {
    Call* call = wants_budget_.front();
    call->Grant(this);
    if (!wants_budget_.empty() && wants_budget_.front() == call) break;
  }
}

void Session::RecycleLocked(Buffer buffer) {
  if (spare_.size() < kSpareBuffers && buffer.capacity() <= kSpareBytes) {
    buffer.clear();
    spare_.push_back(std::move(buffer));
  }
}

// --- Reading ---

// Keeps a call while a frame of it is handled.
class Session::CallHold {
 public:
  explicit CallHold(Call* call) : call_(call) { call_->RefCall(); }
  ~CallHold() { call_->UnrefCall(); }
  CallHold(const CallHold&) = delete;
  CallHold& operator=(const CallHold&) = delete;

 private:
  Call* const call_;
};

Io Session::ReadFrame() {
  const ReadSpan span = link_->Peek();
  if (span.io != Io::kOk) {
    if (span.io == Io::kEnd || span.io == Io::kBroken) Break(link_->reason());
    return span.io;
  }
  if (span.size < wire::Header::kSize) return Violation("a short frame");
  // Copied before anything is looked at: the peer may still change the bytes.
  uint8_t raw[wire::Header::kSize];
  std::memcpy(raw, span.data, sizeof raw);
  const wire::Header header = wire::Header::Read(raw);
  const bool whole =
      (header.flags & (wire::kMessage | wire::kMore)) == wire::kMessage;
  if (header.type == wire::Type::kData && !whole) {
    return ReadChunk(header, span);
  }
  scratch_.assign(span.data + wire::Header::kSize,
                  span.size - wire::Header::kSize);
  link_->Release();
  if (!Handle(header, &scratch_)) {
    return Violation(absl::StrCat("a malformed or misplaced frame of type ",
                                  static_cast<int>(header.type)));
  }
  return Io::kOk;
}

bool Session::Handle(const wire::Header& header, Buffer* body) {
  switch (header.type) {
    case wire::Type::kData:
      return OnData(header, body);
    case wire::Type::kReset:
      return OnReset(header, *body);
    case wire::Type::kCredit:
      return OnCredit(header, *body);
    case wire::Type::kPing: {
      MutexLock lock(&mu);
      if (ControlFullLocked()) return false;
      SendControlLocked({wire::Type::kPong, 0, 0, header.call}, {});
      PumpLocked();
      return true;
    }
    case wire::Type::kPong:
      return true;
    case wire::Type::kOpen:
    case wire::Type::kHeaders:
    case wire::Type::kStatus:
    case wire::Type::kGoaway:
      return OnFrame(header, body);
    case wire::Type::kHello:
      return false;
  }
  return (header.flags & wire::kCritical) == 0;
}

bool Session::BeginMessageLocked(Call* call, uint32_t size, uint32_t chunk) {
  const int64_t cost = int64_t{chunk} + wire::kMessageCharge;
  if (cost > call->receive_window_ || call->in_message_ || call->in_end_ ||
      (call->rendezvous_in_ && !call->message_granted_)) {
    return false;
  }
  call->message_granted_ = false;
  call->receive_window_ -= cost;
  call->unread_ += cost;
  if (size > call->max_receive_) {
    call->OnTooLarge(size);
    return true;
  }
  call->in_message_ = true;
  call->message_size_ = size;
  call->message_here_ = chunk;
  return true;
}

void Session::FinishMessageLocked(Call* call, Buffer message) {
  call->in_message_ = false;
  call->in_.push(std::move(message));
}

bool Session::OnData(const wire::Header& header, Buffer* body) {
  MutexLock lock(&mu);
  Call* call = FindLocked(header.call);
  if (call == nullptr) return WasOpenedLocked(header.call);
  const CallHold hold(call);
  const auto size = static_cast<uint32_t>(body->size());
  if (!BeginMessageLocked(call, size, size)) return false;
  if (call->ended_) return true;
  Buffer message = std::move(*body);
  if (!spare_.empty()) {
    *body = std::move(spare_.back());
    spare_.pop_back();
  }
  FinishMessageLocked(call, std::move(message));
  if (header.flags & wire::kEnd) call->in_end_ = true;
  call->OnProgress();
  if (!write_queue_.empty()) PumpLocked();
  return true;
}

Session::Chunk Session::AcceptChunkLocked(const wire::Header& header,
                                          uint32_t message_size, uint32_t size,
                                          Call** found) {
  Call* call = FindLocked(header.call);
  if (call == nullptr) {
    return WasOpenedLocked(header.call) ? Chunk::kDrop : Chunk::kViolation;
  }
  // A message above the limit ends the call, which must outlive the look at it.
  const CallHold hold(call);
  const bool more = (header.flags & wire::kMore) != 0;
  if (header.flags & wire::kMessage) {
    if (!BeginMessageLocked(call, message_size, size)) return Chunk::kViolation;
  } else if (size == 0) {
    // A bare half-close.
    if (call->in_message_ || call->in_end_ || more ||
        (header.flags & wire::kEnd) == 0) {
      return Chunk::kViolation;
    }
  } else {
    if (!call->in_message_ || size > call->receive_window_ ||
        size > call->message_size_ - call->message_here_) {
      return Chunk::kViolation;
    }
    call->receive_window_ -= size;
    call->unread_ += size;
    call->message_here_ += size;
    const bool complete = call->message_here_ == call->message_size_;
    if (more == complete) return Chunk::kViolation;
  }
  if (call->ended_) return Chunk::kDrop;
  call->RefCall();
  *found = call;
  return Chunk::kTake;
}

// A part of a message goes straight to where the whole is put together.
Io Session::ReadChunk(const wire::Header& header, const ReadSpan& span) {
  const std::byte* chunk = span.data + wire::Header::kSize;
  auto size = static_cast<uint32_t>(span.size - wire::Header::kSize);
  const bool begins = (header.flags & wire::kMessage) != 0;
  const bool more = (header.flags & wire::kMore) != 0;
  uint32_t message_size = 0;
  if (begins) {
    if (size < sizeof message_size) return Violation("a short data frame");
    std::memcpy(&message_size, chunk, sizeof message_size);
    chunk += sizeof message_size;
    size -= static_cast<uint32_t>(sizeof message_size);
    if (size >= message_size) return Violation("a chunk beyond its message");
  }
  Call* call = nullptr;
  Chunk accepted;
  {
    MutexLock lock(&mu);
    accepted = AcceptChunkLocked(header, message_size, size, &call);
  }
  if (accepted == Chunk::kViolation) {
    return Violation("a data frame beyond its credit, message or stream");
  }
  if (accepted == Chunk::kTake) {
    if (begins) {
      call->assembling_.clear();
      call->assembling_.reserve(message_size);
    }
    call->assembling_.append(chunk, size);
  }
  link_->Release();
  if (accepted == Chunk::kDrop) return Io::kOk;
  MutexLock lock(&mu);
  if (!call->ended_) {
    if (!more && size != 0) {
      FinishMessageLocked(call, std::move(call->assembling_));
    }
    if (header.flags & wire::kEnd) call->in_end_ = true;
    if (more) {
      call->Grant(this);
    } else {
      call->OnProgress();
    }
    if (!write_queue_.empty()) PumpLocked();
  }
  call->UnrefCall();
  return Io::kOk;
}

bool Session::OnReset(const wire::Header& header, const Buffer& body) {
  MutexLock lock(&mu);
  Call* call = FindLocked(header.call);
  if (call == nullptr) return WasOpenedLocked(header.call);
  const StatusCode code = header.code <= UNAUTHENTICATED && header.code != 0
                              ? static_cast<StatusCode>(header.code)
                              : UNKNOWN;
  call->OnReset(code, {reinterpret_cast<const char*>(body.data()), body.size()},
                (header.flags & wire::kResetRefused) != 0);
  // What it gave back (credit, its place among the calls) others wait for.
  if (!write_queue_.empty()) PumpLocked();
  return true;
}

bool Session::OnCredit(const wire::Header& header, const Buffer& body) {
  if (body.size() != sizeof(uint32_t)) return false;
  MutexLock lock(&mu);
  Call* call = FindLocked(header.call);
  if (call == nullptr) return WasOpenedLocked(header.call);
  call->send_credit_ += wire::Get<uint32_t>(body.data());
  if (call->send_credit_ > INT32_MAX) return false;
  if (header.flags & wire::kCreditMessage) {
    if (!call->rendezvous_out_ || call->may_send_) return false;
    call->may_send_ = true;
  }
  if (!call->out_.empty()) {
    QueueLocked(call);
    PumpLocked();
  }
  return true;
}

// --- The end ---

Io Session::Violation(std::string_view what) {
  Break(absl::StrCat("the peer broke the protocol: ", std::string(what)));
  return Io::kBroken;
}

void Session::Break(std::string_view reason) {
  MutexLock lock(&mu);
  BreakLocked(reason);
}

void Session::BreakLocked(std::string_view reason) {
  if (broken_.load(std::memory_order_relaxed)) return;
  broken_reason_ = std::string(reason);
  broken_.store(true, std::memory_order_release);
  write_blocked_.store(false, std::memory_order_relaxed);
  std::vector<Call*> calls;
  for (const auto& [id, call] : calls_) calls.push_back(call);
  while (!write_queue_.empty()) {
    Call* call = write_queue_.pop();
    call->queued_ = false;
    if (call->id_ == 0) calls.push_back(call);
  }
  for (Call* call : calls) call->RefCall();
  for (Call* call : calls) {
    call->OnReset(UNAVAILABLE, broken_reason_, call->id_ == 0);
    call->UnrefCall();
  }
  control_.clear();
  link_->Close();
  OnBrokenLocked();
}

std::string Session::broken_reason() {
  MutexLock lock(&mu);
  return broken_reason_;
}

}  // namespace nearcall::internal
