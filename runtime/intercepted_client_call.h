// A client's call behind its interceptors: every operation goes down through
// their hooks, into the call below (unless it was hijacked), and back up.
#ifndef NEARCALL_RUNTIME_INTERCEPTED_CLIENT_CALL_H_
#define NEARCALL_RUNTIME_INTERCEPTED_CLIENT_CALL_H_

#include <nearcall/client_context.h>
#include <nearcall/client_interceptor.h>
#include <nearcall/impl/client_call.h>
#include <nearcall/impl/rpc_method.h>

#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/interceptor_batch.h"
#include "runtime/op_table.h"
#include "runtime/sync.h"

namespace nearcall::internal {

class InterceptedClientCall final : public ClientCall,
                                    private OpSink,
                                    private OpTable::Owner {
 public:
  /// A call of `channel` behind those interceptors that the channel's factories
  /// and `global` (which may be null) make for it.
  static ClientCallPtr Make(
      ChannelInterface* channel, const RpcMethod& method,
      ClientContext* context, OpSink* sink,
      experimental::ClientInterceptorFactoryInterface* global);

  void Start(OutMessage message, bool half_close, bool corked) override;
  void Write(OutMessage message, WriteOptions options) override;
  void WritesDone() override;
  void ReadInitialMetadata() override;
  void Read(InMessage into) override;
  void Finish(Status* status, InMessage reply) override;
  bool Wait(Op op) override;
  Status Unary(OutMessage request, InMessage response) override;
  /// The interceptors have seen the end of the call: it is the end. (A call
  /// that is waited for is tried again below them.)
  bool Retry(OutMessage) override { return false; }
  bool shows_messages() const override { return true; }
  void Cancel() override;
  bool NextMessageSize(uint32_t* size) override {
    return below_->NextMessageSize(size);
  }
  std::string_view initial_metadata() const override {
    return below_->initial_metadata();
  }
  std::string_view trailing_metadata() const override {
    return below_->trailing_metadata();
  }
  std::string peer() const override { return below_->peer(); }
  PeerCredentials peer_credentials() const override {
    return below_->peer_credentials();
  }
  bool maybe_sent() const override { return below_->maybe_sent(); }

 private:
  InterceptedClientCall(ChannelInterface* channel, const RpcMethod& method,
                        ClientContext* context, OpSink* sink);

  void OnOp(Op op, bool ok) override;
  void RefOwner() override { Ref(); }
  void UnrefOwner() override { Unref(); }
  bool Settle(Op, bool ok) override { return ok; }

  bool hijacked() const {
    return interceptors_.hijacker != CallInterceptors::kNobody;
  }
  InterceptorBatch& batch(Op op) { return batches_[static_cast<size_t>(op)]; }
  InterceptorBatch::Sent SentInitial();
  InterceptorBatch::Received ReceivedStatus(Status* status, InMessage reply);
  void Started(OutMessage message, bool half_close, bool corked);
  /// Runs what waits for the start of the call, now or then.
  void WhenStarted(std::function<void()> run);
  /// Down the hooks of a prepared batch, then `forward`.
  void Send(Op op, HookSet pre, std::function<void()> forward);
  void Receive(Op op, HookSet hijacked, std::function<void()> forward);
  void Down(Op op, HookSet pre, HookSet hijacked,
            const std::function<void()>& forward, Turns* turn);
  /// What a hijacked operation ended with.
  bool HijackedResult(Op op);
  /// Readies the batch of an operation that has ended for its way up.
  HookSet PostHooks(Op op, bool ok);
  /// Of the first operation that receives: what the start has for it.
  HookSet FirstHooks(Op op);
  void Complete(Op op, bool ok);

  const bool waits_;  ///< A thread does, for each operation: there is no sink.
  ClientContext* const context_;
  experimental::ClientRpcInfo info_;
  CallInterceptors interceptors_;
  ClientCallPtr below_;

  SendMetadata send_metadata_;
  InterceptorBatch start_;
  std::array<InterceptorBatch, kOps> batches_;
  Turns sending_;
  bool start_message_ = false;
  bool metadata_asked_ = false;  ///< By an operation of its own.
  bool metadata_seen_ = false;   ///< Its hook has run.
  InMessage reply_;
  std::atomic<bool> cancelled_{false};

  Mutex mu_;
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::function<void()>> waiting_ ABSL_GUARDED_BY(mu_);
  OpTable ops_;  ///< Guarded by mu_; with a sink only.
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_INTERCEPTED_CLIENT_CALL_H_
