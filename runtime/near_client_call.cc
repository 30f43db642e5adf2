#include "runtime/near_client_call.h"

#include <nearcall/impl/context_access.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/buffer_message.h"
#include "runtime/channel.h"
#include "runtime/wall_time.h"
#include "runtime/wire.h"

namespace nearcall::internal {
namespace {

constexpr size_t kKeepBuffer = 64 * 1024;

}  // namespace

// Calls that a thread keeps for its next ones. Not under AddressSanitizer,
// which finds uses after the end only if the memory goes back.
class NearClientCallCache {
 public:
  ~NearClientCallCache() {
    gone_ = true;
    for (NearClientCall* call : calls_) delete call;
  }
  NearClientCall* Take() {
    if (gone_ || calls_.empty()) return nullptr;
    NearClientCall* call = calls_.back();
    calls_.pop_back();
    return call;
  }
  bool Keep(NearClientCall* call) {
    if (gone_ || calls_.size() >= kMost) return false;
    calls_.push_back(call);
    return true;
  }

 private:
#if defined(__SANITIZE_ADDRESS__)
  static constexpr size_t kMost = 0;
#else
  static constexpr size_t kMost = 8;
#endif
  std::vector<NearClientCall*> calls_;
  // A context with static lifetime may be destroyed after its thread's cache.
  static thread_local bool gone_;
};
thread_local bool NearClientCallCache::gone_ = false;

namespace {
thread_local NearClientCallCache call_cache;
}  // namespace

NearClientCall::NearClientCall() : ops_(this) { attach_task_.call = this; }

NearClientCall::~NearClientCall() = default;

RefPtr<NearClientCall> NearClientCall::Make(
    std::shared_ptr<NearChannel> channel, const RpcMethod& method,
    ClientContext* context, OpSink* sink) {
  NearClientCall* call = call_cache.Take();
  if (call == nullptr) {
    call = new NearClientCall();
  } else {
    call->ResetRefs();
  }
  const TargetSettings& settings = channel->settings();
  call->max_receive_ = static_cast<uint32_t>(settings.max_receive);
  call->max_send_ = settings.max_send;
  call->buffering_ = settings.buffering.value_or(method.buffering());
  call->config_ = channel->ConfigOf(method.name());
  if (call->config_ != nullptr) call->ApplyLimits(*call->config_);
  call->client_streams_ = method.client_streams();
  call->server_streams_ = method.server_streams();
  call->context_ = context;
  call->path_ = method.name();
  call->tag_ = method.channel_tag() != 0
                   ? method.channel_tag()
                   : channel->RegisterMethod(method.name());
  call->channel_ = std::move(channel);
  call->ops_.Reset(sink, sink == nullptr ? nullptr : &Executor::Process());
  return RefPtr<NearClientCall>::Adopt(call);
}

void NearClientCall::OnUnreferenced() {
  session_.reset();
  channel_.reset();
  session_seen_.store(nullptr, std::memory_order_relaxed);
  cancel_requested_.store(false, std::memory_order_relaxed);
  ResetStreams();
  timeout_ns_ = 0;
  define_alias_ = half_close_ = half_close_sent_ = false;
  metadata_ = {};
  deadline_ = Deadline();
  config_ = nullptr;
  if (std::exchange(attempts_, 0) != 0) retry_metadata_.clear();
  has_monotonic_deadline_ = false;
  opened_ = refused_ = initial_here_ = final_ = draining_ = false;
  retried_ = false;
  code_ = StatusCode::OK;
  text_.clear();
  details_.clear();
  initial_frame_.clear(kKeepBuffer);
  status_frame_.clear(kKeepBuffer);
  spare_.clear(kKeepBuffer);
  message_.clear(kKeepBuffer);
  initial_block_ = trailing_block_ = {};
  into_ = reply_into_ = {};
  status_ = nullptr;
  if (!call_cache.Keep(this)) delete this;
}

std::string NearClientCall::peer() const {
  return session_ == nullptr ? std::string() : session_->PeerName();
}

PeerCredentials NearClientCall::peer_credentials() const {
  return session_ == nullptr ? PeerCredentials() : session_->link().info().peer;
}

// The call has left its session: nobody else looks at it now.
void NearClientCall::ParseReply() {
  if (code_ != StatusCode::OK || !reply_into_) return;
  if (in_.empty()) {
    code_ = INTERNAL;
    text_ = "the call ended without a reply";
    return;
  }
  message_ = in_.pop();
  if (!reply_into_.parse(reply_into_.message, &message_, 0, message_.size())) {
    code_ = INTERNAL;
    text_ = "the reply is not a message of the expected type";
  }
}

void NearClientCall::Cancel() {
  cancel_requested_.store(true);
  MutexLock lock(&cancel_mu_);
  ClientSession* session = session_seen_.load();
  if (session != nullptr) {
    session->Cancel(this, CANCELLED, "CANCELLED");
  } else if (channel_ != nullptr) {
    channel_->InterruptAcquire();
  }
}

// --- Operations ---

void NearClientCall::CompleteUnattached(Op op, bool ok) {
  MutexLock lock(&unattached_mu_);
  ops_.Begin(op);
  ops_.Complete(op, ok);
}

void NearClientCall::Write(OutMessage message, WriteOptions options) {
  if (attaching_.load() && Defer([=, this] { WriteNow(message, options); })) {
    return;
  }
  WriteNow(message, options);
}

void NearClientCall::WriteNow(OutMessage message, WriteOptions options) {
  const size_t size = message.size(message.message);
  if (session_ != nullptr && max_send_ >= 0 &&
      size > static_cast<size_t>(max_send_)) {
    session_->Cancel(this, RESOURCE_EXHAUSTED,
                     absl::StrCat("Sent message larger than max (", size,
                                  " vs. ", max_send_, ")"));
  }
  if (session_ == nullptr) {
    CompleteUnattached(Op::kWrite, false);
    return;
  }
  MutexLock lock(&session_->mu);
  ops_.Begin(Op::kWrite);
  if (half_close_) {
    ops_.Complete(Op::kWrite, false);
    return;
  }
  if (OverLimit(size)) {
    session_->CancelLocked(this, RESOURCE_EXHAUSTED, OverLimitText(size));
    session_->PumpLocked();
  }
  if (!ended_) {
    if (options.is_last_message()) half_close_ = true;
    Enqueue(message, size);
    session_->QueueLocked(this);
    session_->PumpLocked();
  }
  OnProgress();
}

void NearClientCall::WritesDone() {
  if (attaching_.load() && Defer([=, this] { WritesDoneNow(); })) {
    return;
  }
  WritesDoneNow();
}

void NearClientCall::WritesDoneNow() {
  if (session_ == nullptr) {
    CompleteUnattached(Op::kWritesDone, false);
    return;
  }
  MutexLock lock(&session_->mu);
  ops_.Begin(Op::kWritesDone);
  if (!ended_) {
    half_close_ = true;
    session_->QueueLocked(this);
    session_->PumpLocked();
  }
  OnProgress();
}

void NearClientCall::ReadInitialMetadata() {
  if (attaching_.load() && Defer([=, this] { ReadInitialMetadataNow(); })) {
    return;
  }
  ReadInitialMetadataNow();
}

void NearClientCall::ReadInitialMetadataNow() {
  if (session_ == nullptr) {
    CompleteUnattached(Op::kInitialMetadata, false);
    return;
  }
  MutexLock lock(&session_->mu);
  ops_.Begin(Op::kInitialMetadata);
  // What was corked must not wait for a message that waits for the reply. A
  // reactor always asks, and waits for nothing.
  if (!ended_ && id_ == 0 && !ops_.has_sink()) {
    session_->QueueLocked(this);
    session_->PumpLocked();
  }
  OnProgress();
}

void NearClientCall::Read(InMessage into) {
  if (attaching_.load() && Defer([=, this] { ReadNow(into); })) {
    return;
  }
  ReadNow(into);
}

void NearClientCall::ReadNow(InMessage into) {
  into_ = into;
  if (session_ == nullptr) {
    CompleteUnattached(Op::kRead, false);
    return;
  }
  MutexLock lock(&session_->mu);
  ops_.Begin(Op::kRead);
  Want(session_.get());
  OnProgress();
  session_->PumpLocked();
}

void NearClientCall::Finish(Status* status, InMessage reply) {
  if (attaching_.load() && Defer([=, this] { FinishNow(status, reply); })) {
    return;
  }
  FinishNow(status, reply);
}

void NearClientCall::FinishNow(Status* status, InMessage reply) {
  status_ = status;
  reply_into_ = reply;
  if (session_ == nullptr) {
    CompleteUnattached(Op::kFinish, true);
    return;
  }
  // Once it has finished the call may leave the session, for another try.
  const std::shared_ptr<ClientSession> session = session_;
  MutexLock lock(&session->mu);
  ops_.Begin(Op::kFinish);
  if (reply || !ops_.has_sink()) {
    // Without a place for it, what still comes makes room for the status.
    draining_ = !reply;
    Want(session.get());
  }
  OnProgress();
  session->PumpLocked();
}

bool NearClientCall::Wait(Op op) {
  if (session_ != nullptr) session_->Await(this, op);
  return ops_.TakeResult(op);
}

bool NearClientCall::NextMessageSize(uint32_t* size) {
  // gRPC allows an upper bound.
  *size = max_receive_;
  return true;
}

bool NearClientCall::Settle(Op op, bool ok) {
  if (op == Op::kFinish) {
    ParseReply();
    if (status_ != nullptr) *std::exchange(status_, nullptr) = FinalStatus();
    return true;
  }
  if (op != Op::kRead || !ok) return ok;
  const InMessage into = into_;
  const bool parsed = into.parse(into.message, &message_, 0, message_.size());
  {
    MutexLock lock(&session_->mu);
    session_->RecycleLocked(std::move(message_));
  }
  if (!parsed) {
    session_->Cancel(this, INTERNAL,
                     "a message received is not of the expected type");
  }
  return parsed;
}

Status NearClientCall::FinalStatus() const {
  return code_ == StatusCode::OK ? Status() : Status(code_, text_, details_);
}

}  // namespace nearcall::internal
