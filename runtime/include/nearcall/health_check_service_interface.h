// Health checks, as in gRPC: a server says of each of its services, under a
// name that it chooses, whether that is serving; the name "" is the server as a
// whole. Clients ask through grpc.health.v1.Health.
#ifndef NEARCALL_HEALTH_CHECK_SERVICE_INTERFACE_H_
#define NEARCALL_HEALTH_CHECK_SERVICE_INTERFACE_H_

#include <string>

namespace nearcall {

/// The argument that HealthCheckServiceServerBuilderOption sets.
inline constexpr char kHealthCheckServiceInterfaceArg[] =
    "grpc.health_check_service_interface";

/// Thread-safe.
class HealthCheckServiceInterface {
 public:
  virtual ~HealthCheckServiceInterface() = default;

  /// The name is known from now on, as SERVING or NOT_SERVING. After
  /// Shutdown: as NOT_SERVING whatever `serving` is.
  virtual void SetServingStatus(const std::string& service_name,
                                bool serving) = 0;
  /// Of all names that are known. After Shutdown it does nothing.
  virtual void SetServingStatus(bool serving) = 0;
  /// All names that are known become NOT_SERVING, and stay so.
  virtual void Shutdown() {}
};

/// Whether servers built from now on answer health checks themselves: each
/// then has a HealthCheckServiceInterface (Server::GetHealthCheckService) that
/// knows the name "", which is SERVING. Off at first. Any thread.
void EnableDefaultHealthCheckService(bool enable);
bool DefaultHealthCheckServiceEnabled();

}  // namespace nearcall

#endif  // NEARCALL_HEALTH_CHECK_SERVICE_INTERFACE_H_
