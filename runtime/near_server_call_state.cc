// The part of NearServerCall that its session drives, with the session's mutex
// held: how it begins, what goes on the wire, how operations end.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/near_server_call.h"
#include "runtime/target_settings.h"
#include "runtime/wire.h"

namespace nearcall::internal {

void NearServerCall::Begin(const wire::Header& header, ServedMethod* method,
                           std::string_view path, Buffer* body,
                           const wire::Open& open) {
  session_->mu.AssertHeld();
  Session* const session = session_.get();
  session->mu.AssertHeld();
  id_ = header.call;
  attached_ = true;
  RefCall();
  method_ = method;
  path_.assign(path);
  send_credit_ = session->peer_window();
  receive_window_ = session->window();
  max_receive_ = static_cast<uint32_t>(session_->settings().max_receive);
  session->InsertLocked(this);
  if (open.timeout_ns.has_value()) {
    deadline_ = Deadline::After(
        static_cast<int64_t>(std::min<uint64_t>(*open.timeout_ns, INT64_MAX)));
  }
  open_frame_.swap(*body);
  metadata_ = open.metadata;
  const bool single = method->handler->single_request();
  rendezvous_in_ = (open.buffering & wire::kRendezvousToServer) != 0 && !single;
  rendezvous_out_ = (open.buffering & wire::kRendezvousToClient) != 0;
  unbounded_limit_ = UnboundedLimit(
      session_->settings().buffering.value_or(method->buffering));
  if (header.flags & wire::kMessage) {
    const auto chunk = static_cast<uint32_t>(open.message.size());
    if (!session_->BeginMessageLocked(this, open.message_size, chunk)) {
      CancelLocked(INTERNAL, "the first message is beyond its credit");
      return;
    }
    if (ended_) return;
    if (header.flags & wire::kMore) {
      assembling_.assign(open.message.data(), open.message.size());
    } else if (single) {
      in_message_ = false;
      request_ = open.message.data() != nullptr ? open.message
                                                : std::string_view("", 0);
    } else {
      Buffer message;
      message.assign(open.message.data(), open.message.size());
      session_->FinishMessageLocked(this, std::move(message));
    }
  }
  if (header.flags & wire::kEnd) in_end_ = true;
  if (open.timeout_ns == uint64_t{0}) {
    // Nothing was left when it was sent: no handler need run.
    CancelLocked(DEADLINE_EXCEEDED, "Deadline Exceeded");
    session->PumpLocked();
    return;
  }
  if (single) {
    wants_message_ = true;
    if (in_message_) {
      Grant(session);
      session->PumpLocked();
      return;
    }
  }
  if (!single || request_.data() != nullptr || in_end_) {
    dispatched_ = true;
    session_->DispatchLocked(this);
  }
}

// --- What goes on the wire ---

int64_t NearServerCall::PrologueSize(Session*) {
  if (initial_sent_) return kNone;
  const bool due = send_initial_ || (!out_.empty() && !initial_out_.empty());
  return due ? static_cast<int64_t>(initial_out_.wire_size()) : kNone;
}

wire::Header NearServerCall::WritePrologue(uint8_t* body) {
  initial_sent_ = true;
  if (!initial_out_.empty()) {
    wire::Writer to(body);
    to.Number(static_cast<uint32_t>(initial_out_.bytes().size()));
    to.Bytes(initial_out_.bytes());
  }
  return {wire::Type::kHeaders, 0, 0, id_};
}

size_t NearServerCall::StatusSize() const {
  const bool has_text = !text_.empty() || !details_.empty();
  return (initial_sent_ ? 0 : initial_out_.wire_size()) +
         (has_text ? 2 * sizeof(uint32_t) + text_.size() + details_.size()
                   : 0) +
         trailing_out_.wire_size();
}

// A client would take it for a violation of the protocol.
void NearServerCall::CheckInitialMetadata() {
  session_->mu.AssertHeld();
  if (initial_sent_ || initial_out_.empty()) return;
  std::string problem = initial_out_.Problem();
  if (problem.empty() && initial_out_.wire_size() > session_->max_body()) {
    problem = absl::StrCat("initial metadata of ", initial_out_.wire_size(),
                           " bytes does not fit a frame of ",
                           session_->max_body(), " bytes; raise frame_bytes");
  }
  if (!problem.empty()) CancelLocked(INTERNAL, problem);
}

// What the frame cannot carry is dropped, and the status says so.
void NearServerCall::SetStatus(const Status& status, size_t reply_size) {
  code_ = status.error_code();
  if (code_ != StatusCode::OK || !status.error_message().empty()) {
    text_ = status.error_message();
    details_ = status.error_details();
  }
  std::string problem;
  if (!initial_sent_ && !initial_out_.empty()) problem = initial_out_.Problem();
  if (problem.empty() && !trailing_out_.empty()) {
    problem = trailing_out_.Problem();
  }
  const int max_send = session_->settings().max_send;
  if (max_send >= 0 && reply_size > static_cast<size_t>(max_send)) {
    code_ = RESOURCE_EXHAUSTED;
    text_ = absl::StrCat("Sent message larger than max (", reply_size, " vs. ",
                         max_send, ")");
  }
  const size_t room = session_->max_body();
  if (problem.empty() && StatusSize() > room) {
    problem = absl::StrCat("status and metadata of ", StatusSize(),
                           " bytes do not fit a frame of ", room,
                           ": raise frame_bytes");
  }
  if (problem.empty()) return;
  initial_out_.clear();
  trailing_out_.clear();
  details_.clear();
  code_ = code_ == StatusCode::OK ? INTERNAL : code_;
  text_ = problem.substr(0, room / 2);
}

wire::Header NearServerCall::WriteStatus(uint8_t* body, uint8_t** message) {
  wire::Header header{wire::Type::kStatus, 0, static_cast<uint16_t>(code_),
                      id_};
  wire::Writer to(body);
  if (!initial_sent_ && !initial_out_.empty()) {
    header.flags |= wire::kStatusInitial;
    to.Number(static_cast<uint32_t>(initial_out_.bytes().size()));
    to.Bytes(initial_out_.bytes());
  }
  initial_sent_ = true;
  if (!text_.empty() || !details_.empty()) {
    header.flags |= wire::kStatusText;
    to.Number(static_cast<uint32_t>(text_.size()));
    to.Bytes(text_);
    to.Number(static_cast<uint32_t>(details_.size()));
    to.Bytes(details_);
  }
  if (!trailing_out_.empty()) {
    header.flags |= wire::kMetadata;
    to.Number(static_cast<uint32_t>(trailing_out_.bytes().size()));
    to.Bytes(trailing_out_.bytes());
  }
  status_sent_ = true;
  *message = to.at();
  return header;
}

bool NearServerCall::WriteWholeReply(const OutMessage& message, size_t size) {
  session_->mu.AssertHeld();
  const size_t body_size = StatusSize() + size;
  if (!session_->QueueEmptyLocked() || !out_.empty() || send_initial_ ||
      body_size > session_->max_body() ||
      static_cast<int64_t>(size) + wire::kMessageCharge > send_credit_) {
    return false;
  }
  const WriteSpan span = session_->ReserveLocked(body_size);
  if (span.io != Io::kOk) return false;
  uint8_t* to;
  wire::Header header = WriteStatus(
      reinterpret_cast<uint8_t*>(span.data) + wire::Header::kSize, &to);
  header.flags |= wire::kMessage;
  message.write(message.message, to, size);
  session_->CommitLocked(span, header, body_size);
  session_->FlushLocked();
  return true;
}

int64_t NearServerCall::EpilogueSize() {
  return finishing_ && !status_sent_ ? static_cast<int64_t>(StatusSize())
                                     : kNone;
}

wire::Header NearServerCall::WriteEpilogue(uint8_t* body) {
  uint8_t* end;
  return WriteStatus(body, &end);
}

// --- How it goes on and ends ---

void NearServerCall::OnProgress() {
  session_->mu.AssertHeld();
  if (!dispatched_ && !ended_ && (has_message() || in_end_)) {
    dispatched_ = true;
    session_->DispatchLocked(this);
    return;
  }
  if (status_sent_ && !ended_) session_->EndLocked(this);
  if (ops_.pending(Op::kInitialMetadata) && (initial_sent_ || ended_)) {
    ops_.Complete(Op::kInitialMetadata, initial_sent_);
  }
  if (ops_.pending(Op::kRead)) {
    if (has_message()) {
      message_ = TakeMessage(session_.get());
      wants_message_ = false;
      ops_.Complete(Op::kRead, true);
    } else if (in_end_ || ended_) {
      ops_.Complete(Op::kRead, false);
    }
  }
  if (ops_.pending(Op::kWrite) && (ended_ || written())) {
    ops_.Complete(Op::kWrite, !ended_);
  }
  // OnCancel returns before anybody hears of the end.
  if (ops_.pending(Op::kFinish) && ended_ && !cancel_notice_due_) {
    ops_.Complete(Op::kFinish, status_sent_);
  }
}

void NearServerCall::BecomeCancelled() {
  cancelled_.store(true, std::memory_order_release);
  in_.clear();
  out_.clear();
  unread_ = 0;
  if (!children_.empty()) {
    Ref();
    session_->admission().executor().Submit(&children_notice_);
  }
}

void NearServerCall::ChildrenNotice::Run() {
  std::vector<ClientCallPtr> children;
  {
    MutexLock lock(&call->session_->mu);
    children.swap(call->children_);
  }
  for (const ClientCallPtr& child : children) child->Cancel();
  call->Unref();
}

void NearServerCall::NotifyCancel() {
  if (sink_ == nullptr) return;
  cancel_notice_due_ = true;
  Ref();
  session_->admission().executor().Submit(&cancel_notice_);
}

void NearServerCall::CancelNotice::Run() {
  call->sink_->OnCancel();
  {
    MutexLock lock(&call->session_->mu);
    call->cancel_notice_due_ = false;
    call->OnProgress();
  }
  call->Unref();
}

void NearServerCall::OnReset(StatusCode, std::string_view, bool) {
  session_->mu.AssertHeld();
  if (ended_) return;
  Ref();
  BecomeCancelled();
  session_->EndLocked(this);
  NotifyCancel();
  OnProgress();
  Unref();
}

void NearServerCall::CancelLocked(StatusCode code, std::string_view text) {
  session_->mu.AssertHeld();
  if (ended_) return;
  Ref();
  BecomeCancelled();
  EndWithReset(session_.get(), code, text);
  NotifyCancel();
  OnProgress();
  Unref();
}

void NearServerCall::RefuseBusy() {
  session_->mu.AssertHeld();
  EndWithReset(session_.get(), RESOURCE_EXHAUSTED,
               "the server's threads and its queue are all in use",
               /*refused=*/true);
  session_->PumpLocked();
}

void NearServerCall::OnTooLarge(uint32_t size) {
  CancelLocked(RESOURCE_EXHAUSTED,
               absl::StrCat("Received message larger than max (", size, " vs. ",
                            max_receive_, ")"));
  session_->mu.AssertHeld();
  session_->PumpLocked();
}

}  // namespace nearcall::internal
