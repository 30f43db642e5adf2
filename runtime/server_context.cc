#include <nearcall/impl/method_handler.h>
#include <nearcall/server_callback.h>
#include <nearcall/server_context.h>

#include "runtime/auth_context.h"

namespace nearcall {

namespace internal {
Status ExceptionStatus() {
  return Status(UNKNOWN, "Unexpected error in RPC handling");
}
}  // namespace internal

ServerContextBase::~ServerContextBase() = default;

std::chrono::system_clock::time_point ServerContextBase::deadline() const {
  return call_ == nullptr ? std::chrono::system_clock::time_point::max()
                          : call_->deadline();
}

void ServerContextBase::AddInitialMetadata(const std::string& key,
                                           const std::string& value) {
  if (call_ != nullptr) call_->initial_metadata()->Add(key, value);
}

void ServerContextBase::AddTrailingMetadata(const std::string& key,
                                            const std::string& value) {
  if (call_ != nullptr) call_->trailing_metadata()->Add(key, value);
}

bool ServerContextBase::IsCancelled() const {
  return call_ != nullptr && call_->IsCancelled();
}

void ServerContextBase::TryCancel() const {
  if (call_ != nullptr) call_->Cancel();
}

const std::multimap<string_ref, string_ref>&
ServerContextBase::client_metadata() const {
  if (call_ != nullptr && client_metadata_.map().empty()) {
    client_metadata_.set(call_->client_metadata());
    client_metadata_.mutable_map()->emplace("user-agent", call_->user_agent());
  }
  return client_metadata_.map();
}

class CallbackServerContext::Default final : public ServerUnaryReactor {
 public:
  void OnDone() override {}
};

CallbackServerContext::CallbackServerContext() = default;
CallbackServerContext::~CallbackServerContext() = default;

ServerUnaryReactor* CallbackServerContext::DefaultReactor() {
  default_reactor_ = std::make_unique<Default>();
  return default_reactor_.get();
}

std::string ServerContextBase::peer() const {
  return call_ == nullptr ? std::string() : call_->peer();
}

PeerCredentials ServerContextBase::peer_credentials() const {
  return call_ == nullptr ? PeerCredentials() : call_->peer_credentials();
}

std::shared_ptr<const AuthContext> ServerContextBase::auth_context() const {
  return internal::MakeAuthContext(peer_credentials());
}

std::string ServerContextBase::transport() const {
  return call_ == nullptr ? std::string() : std::string(call_->transport());
}

}  // namespace nearcall
