#ifndef NEARCALL_RUNTIME_AUTH_CONTEXT_H_
#define NEARCALL_RUNTIME_AUTH_CONTEXT_H_

#include <nearcall/auth_context.h>
#include <nearcall/peer_credentials.h>

#include <memory>

namespace nearcall::internal {

std::shared_ptr<const AuthContext> MakeAuthContext(const PeerCredentials& peer);

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_AUTH_CONTEXT_H_
