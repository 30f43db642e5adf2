// How the runtime and the generated code reach into contexts, whose public face
// shows none of it.
#ifndef NEARCALL_IMPL_CONTEXT_ACCESS_H_
#define NEARCALL_IMPL_CONTEXT_ACCESS_H_

#include <nearcall/client_context.h>
#include <nearcall/server_context.h>

namespace nearcall::internal {

class ClientContextAccess {
 public:
  static const MetadataBlock& metadata(const ClientContext& context) {
    return context.metadata_;
  }
  static MetadataBlock* mutable_metadata(ClientContext* context) {
    return &context->metadata_;
  }
  /// What the context shows of the server's metadata, for interceptors. Without
  /// a look at the call, on which it may be about to come.
  static MetadataMap* initial_metadata(ClientContext* context) {
    return context->initial_metadata_.mutable_map();
  }
  static MetadataMap* trailing_metadata(ClientContext* context) {
    return context->trailing_metadata_.mutable_map();
  }
  static bool corked(const ClientContext& context) { return context.corked_; }
  static bool wait_for_ready(const ClientContext& context) {
    return context.wait_for_ready_;
  }
  static bool wait_for_ready_set(const ClientContext& context) {
    return context.wait_for_ready_set_;
  }
  static const std::string& authority(const ClientContext& context) {
    return context.authority_;
  }
  static bool cancelled(const ClientContext& context) {
    return context.cancelled_.load();
  }
  /// Binds the call to the context, which keeps a reference. A cancellation
  /// that came before reaches the call now.
  static void Bind(ClientContext* context, ClientCall* call) {
    call->Ref();
    context->call_.store(call);
    if (context->cancelled_.load()) call->Cancel();
    if (context->parent_) {
      context->parent_->CancelWith(ClientCallPtr::Share(call));
    }
  }
};

class ServerContextAccess {
 public:
  static void Bind(ServerContextBase* context, ServerCall* call) {
    context->call_ = call;
    call->SetContext(context);
  }
  /// What the context shows of the client's metadata, for interceptors.
  static MetadataMap* client_metadata(ServerContextBase* context) {
    context->client_metadata();
    return context->client_metadata_.mutable_map();
  }
  static void SetAllocatorState(CallbackServerContext* context,
                                RpcAllocatorState* state) {
    context->allocator_state_ = state;
  }
  static ServerCall* call(const ServerContextBase& context) {
    return context.call_;
  }
};

}  // namespace nearcall::internal

#endif  // NEARCALL_IMPL_CONTEXT_ACCESS_H_
