// A channel that stands before another one.
#ifndef NEARCALL_DELEGATING_CHANNEL_H_
#define NEARCALL_DELEGATING_CHANNEL_H_

#include <nearcall/channel_interface.h>
#include <nearcall/impl/rpc_method.h>

#include <chrono>
#include <memory>
#include <utility>

namespace nearcall::experimental {

/// Passes everything on; derive from it to change some of that. The calls are
/// seen by the interceptors of the channel behind it.
class DelegatingChannel : public ChannelInterface {
 public:
  explicit DelegatingChannel(std::shared_ptr<ChannelInterface> delegate_channel)
      : DelegatingChannel(delegate_channel, delegate_channel->interceptors()) {}

  ConnectivityState GetState(bool try_to_connect) override {
    return delegate_->GetState(try_to_connect);
  }
  internal::ClientCallPtr CreateCall(const internal::RpcMethod& method,
                                     ClientContext* context,
                                     internal::OpSink* sink) override {
    return delegate_->CreateCall(method, context, sink);
  }
  uint32_t RegisterMethod(const char* path) override {
    return delegate_->RegisterMethod(path);
  }

 protected:
  DelegatingChannel(std::shared_ptr<ChannelInterface> delegate_channel,
                    internal::ChannelInterceptors interceptors)
      : ChannelInterface(std::move(interceptors)),
        delegate_(std::move(delegate_channel)) {}

  std::shared_ptr<ChannelInterface> delegate_channel() { return delegate_; }
  bool WaitForStateChangeUntil(
      ConnectivityState last,
      std::chrono::system_clock::time_point deadline) override {
    return delegate_->WaitForStateChange(last, deadline);
  }

 private:
  const std::shared_ptr<ChannelInterface> delegate_;
};

}  // namespace nearcall::experimental

#endif  // NEARCALL_DELEGATING_CHANNEL_H_
