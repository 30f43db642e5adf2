// How a channel's calls get their interceptors.
#include <nearcall/channel.h>
#include <nearcall/client_interceptor.h>
#include <nearcall/delegating_channel.h>
#include <nearcall/impl/context_access.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "runtime/intercepted_client_call.h"
#include "runtime/interceptor_batch.h"

namespace nearcall {
namespace {

std::atomic<experimental::ClientInterceptorFactoryInterface*> global_factory{
    nullptr};

class InterceptedChannel final : public experimental::DelegatingChannel {
 public:
  InterceptedChannel(std::shared_ptr<ChannelInterface> channel,
                     internal::ChannelInterceptors interceptors)
      : DelegatingChannel(std::move(channel), std::move(interceptors)) {}
};

}  // namespace

internal::ClientCallPtr ChannelInterface::NewCall(
    const internal::RpcMethod& method, ClientContext* context,
    internal::OpSink* sink) {
  auto* const global = global_factory.load(std::memory_order_acquire);
  internal::ClientCallPtr call =
      global == nullptr && interceptors_.factories == nullptr
          ? CreateCall(method, context, sink)
          : internal::InterceptedClientCall::Make(this, method, context, sink,
                                                  global);
  internal::ClientContextAccess::Bind(context, call.get());
  return call;
}

namespace internal {

std::unique_ptr<ChannelInterface> MakeChannelPast(ChannelInterface* channel,
                                                  size_t first) {
  ChannelInterceptors interceptors = channel->interceptors();
  if (interceptors.factories == nullptr) {
    interceptors.factories =
        std::make_shared<const ClientInterceptorFactories>();
  }
  interceptors.first = first;
  // Not an owner of it.
  std::shared_ptr<ChannelInterface> delegate(std::shared_ptr<void>(), channel);
  return std::make_unique<InterceptedChannel>(std::move(delegate),
                                              std::move(interceptors));
}

std::shared_ptr<ChannelInterface> Intercept(
    std::shared_ptr<ChannelInterface> channel,
    ClientInterceptorFactories factories) {
  if (factories.empty()) return channel;
  ChannelInterceptors interceptors;
  interceptors.factories =
      std::make_shared<const ClientInterceptorFactories>(std::move(factories));
  return std::make_shared<InterceptedChannel>(std::move(channel),
                                              std::move(interceptors));
}

}  // namespace internal

namespace experimental {

std::shared_ptr<Channel> CreateCustomChannelWithInterceptors(
    const std::string& target,
    const std::shared_ptr<ChannelCredentials>& credentials,
    const ChannelArguments& arguments,
    std::vector<std::unique_ptr<ClientInterceptorFactoryInterface>>
        interceptor_creators) {
  return internal::Intercept(
      CreateCustomChannel(target, credentials, arguments),
      std::move(interceptor_creators));
}

void RegisterGlobalClientInterceptorFactory(
    ClientInterceptorFactoryInterface* factory) {
  ClientInterceptorFactoryInterface* none = nullptr;
  if (global_factory.compare_exchange_strong(none, factory)) return;
  std::fprintf(stderr,
               "nearcall: a second RegisterGlobalClientInterceptorFactory: "
               "there can be one global factory; make it create an "
               "interceptor that does both\n");
  std::abort();
}

void TestOnlyResetGlobalClientInterceptorFactory() {
  global_factory.store(nullptr);
}

}  // namespace experimental
}  // namespace nearcall
