#include "runtime/near_server_call.h"

#include <nearcall/impl/context_access.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/lend.h"
#include "runtime/wall_time.h"

namespace nearcall::internal {
namespace {

constexpr size_t kKeepBuffer = 64 * 1024;
// A handler on the executor that took longer stays there.
constexpr int64_t kSlowNanos = 200'000;

}  // namespace

NearServerCall::NearServerCall() : ops_(this) {
  cancel_notice_.call = this;
  children_notice_.call = this;
}

NearServerCall::~NearServerCall() = default;

RefPtr<NearServerCall> NearServerCall::Make(
    std::shared_ptr<ServerSession> session) {
  session->mu.AssertHeld();
  NearServerCall* call = session->TakeSpare();
  if (call == nullptr) {
    call = new NearServerCall();
  } else {
    call->ResetRefs();
  }
  call->session_ = std::move(session);
  return RefPtr<NearServerCall>::Adopt(call);
}

void NearServerCall::OnUnreferenced() {
  const std::shared_ptr<ServerSession> session = std::move(session_);
  ResetStreams();
  ops_.Reset(nullptr, nullptr);
  sink_ = nullptr;
  cancel_notice_due_ = false;
  children_.clear();
  set_large(false);
  method_ = nullptr;
  path_.clear();
  dispatched_ = false;
  open_frame_.clear(kKeepBuffer);
  request_ = {};
  metadata_ = {};
  deadline_ = Deadline();
  cancelled_.store(false, std::memory_order_relaxed);
  told_expired_.store(false, std::memory_order_relaxed);
  initial_out_.clear();
  trailing_out_.clear();
  send_initial_ = initial_sent_ = finishing_ = status_sent_ = false;
  code_ = StatusCode::OK;
  text_.clear();
  details_.clear();
  message_.clear(kKeepBuffer);
  into_ = {};
  CallAdmission& admission = session->admission();
  if (!session->KeepSpare(this)) delete this;
  admission.EndCall();
}

void NearServerCall::Run() {
  RefPtr<NearServerCall> self = RefPtr<NearServerCall>::Adopt(this);
  const int64_t began = MonotonicNanos();
  if (deadline_.nanos() <= began ||
      cancelled_.load(std::memory_order_acquire)) {
    // It waited too long, or the client has gone: nobody wants it to run.
    Finish(Status(DEADLINE_EXCEEDED, "Deadline Exceeded"), {});
    return;
  }
  ServedMethod* const method = method_;
  RunHandler(std::move(self));
  if (method->handler->blocks()) return;
  if (MonotonicNanos() - began > kSlowNanos) {
    method->slow.store(ServedMethod::kSlowRuns, std::memory_order_relaxed);
  } else if (method->slow.load(std::memory_order_relaxed) > 0) {
    method->slow.fetch_sub(1, std::memory_order_relaxed);
  }
}

// --- What a handler asks ---

Status NearServerCall::ReadRequest(InMessage into) {
  bool parsed = false;
  if (request_size() > kLargeMessage) set_large();
  if (request_.data() != nullptr) {
    const auto offset = static_cast<size_t>(
        reinterpret_cast<const uint8_t*>(request_.data()) - open_frame_.data());
    parsed = into.parse(into.message, &open_frame_, offset, request_.size());
    if (open_frame_.capacity() == 0 && !metadata_.empty()) {
      // The message took the frame's memory, and is still here.
      open_frame_.assign(metadata_.data(), metadata_.size());
      metadata_ = {reinterpret_cast<const char*>(open_frame_.data()),
                   open_frame_.size()};
    }
  } else {
    Buffer message;
    {
      MutexLock lock(&session_->mu);
      if (!has_message()) {
        return ended_ ? Status(CANCELLED, "CANCELLED")
                      : Status(INTERNAL, "the call has no request message");
      }
      message = TakeMessage(session_.get());
    }
    parsed = into.parse(into.message, &message, 0, message.size());
  }
  if (parsed) return Status();
  return Status(INTERNAL, "the request is not a message of the expected type");
}

bool NearServerCall::IsCancelled() {
  if (cancelled_.load(std::memory_order_acquire)) return true;
  if (!deadline_.passed()) return false;
  told_expired_.store(true, std::memory_order_relaxed);
  return true;
}

void NearServerCall::Cancel() {
  MutexLock lock(&session_->mu);
  CancelLocked(CANCELLED, "CANCELLED");
  session_->PumpLocked();
}

std::string_view NearServerCall::user_agent() const {
  return session_->peer_hello().agent;
}
std::string_view NearServerCall::transport() const {
  return session_->link().info().scheme;
}
std::string NearServerCall::peer() const { return session_->PeerName(); }

PeerCredentials NearServerCall::peer_credentials() const {
  return session_->link().info().peer;
}

std::chrono::system_clock::time_point NearServerCall::deadline() const {
  return WallTimeOf(deadline_);
}

void NearServerCall::CancelWith(ClientCallPtr child) {
  {
    MutexLock lock(&session_->mu);
    if (!cancelled_.load(std::memory_order_relaxed)) {
      children_.push_back(std::move(child));
      return;
    }
  }
  child->Cancel();
}

// --- Operations ---

void NearServerCall::SetSink(ServerCallSink* sink) {
  MutexLock lock(&session_->mu);
  sink_ = sink;
  ops_.SetSink(sink, &session_->admission().executor());
  if (cancelled_.load(std::memory_order_relaxed)) NotifyCancel();
}

void NearServerCall::SendInitialMetadata() {
  MutexLock lock(&session_->mu);
  ops_.Begin(Op::kInitialMetadata);
  send_initial_ = true;
  CheckInitialMetadata();
  if (!ended_) session_->QueueLocked(this);
  session_->PumpLocked();
  OnProgress();
}

void NearServerCall::Read(InMessage into) {
  MutexLock lock(&session_->mu);
  into_ = into;
  ops_.Begin(Op::kRead);
  Want(session_.get());
  OnProgress();
  session_->PumpLocked();
}

void NearServerCall::Write(OutMessage message, WriteOptions options) {
  const size_t size = message.size(message.message);
  MutexLock lock(&session_->mu);
  ops_.Begin(Op::kWrite);
  const int max_send = session_->settings().max_send;
  if (max_send >= 0 && size > static_cast<size_t>(max_send)) {
    CancelLocked(RESOURCE_EXHAUSTED,
                 absl::StrCat("Sent message larger than max (", size, " vs. ",
                              max_send, ")"));
  }
  CheckInitialMetadata();
  if (OverLimit(size)) CancelLocked(RESOURCE_EXHAUSTED, OverLimitText(size));
  if (!ended_ && !finishing_) {
    Enqueue(message, size);
    session_->QueueLocked(this);
    // The last message may wait for the status that follows at once; not one
    // that waits for the peer, which has to hear of its beginning.
    session_->PumpLocked(!options.is_last_message() &&
                         !options.get_buffer_hint());
    if (!out_.empty()) session_->FlushLocked();
  } else {
    session_->PumpLocked();  // What ended it.
  }
  OnProgress();
}

bool NearServerCall::Wait(Op op) {
  {
    MutexLock lock(&session_->mu);
    if (!ops_.done(op)) {
      session_->mu.Unlock();
      AboutToBlock();
      session_->mu.Lock();
    }
    while (!ops_.done(op)) {
      if (!ops_.changed().WaitUntil(&session_->mu, deadline_)) {
        CancelLocked(DEADLINE_EXCEEDED, "Deadline Exceeded");
        session_->PumpLocked();
      }
    }
  }
  return ops_.TakeResult(op);
}

bool NearServerCall::NextMessageSize(uint32_t* size) {
  // gRPC allows an upper bound.
  *size = max_receive_;
  return true;
}

bool NearServerCall::Settle(Op op, bool ok) {
  if (op != Op::kRead || !ok) return ok;
  const InMessage into = into_;
  const bool parsed = into.parse(into.message, &message_, 0, message_.size());
  MutexLock lock(&session_->mu);
  session_->RecycleLocked(std::move(message_));
  if (!parsed) {
    CancelLocked(INTERNAL, "a message received is not of the expected type");
    session_->PumpLocked();
  }
  return parsed;
}

void NearServerCall::Finish(const Status& status, OutMessage message) {
  const bool reply = message && status.ok();
  const size_t size = reply ? message.size(message.message) : 0;
  if (size > kLargeMessage) set_large();
  MutexLock lock(&session_->mu);
  ops_.Begin(Op::kFinish);
  // A handler that gave up because of the deadline may say OK, and its reply
  // may be faster than the client's own clock.
  if (told_expired_.load(std::memory_order_relaxed) && !finishing_) {
    CancelLocked(DEADLINE_EXCEEDED, "Deadline Exceeded");
    session_->PumpLocked();
  }
  if (!ended_ && !finishing_) {
    SetStatus(status, size);
    finishing_ = true;
    if (!reply || code_ != StatusCode::OK) {
      session_->QueueLocked(this);
      session_->PumpLocked();
    } else if (!WriteWholeReply(message, size)) {
      Enqueue(message, size);
      session_->QueueLocked(this);
      session_->PumpLocked();
    }
  }
  OnProgress();
}

}  // namespace nearcall::internal
