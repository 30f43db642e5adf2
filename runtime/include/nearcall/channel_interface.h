// What a stub calls through: a Channel, or something that stands before one.
#ifndef NEARCALL_CHANNEL_INTERFACE_H_
#define NEARCALL_CHANNEL_INTERFACE_H_

#include <nearcall/impl/client_call.h>
#include <nearcall/time.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

/// gRPC's names and order, usable under the same spelling by programs that move
/// over (compat/).
namespace nearcall {
enum class ConnectivityState : int {
  kIdle = 0,  ///< No connection, nobody asked for one.
  kConnecting = 1,
  kReady = 2,
  kTransientFailure = 3,  ///< The last attempt failed; another will follow.
  kShutdown = 4,
};

class ClientContext;
class ChannelInterface;

namespace experimental {
class ClientInterceptorFactoryInterface;
}

namespace internal {
class RpcMethod;

/// Whose interceptors see a channel's calls: those from `first` on.
struct ChannelInterceptors {
  std::shared_ptr<const std::vector<
      std::unique_ptr<experimental::ClientInterceptorFactoryInterface>>>
      factories;  ///< Null: the channel has none.
  size_t first = 0;
};
}  // namespace internal

/// Thread-safe.
class ChannelInterface {
 public:
  virtual ~ChannelInterface() = default;

  /// `try_to_connect`: leaves kIdle.
  virtual ConnectivityState GetState(bool try_to_connect) = 0;

  /// Blocks until the state is another than `last`. False: the deadline passed.
  template <typename T>
  bool WaitForStateChange(ConnectivityState last, T deadline) {
    return WaitForStateChangeUntil(last, TimePoint<T>(deadline).time());
  }
  /// Connects, and blocks until the channel is ready. False: the deadline
  /// passed, or the channel can never connect.
  template <typename T>
  bool WaitForConnected(T deadline) {
    const auto until = TimePoint<T>(deadline).time();
    for (;;) {
      const ConnectivityState state = GetState(/*try_to_connect=*/true);
      if (state == ConnectivityState::kReady) return true;
      if (state == ConnectivityState::kShutdown) return false;
      if (!WaitForStateChangeUntil(state, until)) return false;
    }
  }

  // --- For stubs and for what stands before a channel ---

  /// A call that has not started, bound to `context`, behind the interceptors
  /// of the channel and of the process. `sink` null: the caller will Wait. The
  /// context has its options and outlives the call's use of it.
  internal::ClientCallPtr NewCall(const internal::RpcMethod& method,
                                  ClientContext* context,
                                  internal::OpSink* sink);
  const internal::ChannelInterceptors& interceptors() const {
    return interceptors_;
  }

  /// What NewCall is made of: neither intercepted nor bound.
  virtual internal::ClientCallPtr CreateCall(const internal::RpcMethod& method,
                                             ClientContext* context,
                                             internal::OpSink* sink) = 0;
  /// A number by which the channel knows the method from then on; 0: none.
  virtual uint32_t RegisterMethod(const char* path) = 0;

 protected:
  ChannelInterface() = default;
  explicit ChannelInterface(internal::ChannelInterceptors interceptors)
      : interceptors_(std::move(interceptors)) {}

  virtual bool WaitForStateChangeUntil(
      ConnectivityState last,
      std::chrono::system_clock::time_point deadline) = 0;

 private:
  const internal::ChannelInterceptors interceptors_{};
};

}  // namespace nearcall

#endif  // NEARCALL_CHANNEL_INTERFACE_H_
