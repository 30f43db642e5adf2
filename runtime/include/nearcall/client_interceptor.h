// Interceptors of a client's calls, sync and callback alike.
#ifndef NEARCALL_CLIENT_INTERCEPTOR_H_
#define NEARCALL_CLIENT_INTERCEPTOR_H_

#include <nearcall/impl/rpc_method.h>
#include <nearcall/interceptor.h>

namespace nearcall {

class ChannelInterface;
class ClientContext;

namespace internal {
class InterceptedClientCall;
}

namespace experimental {

/// Which call it is. Lives as long as the call's interceptors.
class ClientRpcInfo {
 public:
  enum class Type {
    UNARY,
    CLIENT_STREAMING,
    SERVER_STREAMING,
    BIDI_STREAMING,
    UNKNOWN
  };

  ClientRpcInfo(const ClientRpcInfo&) = delete;
  ClientRpcInfo& operator=(const ClientRpcInfo&) = delete;

  /// "/package.Service/Method".
  const char* method() const { return method_; }
  /// The stub's; null: none.
  const char* suffix_for_stats() const { return suffix_for_stats_; }
  ChannelInterface* channel() { return channel_; }
  /// Valid as long as the user keeps it.
  ClientContext* client_context() { return context_; }
  Type type() const { return type_; }

 private:
  friend class internal::InterceptedClientCall;
  ClientRpcInfo(ClientContext* context, const internal::RpcMethod& method,
                ChannelInterface* channel)
      : context_(context),
        type_(static_cast<Type>(method.method_type())),
        method_(method.name()),
        suffix_for_stats_(method.suffix_for_stats()),
        channel_(channel) {}

  ClientContext* const context_;
  const Type type_;
  const char* const method_;
  const char* const suffix_for_stats_;
  ChannelInterface* const channel_;
};

/// Thread-safe.
class ClientInterceptorFactoryInterface {
 public:
  virtual ~ClientInterceptorFactoryInterface() = default;
  /// A new interceptor for the call, which owns it; null: none. `info` lives as
  /// long as the interceptor.
  virtual Interceptor* CreateClientInterceptor(ClientRpcInfo* info) = 0;
};

/// One more interceptor, after the channel's own, for every call that this
/// process makes from now on. Once, with no call under way; `factory` must
/// outlive the calls. A second one ends the process, as in gRPC.
///
/// A request given to the callback API must live until the call's interceptors
/// have let it go on, where they do that later than in Intercept.
void RegisterGlobalClientInterceptorFactory(
    ClientInterceptorFactoryInterface* factory);
/// Back to none, for tests. No call may be under way.
void TestOnlyResetGlobalClientInterceptorFactory();

}  // namespace experimental
}  // namespace nearcall

#endif  // NEARCALL_CLIENT_INTERCEPTOR_H_
