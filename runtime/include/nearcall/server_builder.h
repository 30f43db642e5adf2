#ifndef NEARCALL_SERVER_BUILDER_H_
#define NEARCALL_SERVER_BUILDER_H_

#include <nearcall/buffering.h>
#include <nearcall/channel_arguments.h>
#include <nearcall/connection_observer.h>
#include <nearcall/credentials.h>
#include <nearcall/health_check_service_interface.h>
#include <nearcall/reflection.h>
#include <nearcall/resource_quota.h>
#include <nearcall/server.h>
#include <nearcall/server_builder_plugin.h>

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/statusor.h"

namespace nearcall {

class CallbackGenericService;
class Service;
namespace experimental {
class ServerInterceptorFactoryInterface;
}

/// Collects what a server is made of. One thread at a time; good for one
/// server. Setters return *this.
class ServerBuilder {
 public:
  ServerBuilder();
  virtual ~ServerBuilder();

  /// A target as clients write it, or a logical name of the configuration.
  /// `selected_port`, when not null, is set by BuildAndStart: TCP's port
  /// number, 1 for a transport without ports, 0 when the server did not start.
  ServerBuilder& AddListeningPort(
      const std::string& target, std::shared_ptr<ServerCredentials> credentials,
      int* selected_port = nullptr);
  /// A socket that the process was given or has made, Unix or TCP: one that
  /// listens, or one connected to the only client there will be. The same as
  /// the target fd:N. From BuildAndStart on it is the library's to close, also
  /// when the server does not start.
  ServerBuilder& AddListeningFd(int fd,
                                std::shared_ptr<ServerCredentials> credentials,
                                int* selected_port = nullptr);

  /// `service` must outlive the server.
  ServerBuilder& RegisterService(Service* service);
  /// Only for calls with this authority.
  ServerBuilder& RegisterService(const std::string& host, Service* service);

  /// Answers what no service does; at most one. Must outlive the server.
  ServerBuilder& RegisterCallbackGenericService(
      CallbackGenericService* service);

  /// Hears of clients that connect and go. Must outlive the server.
  ServerBuilder& SetConnectionObserver(ConnectionObserver* observer) {
    observer_ = observer;
    return *this;
  }

  /// Who may ask the server for its services and their descriptions. A
  /// reflection service that the program registers itself comes before it.
  /// Default: kSameUser, or as InitProtoReflectionServerBuilderPlugin says.
  ServerBuilder& SetReflection(Reflection audience) {
    reflection_ = audience;
    return *this;
  }

  /// Bytes; -1: no limit. Default: 4 MiB received, no limit sent.
  ServerBuilder& SetMaxReceiveMessageSize(int bytes) {
    max_receive_ = bytes;
    return *this;
  }
  ServerBuilder& SetMaxSendMessageSize(int bytes) {
    max_send_ = bytes;
    return *this;
  }
  ServerBuilder& SetMaxMessageSize(int bytes) {
    return SetMaxReceiveMessageSize(bytes);
  }
  /// Of the server's streams. Default: bounded, unless the method says more.
  ServerBuilder& SetStreamBuffering(const Buffering& buffering) {
    buffering_ = buffering;
    return *this;
  }
  /// Threads that run handlers, at most. Default 256.
  ServerBuilder& SetMaxThreads(int threads) {
    max_threads_ = threads;
    return *this;
  }

  /// Changes arguments and adds plugins when the server is built.
  ServerBuilder& SetOption(std::unique_ptr<ServerBuilderOption> option);
  /// gRPC's argument names. The message size limits count as their setters do;
  /// the others change nothing.
  template <typename T>
  ServerBuilder& AddChannelArgument(const std::string& name, const T& value) {
    if constexpr (std::is_convertible_v<T, std::string>) {
      arguments_.SetString(name, value);
    } else {
      arguments_.SetInt(name, static_cast<int>(value));
    }
    return *this;
  }
  ServerBuilder& SetResourceQuota(const ResourceQuota& quota) {
    if (quota.max_threads() > 0) max_threads_ = quota.max_threads();
    return *this;
  }

  enum SyncServerOption { NUM_CQS, MIN_POLLERS, MAX_POLLERS, CQ_TIMEOUT_MSEC };
  /// Changes nothing: there are no queues to poll. See SetMaxThreads.
  ServerBuilder& SetSyncServerOption(SyncServerOption /*option*/,
                                     int /*value*/) {
    return *this;
  }
  /// These change nothing: what stays on one machine is not compressed.
  ServerBuilder& SetCompressionAlgorithmSupportStatus(int /*algorithm*/,
                                                      bool /*enabled*/) {
    return *this;
  }
  ServerBuilder& SetDefaultCompressionLevel(int /*level*/) { return *this; }
  ServerBuilder& SetDefaultCompressionAlgorithm(int /*algorithm*/) {
    return *this;
  }

  /// For libraries that are linked in: a plugin of each factory takes part in
  /// every server. Before the first is built.
  static void InternalAddPluginFactory(
      std::unique_ptr<ServerBuilderPlugin> (*create_plugin)());

  /// What gRPC has under this name.
  class experimental_type {
   public:
    explicit experimental_type(ServerBuilder* builder) : builder_(builder) {}
    /// Every call goes through an interceptor of each factory: what is received
    /// from the last to the first, what is sent from the first to the last
    /// (nearcall/server_interceptor.h).
    void SetInterceptorCreators(
        std::vector<std::unique_ptr<
            nearcall::experimental::ServerInterceptorFactoryInterface>>
            interceptor_creators);

   private:
    ServerBuilder* const builder_;
  };
  experimental_type experimental() { return experimental_type(this); }

  /// Null, with the reason logged to stderr, when the server cannot start.
  virtual std::unique_ptr<Server> BuildAndStart();
  /// The same, with the reason as the result.
  absl::StatusOr<std::unique_ptr<Server>> Start();

 private:
  absl::StatusOr<std::unique_ptr<Server>> StartWith(
      std::vector<std::shared_ptr<Service>> plugin_services);

  struct Port {
    std::string target;
    std::shared_ptr<ServerCredentials> credentials;
    int* selected_port;
  };
  struct Registration {
    std::string host;
    Service* service;
  };
  std::vector<Port> ports_;
  std::vector<Registration> services_;
  std::vector<std::unique_ptr<
      nearcall::experimental::ServerInterceptorFactoryInterface>>
      interceptor_creators_;
  std::vector<std::unique_ptr<ServerBuilderOption>> options_;
  ChannelArguments arguments_;
  CallbackGenericService* generic_ = nullptr;
  ConnectionObserver* observer_ = nullptr;
  std::optional<Reflection> reflection_;
  /// As HealthCheckServiceServerBuilderOption says; none: the default.
  std::optional<std::unique_ptr<HealthCheckServiceInterface>> health_;
  int max_receive_ = 4 * 1024 * 1024;
  int max_send_ = -1;
  std::optional<Buffering> buffering_;
  int max_threads_ = 256;
};

}  // namespace nearcall

#endif  // NEARCALL_SERVER_BUILDER_H_
