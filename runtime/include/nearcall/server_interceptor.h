// Interceptors of a server's calls, sync and callback alike.
#ifndef NEARCALL_SERVER_INTERCEPTOR_H_
#define NEARCALL_SERVER_INTERCEPTOR_H_

#include <nearcall/impl/rpc_method.h>
#include <nearcall/interceptor.h>

#include <string>
#include <string_view>

namespace nearcall {

class ServerContextBase;

namespace internal {
class InterceptedServerCall;
}

namespace experimental {

/// Which call it is. Lives as long as the call's interceptors.
class ServerRpcInfo {
 public:
  enum class Type { UNARY, CLIENT_STREAMING, SERVER_STREAMING, BIDI_STREAMING };

  ServerRpcInfo(const ServerRpcInfo&) = delete;
  ServerRpcInfo& operator=(const ServerRpcInfo&) = delete;

  /// "/package.Service/Method".
  const char* method() const { return method_.c_str(); }
  Type type() const { return type_; }
  /// Valid until POST_RECV_CLOSE has been let go on.
  ServerContextBase* server_context() { return context_; }

 private:
  friend class internal::InterceptedServerCall;
  ServerRpcInfo(ServerContextBase* context, std::string_view method,
                internal::RpcMethod::RpcType type)
      : context_(context), method_(method), type_(static_cast<Type>(type)) {}

  ServerContextBase* const context_;
  const std::string method_;
  const Type type_;
};

/// Thread-safe.
class ServerInterceptorFactoryInterface {
 public:
  virtual ~ServerInterceptorFactoryInterface() = default;
  /// A new interceptor for the call, which owns it; null: none. `info` lives as
  /// long as the interceptor.
  ///
  /// The handler runs once the hooks of what was received have been let go on:
  /// one that is held back keeps a thread waiting.
  virtual Interceptor* CreateServerInterceptor(ServerRpcInfo* info) = 0;
};

}  // namespace experimental
}  // namespace nearcall

#endif  // NEARCALL_SERVER_INTERCEPTOR_H_
