#include <nearcall/client_context.h>
#include <nearcall/impl/context_access.h>
#include <nearcall/server_context.h>

#include "absl/strings/str_cat.h"
#include "runtime/auth_context.h"

namespace nearcall {

ClientContext::~ClientContext() {
  internal::ClientCall* call = call_.load();
  if (call != nullptr) call->Unref();
}

const std::multimap<string_ref, string_ref>&
ClientContext::GetServerInitialMetadata() const {
  if (const internal::ClientCall* call = call_.load()) {
    const std::string_view block = call->initial_metadata();
    if (block.data() != initial_metadata_.block().data()) {
      initial_metadata_.set(block);
    }
  }
  return initial_metadata_.map();
}

const std::multimap<string_ref, string_ref>&
ClientContext::GetServerTrailingMetadata() const {
  if (const internal::ClientCall* call = call_.load()) {
    const std::string_view block = call->trailing_metadata();
    if (block.data() != trailing_metadata_.block().data()) {
      trailing_metadata_.set(block);
    }
  }
  return trailing_metadata_.map();
}

std::string ClientContext::peer() const {
  const internal::ClientCall* call = call_.load();
  return call == nullptr ? std::string() : call->peer();
}

void ClientContext::TryCancel() {
  cancelled_.store(true);
  if (internal::ClientCall* call = call_.load()) call->Cancel();
}

PeerCredentials ClientContext::peer_credentials() const {
  const internal::ClientCall* call = call_.load();
  return call == nullptr ? PeerCredentials() : call->peer_credentials();
}

std::shared_ptr<const AuthContext> ClientContext::auth_context() const {
  return internal::MakeAuthContext(peer_credentials());
}

std::unique_ptr<ClientContext> ClientContext::FromServerContext(
    const ServerContextBase& server_context, PropagationOptions options) {
  auto context = std::make_unique<ClientContext>();
  if (options.deadline()) context->deadline_ = server_context.deadline();
  internal::ServerCall* call =
      internal::ServerContextAccess::call(server_context);
  if (options.cancellation() && call != nullptr) {
    context->parent_ = internal::RefPtr<internal::CancelParent>::Share(call);
  }
  return context;
}

std::unique_ptr<ClientContext> ClientContext::FromCallbackServerContext(
    const CallbackServerContext& server_context, PropagationOptions options) {
  return FromServerContext(server_context, options);
}

bool ClientContext::maybe_sent() const {
  const internal::ClientCall* call = call_.load();
  return call != nullptr && call->maybe_sent();
}

std::string ClientContext::debug_error_string() const {
  return absl::StrCat("{\"peer\":\"", peer(), "\",\"sent\":\"",
                      maybe_sent() ? "maybe" : "no", "\"}");
}

}  // namespace nearcall
