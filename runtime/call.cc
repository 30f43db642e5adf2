#include "runtime/call.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/session.h"

namespace nearcall::internal {
namespace {

// Where others wait for their turn, a chunk is at most this.
constexpr uint32_t kSharedChunk = 16 * 1024;
// A call's own buffers above this are not kept for the next call.
constexpr size_t kKeepBuffer = 64 * 1024;

}  // namespace

void Call::ResetStreams() {
  id_ = 0;
  ended_ = queued_ = attached_ = false;
  out_.clear();
  out_bytes_ = unbounded_limit_ = 0;
  rendezvous_out_ = may_send_ = false;
  rendezvous_in_ = message_granted_ = message_grant_pending_ = false;
  send_credit_ = 0;
  grant_pending_ = 0;
  in_.clear();
  in_end_ = wants_message_ = false;
  receive_window_ = unread_ = 0;
  max_receive_ = 0;
  budget_held_ = 0;
  wants_budget_ = in_message_ = false;
  message_size_ = message_here_ = 0;
  assembling_.clear(kKeepBuffer);
}

void Call::Enqueue(const OutMessage& message, size_t size) {
  Outgoing outgoing;
  outgoing.bytes.resize(size);
  message.write(message.message, outgoing.bytes.data(), size);
  out_bytes_ += static_cast<int64_t>(size) + wire::kMessageCharge;
  out_.push(std::move(outgoing));
}

std::string Call::OverLimitText(size_t size) const {
  return absl::StrCat(
      "a message of ", size, " bytes behind ", out_bytes_,
      " that have not left: the limit of this unbounded stream is ",
      unbounded_limit_, "; raise buffering_bytes or read faster");
}

Call::Wrote Call::WriteOne(Session* session) {
  session->mu.AssertHeld();
  if (ended_) return Wrote::kNothing;
  if ((grant_pending_ != 0 || message_grant_pending_) && id_ != 0) {
    const WriteSpan span = session->ReserveLocked(sizeof(uint32_t));
    if (span.io != Io::kOk) return Wrote::kBlocked;
    wire::Put(reinterpret_cast<uint8_t*>(span.data) + wire::Header::kSize,
              grant_pending_);
    const uint8_t flags = message_grant_pending_ ? wire::kCreditMessage : 0;
    session->CommitLocked(span, {wire::Type::kCredit, flags, 0, id_},
                          sizeof(uint32_t));
    grant_pending_ = 0;
    message_grant_pending_ = false;
    return Wrote::kMore;
  }
  const int64_t prologue = PrologueSize(session);
  if (prologue == kNoSlot) return Wrote::kStalled;
  if (prologue != kNone) {
    const WriteSpan span =
        session->ReserveLocked(static_cast<size_t>(prologue));
    if (span.io != Io::kOk) return Wrote::kBlocked;
    const wire::Header header = WritePrologue(
        reinterpret_cast<uint8_t*>(span.data) + wire::Header::kSize);
    session->CommitLocked(span, header, static_cast<size_t>(prologue));
    return Wrote::kMore;
  }
  if (!out_.empty()) return WriteMessageChunk(session);
  const int64_t epilogue = EpilogueSize();
  if (epilogue == kNone) return Wrote::kNothing;
  const WriteSpan span = session->ReserveLocked(static_cast<size_t>(epilogue));
  if (span.io != Io::kOk) return Wrote::kBlocked;
  const wire::Header header = WriteEpilogue(
      reinterpret_cast<uint8_t*>(span.data) + wire::Header::kSize);
  session->CommitLocked(span, header, static_cast<size_t>(epilogue));
  OnProgress();
  return Wrote::kMore;
}

Call::Wrote Call::WriteMessageChunk(Session* session) {
  session->mu.AssertHeld();
  Outgoing& message = out_.front();
  const bool first = !message.begun;
  if (first && rendezvous_out_ && !may_send_) return Wrote::kStalled;
  const auto left = static_cast<uint32_t>(message.bytes.size()) - message.sent;
  const int64_t credit =
      first ? send_credit_ - wire::kMessageCharge : send_credit_;
  if (credit < 0 || (!first && credit == 0)) return Wrote::kStalled;
  uint32_t room = session->max_body();
  if (!session->QueueEmptyLocked()) room = std::min(room, kSharedChunk);
  uint32_t chunk = std::min(left, room);
  if (chunk > credit) chunk = static_cast<uint32_t>(credit);
  const bool has_size = first && chunk < left;
  if (has_size) chunk = std::min(chunk, room - uint32_t{sizeof(uint32_t)});
  const size_t body = chunk + (has_size ? sizeof(uint32_t) : 0);
  const WriteSpan span = session->ReserveLocked(body);
  if (span.io != Io::kOk) return Wrote::kBlocked;
  wire::Writer to(reinterpret_cast<uint8_t*>(span.data) + wire::Header::kSize);
  if (has_size) to.Number(left);
  to.Bytes({reinterpret_cast<const char*>(message.bytes.data()) + message.sent,
            chunk});
  wire::Header header{wire::Type::kData, 0, 0, id_};
  if (first) header.flags |= wire::kMessage;
  const bool complete = chunk == left;
  if (!complete) {
    header.flags |= wire::kMore;
  } else if (out_.size() == 1 && TakeHalfClose()) {
    header.flags |= wire::kEnd;
  }
  session->CommitLocked(span, header, body);
  send_credit_ -= chunk + (first ? wire::kMessageCharge : 0);
  if (first) may_send_ = false;
  message.begun = true;
  message.sent += chunk;
  if (complete) {
    out_bytes_ -=
        static_cast<int64_t>(message.bytes.size()) + wire::kMessageCharge;
    session->RecycleLocked(std::move(out_.pop().bytes));
    OnProgress();
  }
  return Wrote::kMore;
}

void Call::EndWithReset(Session* session, StatusCode code,
                        std::string_view text, bool refused) {
  session->mu.AssertHeld();
  if (ended_) return;
  if (id_ != 0) session->SendResetLocked(id_, code, text, refused);
  session->EndLocked(this);
}

void Call::Want(Session* session) {
  session->mu.AssertHeld();
  wants_message_ = true;
  if (in_message_) {
    Grant(session);
  } else if (rendezvous_in_ && in_.empty() && !message_granted_ && !ended_ &&
             !in_end_) {
    message_granted_ = message_grant_pending_ = true;
    session->QueueLocked(this);
  }
}

void Call::Grant(Session* session) {
  session->mu.AssertHeld();
  if (ended_ || in_end_) return;
  int64_t grant = 0;
  const bool awaited = in_message_ && wants_message_ && in_.empty();
  const int64_t lacking =
      awaited ? int64_t{message_size_} - message_here_ - receive_window_ : 0;
  if (lacking > 0) {
    grant = session->TakeBudgetLocked(this, static_cast<uint32_t>(lacking));
    budget_held_ += static_cast<uint32_t>(grant);
  } else if (wants_budget_) {
    // What was taken meanwhile gave it enough.
    session->LeaveBudgetQueueLocked(this);
  }
  if (grant == 0) {
    const int64_t window = session->window();
    const int64_t owed = window - receive_window_ - unread_;
    if (owed >= window / 2) grant = owed;
  }
  if (grant == 0) return;
  receive_window_ += grant;
  grant_pending_ += static_cast<uint32_t>(grant);
  session->QueueLocked(this);
}

Buffer Call::TakeMessage(Session* session) {
  session->mu.AssertHeld();
  Buffer message = in_.pop();
  unread_ -= static_cast<int64_t>(message.size()) + wire::kMessageCharge;
  if (budget_held_ != 0) {
    session->ReturnBudgetLocked(std::exchange(budget_held_, 0));
  }
  Grant(session);
  return message;
}

}  // namespace nearcall::internal
