// The peer's properties in gRPC's form. peer_credentials() of a context has the
// same, typed.
#ifndef NEARCALL_AUTH_CONTEXT_H_
#define NEARCALL_AUTH_CONTEXT_H_

#include <nearcall/string_ref.h>

#include <string>
#include <utility>
#include <vector>

namespace nearcall {

using AuthProperty = std::pair<string_ref, string_ref>;

/// Properties: "transport_security_type" ("local" where the kernel vouches for
/// the peer, "insecure" where nothing does), "uid", "gid", "pid". The identity
/// is the uid. One thread at a time.
class AuthContext {
 public:
  using const_iterator = std::vector<AuthProperty>::const_iterator;

  bool IsPeerAuthenticated() const { return !GetPeerIdentity().empty(); }
  std::vector<string_ref> GetPeerIdentity() const {
    return FindPropertyValues(identity_);
  }
  std::string GetPeerIdentityPropertyName() const { return identity_; }
  std::vector<string_ref> FindPropertyValues(const std::string& name) const;

  /// Over (name, value) pairs; valid until the next AddProperty.
  const_iterator begin() const;
  const_iterator end() const;

  void AddProperty(const std::string& key, const string_ref& value) {
    properties_.emplace_back(key, std::string(value.data(), value.size()));
  }
  /// False: there is no such property.
  bool SetPeerIdentityPropertyName(const std::string& name) {
    if (FindPropertyValues(name).empty()) return false;
    identity_ = name;
    return true;
  }

 private:
  std::vector<std::pair<std::string, std::string>> properties_;
  std::string identity_;
  mutable std::vector<AuthProperty> view_;
};

}  // namespace nearcall

#endif  // NEARCALL_AUTH_CONTEXT_H_
