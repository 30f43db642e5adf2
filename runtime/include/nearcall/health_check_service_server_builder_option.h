// One server's health service in place of the default one, as in gRPC.
#ifndef NEARCALL_HEALTH_CHECK_SERVICE_SERVER_BUILDER_OPTION_H_
#define NEARCALL_HEALTH_CHECK_SERVICE_SERVER_BUILDER_OPTION_H_

#include <nearcall/health_check_service_interface.h>
#include <nearcall/server_builder_plugin.h>

#include <memory>
#include <utility>
#include <vector>

namespace nearcall {

/// For ServerBuilder::SetOption. The server then does not answer health checks
/// itself: a service that the program registers does, if any.
class HealthCheckServiceServerBuilderOption final : public ServerBuilderOption {
 public:
  /// What Server::GetHealthCheckService gives; the server keeps it. Null: it
  /// gives null.
  explicit HealthCheckServiceServerBuilderOption(
      std::unique_ptr<HealthCheckServiceInterface> service)
      : service_(std::move(service)) {}

  /// Once: the builder has the service from then on.
  void UpdateArguments(ChannelArguments* arguments) override {
    arguments->SetPointer(kHealthCheckServiceInterfaceArg, service_.release());
  }
  void UpdatePlugins(
      std::vector<std::unique_ptr<ServerBuilderPlugin>>*) override {}

 private:
  std::unique_ptr<HealthCheckServiceInterface> service_;
};

}  // namespace nearcall

#endif  // NEARCALL_HEALTH_CHECK_SERVICE_SERVER_BUILDER_OPTION_H_
