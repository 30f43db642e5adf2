#include "runtime/intercepted_server_call.h"

#include <nearcall/impl/context_access.h>

#include <utility>

#include "runtime/executor.h"

namespace nearcall::internal {
namespace {

class InterceptingHandler final : public MethodHandler {
 public:
  InterceptingHandler(
      MethodHandler* handler, RpcMethod::RpcType type,
      std::shared_ptr<const ServerInterceptorFactories> factories)
      : handler_(handler), type_(type), factories_(std::move(factories)) {}

  void Run(ServerCallPtr call) override {
    handler_->Run(ServerCallPtr::Adopt(new InterceptedServerCall(
        std::move(call), type_, handler_->single_request(), factories_)));
  }
  bool blocks() const override { return handler_->blocks(); }
  bool single_request() const override { return handler_->single_request(); }

 private:
  MethodHandler* const handler_;
  const RpcMethod::RpcType type_;
  const std::shared_ptr<const ServerInterceptorFactories> factories_;
};

}  // namespace

std::unique_ptr<MethodHandler> Intercept(
    MethodHandler* handler, RpcMethod::RpcType type,
    std::shared_ptr<const ServerInterceptorFactories> factories) {
  return std::make_unique<InterceptingHandler>(handler, type,
                                               std::move(factories));
}

InterceptedServerCall::InterceptedServerCall(
    ServerCallPtr below, RpcMethod::RpcType type, bool single_request,
    std::shared_ptr<const ServerInterceptorFactories> factories)
    : below_(std::move(below)),
      type_(type),
      single_request_(single_request),
      factories_(std::move(factories)),
      ops_(this) {
  for (InterceptorBatch& each : batches_) each.set_interceptors(&interceptors_);
}

// --- What was received before the handler runs ---

void InterceptedServerCall::SetContext(ServerContextBase* context) {
  context_ = context;
  if (!single_request_) {
    Begin(Hook(HookPoint::POST_RECV_INITIAL_METADATA), nullptr);
  }
}

Status InterceptedServerCall::ReadRequest(InMessage into) {
  Status status = below_->ReadRequest(into);
  Begin(Hook(HookPoint::POST_RECV_INITIAL_METADATA) |
            Hook(HookPoint::POST_RECV_MESSAGE),
        status.ok() ? into.message : nullptr);
  return status;
}

void InterceptedServerCall::Begin(HookSet post, void* message) {
  info_.reset(new experimental::ServerRpcInfo(context_, below_->path(), type_));
  for (const auto& factory : *factories_) {
    if (auto* interceptor = factory->CreateServerInterceptor(info_.get())) {
      interceptors_.entries.push_back(
          {std::unique_ptr<experimental::Interceptor>(interceptor), 0});
    }
  }
  InterceptorBatch::Received received;
  received.message = message;
  received.initial_metadata = ServerContextAccess::client_metadata(context_);
  InterceptorBatch first;
  first.set_interceptors(&interceptors_);
  first.Prepare({}, received);
  first.RunUpAndWait(post);
}

// --- Operations ---

void InterceptedServerCall::SetSink(ServerCallSink* sink) {
  sink_ = sink;
  ops_.Reset(sink, &Executor::Process());
  below_->SetSink(this);
}

bool InterceptedServerCall::TakeInitialMetadata(InterceptorBatch::Sent* sent) {
  if (initial_taken_.exchange(true)) return false;
  initial_metadata_ = ReadBlock(*below_->initial_metadata());
  sent->initial_metadata = &initial_metadata_;
  return true;
}

void InterceptedServerCall::Send(Op op, InterceptorBatch::Sent sent,
                                 HookSet pre, std::function<void()> forward) {
  const bool first = TakeInitialMetadata(&sent);
  if (first) pre |= Hook(HookPoint::PRE_SEND_INITIAL_METADATA);
  batch(op).Prepare(sent, {});
  auto send = [this, first, forward = std::move(forward)] {
    if (first) WriteBlock(initial_metadata_, below_->initial_metadata());
    forward();
  };
  if (waits()) {
    batch(op).RunDownAndWait(pre);
    send();
    return;
  }
  Began(op);
  sending_.Take([this, op, pre, send = std::move(send)] {
    batch(op).RunDown(pre, 0, [this, send] {
      // The operation may be over before this is.
      Ref();
      send();
      sending_.Pass();
      Unref();
    });
  });
}

void InterceptedServerCall::Began(Op op) {
  Ref();  // Until it is over.
  MutexLock lock(&mu_);
  ops_.Begin(op);
}

void InterceptedServerCall::SendInitialMetadata() {
  Send(Op::kInitialMetadata, {}, 0, [this] { below_->SendInitialMetadata(); });
}

void InterceptedServerCall::Write(OutMessage message, WriteOptions options) {
  InterceptorBatch::Sent sent;
  sent.message = message;
  Send(Op::kWrite, sent, Hook(HookPoint::PRE_SEND_MESSAGE), [this, options] {
    below_->Write(batch(Op::kWrite).message(), options);
  });
}

void InterceptedServerCall::Finish(const Status& status, OutMessage message) {
  status_ = status;
  trailing_metadata_ = ReadBlock(*below_->trailing_metadata());
  finish_message_ = message && status.ok();
  InterceptorBatch::Sent sent;
  sent.message = message;
  sent.status = &status_;
  sent.trailing_metadata = &trailing_metadata_;
  Send(Op::kFinish, sent,
       Hook(HookPoint::PRE_SEND_STATUS) |
           (finish_message_ ? Hook(HookPoint::PRE_SEND_MESSAGE) : 0),
       [this, has_message = static_cast<bool>(message)] {
         WriteBlock(trailing_metadata_, below_->trailing_metadata());
         below_->Finish(status_, has_message ? batch(Op::kFinish).message()
                                             : OutMessage());
       });
  if (waits()) batch(Op::kFinish).RunUpAndWait(PostHooks(Op::kFinish, true));
}

void InterceptedServerCall::Read(InMessage into) {
  InterceptorBatch::Received received;
  received.message = into.message;
  batch(Op::kRead).Prepare({}, received);
  if (!waits()) Began(Op::kRead);
  below_->Read(into);
}

// --- How they end ---

HookSet InterceptedServerCall::PostHooks(Op op, bool ok) {
  InterceptorBatch& ended = batch(op);
  ended.sent().ok = ok;
  switch (op) {
    case Op::kWrite:
      return Hook(HookPoint::POST_SEND_MESSAGE);
    case Op::kRead:
      if (!ok) ended.received().message = nullptr;
      return Hook(HookPoint::POST_RECV_MESSAGE);
    case Op::kFinish:
      return Hook(HookPoint::POST_RECV_CLOSE) |
             (finish_message_ ? Hook(HookPoint::POST_SEND_MESSAGE) : 0);
    case Op::kInitialMetadata:
    case Op::kWritesDone:
      break;
  }
  return 0;
}

void InterceptedServerCall::OnOp(Op op, bool ok) {
  batch(op).RunUp(PostHooks(op, ok), [this, op, ok] {
    {
      MutexLock lock(&mu_);
      ops_.Complete(op, ok);
    }
    Unref();
  });
}

bool InterceptedServerCall::Wait(Op op) {
  const bool ok = below_->Wait(op);
  // Finish has shown its own: not every handler waits for it.
  if (op != Op::kFinish) batch(op).RunUpAndWait(PostHooks(op, ok));
  return ok;
}

void InterceptedServerCall::Cancel() {
  if (!cancelled_.exchange(true)) interceptors_.Cancel();
  below_->Cancel();
}

}  // namespace nearcall::internal
