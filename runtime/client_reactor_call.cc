#include <nearcall/client_callback.h>
#include <nearcall/impl/context_access.h>

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "runtime/buffer_message.h"
#include "runtime/sync.h"

namespace nearcall::internal {
namespace {

// User code may throw; gRPC swallows it, and so do we.
template <typename Reaction>
void Swallow(Reaction&& reaction) {
  try {
    reaction();
  } catch (...) {
  }
}

/// The only message of a call's client: as bytes, for the caller's may be gone
/// before another try, unless its interceptors are to see the message itself.
class KeptRequest {
 public:
  KeptRequest(const ClientCallPtr& call, OutMessage request)
      : as_bytes_(request && !call->shows_messages()), request_(request) {
    if (as_bytes_) SerializeTo(request, &bytes_);
  }
  /// Null for a stream of the client's.
  OutMessage message() const {
    return as_bytes_ ? BufferMessage(bytes_) : request_;
  }

 private:
  const bool as_bytes_;
  const OutMessage request_;
  Buffer bytes_;
};

class ReactorCall final : public ClientReactorCall, private OpSink {
 public:
  ReactorCall(ChannelInterface* channel, const RpcMethod& method,
              ClientContext* context, ClientReactor* reactor,
              OutMessage request, InMessage reply)
      : reactor_(reactor),
        call_(channel->NewCall(method, context, this)),
        corked_(ClientContextAccess::corked(*context)),
        has_request_(static_cast<bool>(request)),
        request_(call_, request),
        reply_(reply) {}

  void StartCall() override;
  void StartRead(InMessage into) override {
    Began(1);
    if (!Early([&]()
                   ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { early_read_ = into; }))
      call_->Read(into);
  }
  void StartWrite(OutMessage message, WriteOptions options) override {
    Began(1);
    if (!Early([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
          early_write_ = PendingWrite{message, options};
        })) {
      call_->Write(message, options);
    }
  }
  void StartWritesDone() override {
    Began(1);
    if (!Early([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
          early_writes_done_ = true;
        }))
      call_->WritesDone();
  }
  void AddHolds(int holds) override { Began(holds); }
  void RemoveHold() override { Ended(); }

 private:
  struct PendingWrite {
    OutMessage message;
    WriteOptions options;
  };
  ~ReactorCall() = default;

  void OnOp(Op op, bool ok) override;
  bool unary() const { return has_request_ && reply_; }
  /// Of a unary call, all of whose operations have ended. True: it goes on.
  bool TriesAgain();
  void Began(int count) {
    under_way_.fetch_add(count, std::memory_order_relaxed);
  }
  void Ended();
  /// True: the call has not started, and `keep` kept the operation for it.
  template <typename Keep>
  bool Early(Keep keep) {
    if (started_.load(std::memory_order_acquire)) return false;
    MutexLock lock(&mu_);
    if (started_.load(std::memory_order_relaxed)) return false;
    keep();
    return true;
  }

  ClientReactor* const reactor_;
  const ClientCallPtr call_;
  const bool corked_;
  const bool has_request_;
  const KeptRequest request_;
  const InMessage reply_;
  Status status_;
  // The start of the call itself is the first.
  std::atomic<int> under_way_{1};
  bool initial_missing_ = false;  ///< Of a unary call; not told yet.

  Mutex mu_;
  std::atomic<bool> started_{false};
  InMessage early_read_ ABSL_GUARDED_BY(mu_);
  std::optional<PendingWrite> early_write_ ABSL_GUARDED_BY(mu_);
  bool early_writes_done_ ABSL_GUARDED_BY(mu_) = false;
};

void ReactorCall::StartCall() {
  // This, and the context with its reference, may be gone before Finish is
  // back.
  const ClientCallPtr call = call_;
  call->Start(request_.message(), /*half_close=*/has_request_, corked_);
  Began(1);
  call->ReadInitialMetadata();
  {
    MutexLock lock(&mu_);
    if (early_read_) call->Read(early_read_);
    if (early_write_.has_value()) {
      call->Write(early_write_->message, early_write_->options);
    }
    if (early_writes_done_) call->WritesDone();
    started_.store(true, std::memory_order_release);
  }
  // The start counts until this is done.
  call->Finish(&status_, reply_);
}

void ReactorCall::OnOp(Op op, bool ok) {
  if (op == Op::kInitialMetadata && !ok && unary()) {
    initial_missing_ = true;  // It may come with the next try.
    Ended();
    return;
  }
  ClientReactor* const reactor = reactor_;
  Swallow([op, ok, reactor] {
    switch (op) {
      case Op::kInitialMetadata:
        reactor->OnReadInitialMetadataDone(ok);
        break;
      case Op::kRead:
        reactor->OnReadDone(ok);
        break;
      case Op::kWrite:
        reactor->OnWriteDone(ok);
        break;
      case Op::kWritesDone:
        reactor->OnWritesDoneDone(ok);
        break;
      case Op::kFinish:
        break;
    }
  });
  Ended();
}

bool ReactorCall::TriesAgain() {
  // This may be gone before Finish is back.
  const ClientCallPtr call = call_;
  if (!call->Retry(request_.message())) return false;
  initial_missing_ = false;
  Began(2);
  call->ReadInitialMetadata();
  call->Finish(&status_, reply_);
  return true;
}

void ReactorCall::Ended() {
  if (under_way_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (unary() && TriesAgain()) return;
  ClientReactor* const reactor = reactor_;
  if (initial_missing_) {
    Swallow([reactor] { reactor->OnReadInitialMetadataDone(false); });
  }
  // The reactor may start another call, or be gone, in OnDone.
  const Status status = std::move(status_);
  delete this;
  Swallow([reactor, &status] { reactor->OnDone(status); });
}

class FunctionCall final : public OpSink {
 public:
  void Start(ChannelInterface* channel, const RpcMethod& method,
             ClientContext* context, OutMessage request, InMessage response,
             std::function<void(Status)> done) {
    done_ = std::move(done);
    call_ = channel->NewCall(method, context, this);
    response_ = response;
    request_.emplace(call_, request);
    // This may be gone before Finish is back.
    const ClientCallPtr call = call_;
    call->Start(request_->message(), /*half_close=*/true, /*corked=*/false);
    call->Finish(&status_, response_);
  }
  void OnOp(Op, bool) override {
    const ClientCallPtr call = call_;
    if (call->Retry(request_->message())) {
      call->Finish(&status_, response_);
      return;
    }
    const std::unique_ptr<FunctionCall> self(this);
    Swallow([this] { done_(std::move(status_)); });
  }

 private:
  ClientCallPtr call_;
  std::optional<KeptRequest> request_;
  InMessage response_;
  Status status_;
  std::function<void(Status)> done_;
};

}  // namespace

ClientReactorCall* ClientReactorCall::Create(
    ChannelInterface* channel, const RpcMethod& method, ClientContext* context,
    ClientReactor* reactor, OutMessage request, InMessage reply) {
  return new ReactorCall(channel, method, context, reactor, request, reply);
}

void StartFunctionCall(ChannelInterface* channel, const RpcMethod& method,
                       ClientContext* context, OutMessage request,
                       InMessage response, std::function<void(Status)> done) {
  (new FunctionCall())
      ->Start(channel, method, context, request, response, std::move(done));
}

}  // namespace nearcall::internal
