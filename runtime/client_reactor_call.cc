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

class ReactorCall final : public ClientReactorCall, private OpSink {
 public:
  ReactorCall(ChannelInterface* channel, const RpcMethod& method,
              ClientContext* context, ClientReactor* reactor,
              OutMessage request, InMessage reply)
      : reactor_(reactor),
        call_(channel->CreateCall(method, context, this)),
        corked_(ClientContextAccess::corked(*context)),
        has_request_(static_cast<bool>(request)),
        reply_(reply) {
    if (has_request_) SerializeTo(request, &request_);
  }

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
  Buffer request_;
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
  call->Start(has_request_ ? BufferMessage(request_) : OutMessage(),
              /*half_close=*/has_request_, corked_);
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
  if (!call->Retry(BufferMessage(request_))) return false;
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
    call_ = channel->CreateCall(method, context, this);
    response_ = response;
    SerializeTo(request, &request_);
    // This may be gone before Finish is back.
    const ClientCallPtr call = call_;
    call->Start(BufferMessage(request_), /*half_close=*/true, /*corked=*/false);
    call->Finish(&status_, response_);
  }
  void OnOp(Op, bool) override {
    const ClientCallPtr call = call_;
    if (call->Retry(BufferMessage(request_))) {
      call->Finish(&status_, response_);
      return;
    }
    const std::unique_ptr<FunctionCall> self(this);
    Swallow([this] { done_(std::move(status_)); });
  }

 private:
  ClientCallPtr call_;
  Buffer request_;  ///< For another try: the caller's may be gone by then.
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
