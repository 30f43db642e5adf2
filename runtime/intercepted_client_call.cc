#include "runtime/intercepted_client_call.h"

#include <nearcall/channel_interface.h>
#include <nearcall/impl/context_access.h>

#include <utility>

#include "runtime/executor.h"

namespace nearcall::internal {

InterceptedClientCall::InterceptedClientCall(ChannelInterface* channel,
                                             const RpcMethod& method,
                                             ClientContext* context,
                                             OpSink* sink)
    : waits_(sink == nullptr),
      context_(context),
      info_(context, method, channel),
      ops_(this) {
  interceptors_.channel = channel;
  start_.set_interceptors(&interceptors_);
  for (InterceptorBatch& each : batches_) each.set_interceptors(&interceptors_);
  ops_.Reset(sink, &Executor::Process());
}

ClientCallPtr InterceptedClientCall::Make(
    ChannelInterface* channel, const RpcMethod& method, ClientContext* context,
    OpSink* sink, experimental::ClientInterceptorFactoryInterface* global) {
  auto* intercepted = new InterceptedClientCall(channel, method, context, sink);
  const auto call = ClientCallPtr::Adopt(intercepted);
  const ChannelInterceptors& own = channel->interceptors();
  std::vector<CallInterceptors::Entry>& entries =
      intercepted->interceptors_.entries;
  const size_t count = own.factories == nullptr ? 0 : own.factories->size();
  for (size_t i = own.first; i < count; ++i) {
    if (auto* interceptor =
            (*own.factories)[i]->CreateClientInterceptor(&intercepted->info_)) {
      entries.push_back(
          {std::unique_ptr<experimental::Interceptor>(interceptor), i + 1});
    }
  }
  if (global != nullptr && own.first <= count) {
    if (auto* interceptor =
            global->CreateClientInterceptor(&intercepted->info_)) {
      entries.push_back(
          {std::unique_ptr<experimental::Interceptor>(interceptor), count + 1});
    }
  }
  if (entries.empty()) return channel->CreateCall(method, context, sink);
  intercepted->below_ = channel->CreateCall(
      method, context, sink == nullptr ? nullptr : intercepted);
  return call;
}

// --- The start ---

InterceptorBatch::Sent InterceptedClientCall::SentInitial() {
  send_metadata_ = ReadBlock(ClientContextAccess::metadata(*context_));
  InterceptorBatch::Sent sent;
  sent.initial_metadata = &send_metadata_;
  return sent;
}

void InterceptedClientCall::Start(OutMessage message, bool half_close,
                                  bool corked) {
  InterceptorBatch::Sent sent = SentInitial();
  sent.message = message;
  start_.Prepare(sent, {});
  const HookSet pre = Hook(HookPoint::PRE_SEND_INITIAL_METADATA) |
                      (message ? Hook(HookPoint::PRE_SEND_MESSAGE) : 0) |
                      (half_close ? Hook(HookPoint::PRE_SEND_CLOSE) : 0);
  start_message_ = static_cast<bool>(message);
  if (waits_) {
    start_.RunDownAndWait(pre);
    Started(start_.message(), half_close, corked);
    if (start_message_) {
      start_.RunUpAndWait(Hook(HookPoint::POST_SEND_MESSAGE));
    }
    return;
  }
  sending_.Take([this, pre, half_close, corked] {
    Ref();
    start_.RunDown(pre, 0, [this, half_close, corked] {
      Started(start_.message(), half_close, corked);
      sending_.Pass();
      Unref();
    });
  });
}

void InterceptedClientCall::Started(OutMessage message, bool half_close,
                                    bool corked) {
  if (!hijacked()) {
    WriteBlock(send_metadata_, ClientContextAccess::mutable_metadata(context_));
    below_->Start(message, half_close, corked);
  }
  std::vector<std::function<void()>> waiting;
  {
    MutexLock lock(&mu_);
    started_ = true;
    waiting.swap(waiting_);
  }
  for (const auto& run : waiting) run();
}

void InterceptedClientCall::WhenStarted(std::function<void()> run) {
  {
    MutexLock lock(&mu_);
    if (!started_) {
      waiting_.push_back(std::move(run));
      return;
    }
  }
  run();
}

// --- Down ---

void InterceptedClientCall::Down(Op op, HookSet pre, HookSet hijacked_hooks,
                                 const std::function<void()>& forward,
                                 Turns* turn) {
  batch(op).RunDown(pre, hijacked_hooks, [this, op, forward, turn] {
    // For OnOp, which may be over before this is.
    Ref();
    if (hijacked()) {
      OnOp(op, HijackedResult(op));
    } else {
      forward();
    }
    if (turn != nullptr) turn->Pass();
    Unref();
  });
}

void InterceptedClientCall::Send(Op op, HookSet pre,
                                 std::function<void()> forward) {
  if (waits_) {
    batch(op).RunDownAndWait(pre);
    if (!hijacked()) forward();
    return;
  }
  {
    MutexLock lock(&mu_);
    ops_.Begin(op);
  }
  Ref();  // Until its completion.
  sending_.Take([this, op, pre, forward = std::move(forward)] {
    Down(op, pre, 0, forward, &sending_);
  });
}

void InterceptedClientCall::Receive(Op op, HookSet hijacked_hooks,
                                    std::function<void()> forward) {
  if (waits_) {
    batch(op).RunDownAndWait(0, hijacked_hooks);
    if (!hijacked()) forward();
    return;
  }
  {
    MutexLock lock(&mu_);
    ops_.Begin(op);
  }
  Ref();
  WhenStarted([this, op, hijacked_hooks, forward = std::move(forward)] {
    Down(op, 0, hijacked_hooks, forward, nullptr);
  });
}

void InterceptedClientCall::Write(OutMessage message, WriteOptions options) {
  InterceptorBatch::Sent sent;
  sent.message = message;
  batch(Op::kWrite).Prepare(sent, {});
  Send(
      Op::kWrite,
      Hook(HookPoint::PRE_SEND_MESSAGE) |
          (options.is_last_message() ? Hook(HookPoint::PRE_SEND_CLOSE) : 0),
      [this, options] { below_->Write(batch(Op::kWrite).message(), options); });
}

void InterceptedClientCall::WritesDone() {
  batch(Op::kWritesDone).Prepare({}, {});
  Send(Op::kWritesDone, Hook(HookPoint::PRE_SEND_CLOSE),
       [this] { below_->WritesDone(); });
}

void InterceptedClientCall::ReadInitialMetadata() {
  metadata_asked_ = true;
  InterceptorBatch::Received received;
  received.initial_metadata = ClientContextAccess::initial_metadata(context_);
  batch(Op::kInitialMetadata).Prepare({}, received);
  Receive(Op::kInitialMetadata, Hook(HookPoint::PRE_RECV_INITIAL_METADATA),
          [this] { below_->ReadInitialMetadata(); });
}

void InterceptedClientCall::Read(InMessage into) {
  InterceptorBatch::Received received;
  received.message = into.message;
  batch(Op::kRead).Prepare({}, received);
  Receive(Op::kRead, Hook(HookPoint::PRE_RECV_MESSAGE),
          [this, into] { below_->Read(into); });
}

InterceptorBatch::Received InterceptedClientCall::ReceivedStatus(
    Status* status, InMessage reply) {
  reply_ = reply;
  InterceptorBatch::Received received;
  received.message = reply.message;
  received.status = status;
  received.trailing_metadata = ClientContextAccess::trailing_metadata(context_);
  return received;
}

void InterceptedClientCall::Finish(Status* status, InMessage reply) {
  batch(Op::kFinish).Prepare({}, ReceivedStatus(status, reply));
  Receive(Op::kFinish,
          Hook(HookPoint::PRE_RECV_STATUS) |
              (reply ? Hook(HookPoint::PRE_RECV_MESSAGE) : 0),
          [this, status, reply] { below_->Finish(status, reply); });
}

bool InterceptedClientCall::HijackedResult(Op op) {
  InterceptorBatch& ended = batch(op);
  switch (op) {
    case Op::kWrite:
      return ended.sent().ok;
    case Op::kRead:
      return ended.received().ok;
    case Op::kFinish: {
      Status* const status = ended.received().status;
      if (reply_ && !ended.received().ok && status->ok()) {
        *status = Status(INTERNAL, "the call ended without a reply");
      }
      return true;
    }
    case Op::kInitialMetadata:
    case Op::kWritesDone:
      break;
  }
  return true;
}

// --- Up ---

// The start has no completion of its own: that its message was sent, and the
// initial metadata, are seen with the first that receives. For a sink that is
// the operation that asks for the metadata, where there is one.
HookSet InterceptedClientCall::FirstHooks(Op op) {
  const bool first = waits_ ? !std::exchange(metadata_seen_, true)
                            : op == Op::kInitialMetadata ||
                                  (op == Op::kFinish && !metadata_asked_);
  if (!first) return 0;
  context_->GetServerInitialMetadata();
  InterceptorBatch& ended = batch(op);
  ended.received().initial_metadata =
      ClientContextAccess::initial_metadata(context_);
  const HookSet post = Hook(HookPoint::POST_RECV_INITIAL_METADATA);
  if (waits_ || !start_message_) return post;
  ended.sent().ok = start_.sent().ok;
  return post | Hook(HookPoint::POST_SEND_MESSAGE);
}

HookSet InterceptedClientCall::PostHooks(Op op, bool ok) {
  InterceptorBatch& ended = batch(op);
  HookSet post = 0;
  switch (op) {
    case Op::kInitialMetadata:
      post = FirstHooks(op);
      break;
    case Op::kWrite:
      post = Hook(HookPoint::POST_SEND_MESSAGE);
      ended.sent().ok = ok;
      break;
    case Op::kWritesDone:
      break;
    case Op::kRead:
      post = FirstHooks(op) | Hook(HookPoint::POST_RECV_MESSAGE);
      if (!ok) ended.received().message = nullptr;
      break;
    case Op::kFinish:
      post = FirstHooks(op) | Hook(HookPoint::POST_RECV_STATUS);
      context_->GetServerTrailingMetadata();
      ended.received().trailing_metadata =
          ClientContextAccess::trailing_metadata(context_);
      if (reply_) {
        post |= Hook(HookPoint::POST_RECV_MESSAGE);
        if (!ended.received().status->ok()) ended.received().message = nullptr;
      }
      break;
  }
  return post;
}

void InterceptedClientCall::OnOp(Op op, bool ok) {
  batch(op).RunUp(PostHooks(op, ok), [this, op, ok] {
    Complete(op, ok);
    Unref();  // Since the operation began.
  });
}

void InterceptedClientCall::Complete(Op op, bool ok) {
  MutexLock lock(&mu_);
  ops_.Complete(op, ok);
}

bool InterceptedClientCall::Wait(Op op) {
  const bool ok = hijacked() ? HijackedResult(op) : below_->Wait(op);
  batch(op).RunUpAndWait(PostHooks(op, ok));
  return ok;
}

// --- The whole call in one ---

Status InterceptedClientCall::Unary(OutMessage request, InMessage response) {
  Status status;
  InterceptorBatch::Sent sent = SentInitial();
  sent.message = request;
  InterceptorBatch::Received received = ReceivedStatus(&status, response);
  received.initial_metadata = ClientContextAccess::initial_metadata(context_);
  InterceptorBatch& whole = batch(Op::kFinish);
  whole.Prepare(sent, received);
  whole.RunDownAndWait(
      Hook(HookPoint::PRE_SEND_INITIAL_METADATA) |
          Hook(HookPoint::PRE_SEND_MESSAGE) | Hook(HookPoint::PRE_SEND_CLOSE),
      Hook(HookPoint::PRE_RECV_INITIAL_METADATA) |
          Hook(HookPoint::PRE_RECV_MESSAGE) | Hook(HookPoint::PRE_RECV_STATUS));
  if (hijacked()) {
    HijackedResult(Op::kFinish);
  } else {
    WriteBlock(send_metadata_, ClientContextAccess::mutable_metadata(context_));
    status = below_->Unary(whole.message(), response);
  }
  whole.RunUpAndWait(PostHooks(Op::kFinish, true) |
                     Hook(HookPoint::POST_SEND_MESSAGE));
  return status;
}

void InterceptedClientCall::Cancel() {
  if (!cancelled_.exchange(true)) interceptors_.Cancel();
  below_->Cancel();
}

}  // namespace nearcall::internal
