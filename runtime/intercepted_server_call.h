// A server's call behind its interceptors: between the handler and the call
// below.
#ifndef NEARCALL_RUNTIME_INTERCEPTED_SERVER_CALL_H_
#define NEARCALL_RUNTIME_INTERCEPTED_SERVER_CALL_H_

#include <nearcall/impl/rpc_method.h>
#include <nearcall/impl/server_call.h>
#include <nearcall/server_interceptor.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/interceptor_batch.h"
#include "runtime/op_table.h"
#include "runtime/sync.h"

namespace nearcall::internal {

using ServerInterceptorFactories = std::vector<
    std::unique_ptr<experimental::ServerInterceptorFactoryInterface>>;

/// Runs `handler`, which must outlive it, with its calls behind interceptors.
std::unique_ptr<MethodHandler> Intercept(
    MethodHandler* handler, RpcMethod::RpcType type,
    std::shared_ptr<const ServerInterceptorFactories> factories);

class InterceptedServerCall final : public ServerCall,
                                    private ServerCallSink,
                                    private OpTable::Owner {
 public:
  /// `single_request`: ReadRequest comes before the handler.
  InterceptedServerCall(
      ServerCallPtr below, RpcMethod::RpcType type, bool single_request,
      std::shared_ptr<const ServerInterceptorFactories> factories);

  void SetContext(ServerContextBase* context) override;
  void SetSink(ServerCallSink* sink) override;
  void SendInitialMetadata() override;
  void Read(InMessage into) override;
  void Write(OutMessage message, WriteOptions options) override;
  void Finish(const Status& status, OutMessage message) override;
  bool Wait(Op op) override;
  Status ReadRequest(InMessage into) override;
  void Cancel() override;

  bool NextMessageSize(uint32_t* size) override {
    return below_->NextMessageSize(size);
  }
  void CancelWith(ClientCallPtr child) override {
    below_->CancelWith(std::move(child));
  }
  bool IsCancelled() override { return below_->IsCancelled(); }
  std::string_view client_metadata() const override {
    return below_->client_metadata();
  }
  MetadataBlock* initial_metadata() override {
    return below_->initial_metadata();
  }
  MetadataBlock* trailing_metadata() override {
    return below_->trailing_metadata();
  }
  std::string_view user_agent() const override { return below_->user_agent(); }
  std::string_view path() const override { return below_->path(); }
  std::string_view host() const override { return below_->host(); }
  std::string_view transport() const override { return below_->transport(); }
  std::string peer() const override { return below_->peer(); }
  PeerCredentials peer_credentials() const override {
    return below_->peer_credentials();
  }
  std::chrono::system_clock::time_point deadline() const override {
    return below_->deadline();
  }

 private:
  ~InterceptedServerCall() override = default;

  void OnOp(Op op, bool ok) override;
  void OnCancel() override { sink_->OnCancel(); }
  void RefOwner() override { Ref(); }
  void UnrefOwner() override { Unref(); }
  bool Settle(Op, bool ok) override { return ok; }

  bool waits() const { return sink_ == nullptr; }
  InterceptorBatch& batch(Op op) { return batches_[static_cast<size_t>(op)]; }
  /// Makes the interceptors, and shows them what was received.
  void Begin(HookSet post, void* message);
  /// True: `sent` is the first, and has the initial metadata.
  bool TakeInitialMetadata(InterceptorBatch::Sent* sent);
  /// Down the hooks of what is sent, then `forward`.
  void Send(Op op, InterceptorBatch::Sent sent, HookSet pre,
            std::function<void()> forward);
  void Began(Op op);
  HookSet PostHooks(Op op, bool ok);

  const ServerCallPtr below_;
  const RpcMethod::RpcType type_;
  const bool single_request_;
  const std::shared_ptr<const ServerInterceptorFactories> factories_;
  ServerContextBase* context_ = nullptr;
  std::unique_ptr<experimental::ServerRpcInfo> info_;
  CallInterceptors interceptors_;

  ServerCallSink* sink_ = nullptr;
  std::array<InterceptorBatch, kOps> batches_;
  Turns sending_;
  std::atomic<bool> initial_taken_{false};
  SendMetadata initial_metadata_;
  SendMetadata trailing_metadata_;
  Status status_;
  bool finish_message_ = false;
  std::atomic<bool> cancelled_{false};

  Mutex mu_;
  OpTable ops_;  ///< Guarded by mu_; with a sink only.
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_INTERCEPTED_SERVER_CALL_H_
