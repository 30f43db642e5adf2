#include "runtime/auth_context.h"

#include <string>

namespace nearcall {

std::vector<string_ref> AuthContext::FindPropertyValues(
    const std::string& name) const {
  std::vector<string_ref> values;
  for (const auto& [key, value] : properties_) {
    if (key == name) values.emplace_back(value);
  }
  return values;
}

AuthContext::const_iterator AuthContext::begin() const {
  view_.clear();
  for (const auto& [key, value] : properties_) view_.emplace_back(key, value);
  return view_.begin();
}

AuthContext::const_iterator AuthContext::end() const {
  if (view_.size() != properties_.size()) begin();
  return view_.end();
}

namespace internal {

std::shared_ptr<const AuthContext> MakeAuthContext(
    const PeerCredentials& peer) {
  auto context = std::make_shared<AuthContext>();
  context->AddProperty("transport_security_type",
                       peer.uid.has_value() ? "local" : "insecure");
  if (peer.uid) context->AddProperty("uid", std::to_string(*peer.uid));
  if (peer.gid) context->AddProperty("gid", std::to_string(*peer.gid));
  if (peer.pid) context->AddProperty("pid", std::to_string(*peer.pid));
  context->SetPeerIdentityPropertyName("uid");
  return context;
}

}  // namespace internal
}  // namespace nearcall
