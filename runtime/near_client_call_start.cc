// How a call begins: its limits, its session, and beginning once more.
#include <nearcall/impl/context_access.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "runtime/absl_view.h"
#include "runtime/buffer_message.h"
#include "runtime/channel.h"
#include "runtime/lend.h"
#include "runtime/metadata.h"
#include "runtime/near_client_call.h"
#include "runtime/service_config.h"
#include "runtime/wall_time.h"

namespace nearcall::internal {
namespace {

constexpr int64_t kNanosPerMilli = 1'000'000;
constexpr int64_t kMostPushbackMillis = 3'600'000;

}  // namespace

void NearClientCall::ApplyLimits(const MethodConfig& config) {
  if (config.max_request_bytes.has_value()) {
    const uint32_t most =
        std::min<uint32_t>(*config.max_request_bytes, INT32_MAX);
    max_send_ =
        static_cast<int>(std::min(static_cast<uint32_t>(max_send_), most));
  }
  if (config.max_response_bytes.has_value()) {
    max_receive_ = std::min(max_receive_, *config.max_response_bytes);
  }
}

Deadline NearClientCall::deadline() {
  if (!has_monotonic_deadline_) {
    has_monotonic_deadline_ = true;
    deadline_ = DeadlineAt(context_->deadline());
    if (config_ != nullptr && config_->timeout_nanos.has_value()) {
      deadline_ = std::min(deadline_, Deadline::After(*config_->timeout_nanos));
    }
  }
  return deadline_;
}

bool NearClientCall::wait_for_ready() const {
  if (config_ != nullptr && config_->wait_for_ready.has_value() &&
      !ClientContextAccess::wait_for_ready_set(*context_)) {
    return *config_->wait_for_ready;
  }
  return ClientContextAccess::wait_for_ready(*context_);
}

bool NearClientCall::Prepare() {
  const MetadataBlock& metadata = attempts_ == 0
                                      ? ClientContextAccess::metadata(*context_)
                                      : retry_metadata_;
  if (!metadata.empty()) {
    std::string problem = metadata.Problem();
    if (!problem.empty()) {
      EndUnattached(INTERNAL, std::move(problem));
      return false;
    }
    metadata_ = metadata.bytes();
  }
  constexpr int64_t kNever = INT64_MAX;
  const WallTime wall = context_->deadline();
  int64_t left = wall == WallTime::max() ? kNever : NanosUntil(wall);
  if (config_ != nullptr && config_->timeout_nanos.has_value()) {
    left = std::min(left, deadline().nanos() - MonotonicNanos());
  }
  if (left <= 0) {
    EndUnattached(DEADLINE_EXCEEDED, "Deadline Exceeded");
    return false;
  }
  if (left != kNever) timeout_ns_ = static_cast<uint64_t>(left);
  if (cancel_requested()) {
    EndUnattached(CANCELLED, "CANCELLED");
    return false;
  }
  return true;
}

bool NearClientCall::Attach(OutMessage message, bool half_close, bool corked) {
  for (;;) {
    absl::StatusOr<std::shared_ptr<ClientSession>> acquired =
        channel_->Acquire(this);
    if (!acquired.ok()) {
      EndUnattached(static_cast<StatusCode>(acquired.status().raw_code()),
                    std::string(acquired.status().message()));
      return false;
    }
    session_ = *std::move(acquired);
    session_seen_.store(session_.get());
    if (session_->Start(this, message, half_close, corked)) break;
    // It broke since; nothing of the call was sent there.
    LeaveSession();
  }
  if (cancel_requested()) session_->Cancel(this, CANCELLED, "CANCELLED");
  return true;
}

void NearClientCall::LeaveSession() {
  {
    MutexLock lock(&cancel_mu_);
    session_seen_.store(nullptr);
  }
  session_.reset();
}

bool NearClientCall::PrepareRetry() {
  const bool unseen = refused_ && code_ == UNAVAILABLE;
  if (unseen) {
    // Once; a call that waits for a server, as often as its deadline lets it.
    if (std::exchange(retried_, true) && !wait_for_ready()) return false;
  } else if (!WaitByPolicy()) {
    return false;
  }
  LeaveSession();
  const uint32_t max_receive = max_receive_;
  ResetStreams();
  max_receive_ = max_receive;
  opened_ = refused_ = final_ = half_close_sent_ = initial_here_ = false;
  text_.clear();
  details_.clear();
  initial_block_ = trailing_block_ = {};
  return true;
}

// Whether the service config wants the failed call once more; if so, when its
// backoff is over.
bool NearClientCall::WaitByPolicy() {
  if (config_ == nullptr || !config_->retry.has_value()) return false;
  const RetryPolicy& policy = *config_->retry;
  // A server that has answered with metadata is held to its answer.
  if (!policy.Retries(code_) || !initial_block_.empty() ||
      attempts_ + 1 >= policy.max_attempts) {
    return false;
  }
  int64_t wait = policy.Backoff(attempts_);
  bool pushed_back = false;
  ForEachMetadata(trailing_block_,
                  [&](std::string_view key, std::string_view value) {
                    int64_t millis;
                    if (key != "grpc-retry-pushback-ms") return;
                    pushed_back = !absl::SimpleAtoi(AbslView(value), &millis) ||
                                  millis < 0 || millis > kMostPushbackMillis;
                    if (!pushed_back) wait = millis * kNanosPerMilli;
                  });
  if (pushed_back) return false;
  const Deadline until = Deadline::After(wait);
  if (until >= deadline()) return false;  // It would not be in time.
  LeaveSession();                         // So that Cancel ends the wait.
  AboutToBlock();
  channel_->WaitUntilCancelled(this, until);
  ++attempts_;
  retry_metadata_.clear();
  ForEachMetadata(ClientContextAccess::metadata(*context_).bytes(),
                  [this](std::string_view key, std::string_view value) {
                    retry_metadata_.Add(key, value);
                  });
  retry_metadata_.Add("grpc-previous-rpc-attempts", absl::StrCat(attempts_));
  return true;
}

bool NearClientCall::Retry(OutMessage request) {
  if (!PrepareRetry()) return false;
  if (Prepare()) Attach(request, /*half_close=*/true, /*corked=*/false);
  return true;
}

void NearClientCall::EndUnattached(StatusCode code, std::string text) {
  ended_ = true;
  SetFinal(code, text, {});
}

void NearClientCall::Start(OutMessage message, bool half_close, bool corked) {
  deadline();
  if (message && max_send_ >= 0 &&
      message.size(message.message) > static_cast<size_t>(max_send_)) {
    EndUnattached(
        RESOURCE_EXHAUSTED,
        absl::StrCat("Sent message larger than max (",
                     message.size(message.message), " vs. ", max_send_, ")"));
    return;
  }
  if (!Prepare()) return;
  if (!ops_.has_sink() || channel_->Ready()) {
    Attach(message, half_close, corked);
    return;
  }
  // Connecting may take long: not on a thread that expects to go on.
  attach_task_.has_message = static_cast<bool>(message);
  if (message) SerializeTo(message, &attach_task_.message);
  attach_task_.half_close = half_close;
  attach_task_.corked = corked;
  attaching_.store(true);
  Ref();
  Executor::Process().Submit(&attach_task_);
}

void NearClientCall::AttachTask::Run() {
  const RefPtr<NearClientCall> self = RefPtr<NearClientCall>::Adopt(call);
  call->Attach(has_message ? BufferMessage(message) : OutMessage(), half_close,
               corked);
  for (;;) {
    std::vector<std::function<void()>> operations;
    {
      MutexLock lock(&call->unattached_mu_);
      if (call->deferred_.empty()) {
        call->attaching_.store(false);
        return;
      }
      operations.swap(call->deferred_);
    }
    for (const auto& operation : operations) operation();
  }
}

bool NearClientCall::Defer(std::function<void()> operation) {
  MutexLock lock(&unattached_mu_);
  if (!attaching_.load()) return false;
  deferred_.push_back(std::move(operation));
  return true;
}

Status NearClientCall::Unary(OutMessage request, InMessage response) {
  const size_t size = max_send_ < 0 ? 0 : request.size(request.message);
  if (max_send_ >= 0 && size > static_cast<size_t>(max_send_)) {
    return Status(RESOURCE_EXHAUSTED,
                  absl::StrCat("Sent message larger than max (", size, " vs. ",
                               max_send_, ")"));
  }
  do {
    if (!Prepare()) return FinalStatus();
    wants_message_ = true;
    reply_into_ = response;
    ops_.Begin(Op::kFinish);
    if (!Attach(request, /*half_close=*/true, /*corked=*/false)) {
      return FinalStatus();
    }
    session_->Await(this, Op::kFinish);
    ops_.TakeResult(Op::kFinish);  // With the reply parsed.
  } while (PrepareRetry());
  return FinalStatus();
}

}  // namespace nearcall::internal
