// grpc.health.v1.Health, by default the server's own.
#ifndef NEARCALL_RUNTIME_HEALTH_SERVICE_H_
#define NEARCALL_RUNTIME_HEALTH_SERVICE_H_

#include <nearcall/health_check_service_interface.h>
#include <nearcall/server_callback.h>

#include <map>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "nearcall/health.pb.h"
#include "runtime/standard_service.h"

namespace nearcall::internal {

class HealthService final : public StandardService,
                            public HealthCheckServiceInterface {
 public:
  HealthService();

  void SetServingStatus(const std::string& name, bool serving) override;
  void SetServingStatus(bool serving) override;
  void Shutdown() override;

 private:
  using Request = health::HealthCheckRequest;
  using Response = health::HealthCheckResponse;
  using ServingStatus = Response::ServingStatus;
  class Watch;
  /// A name that was set, or that somebody watches.
  struct Entry {
    bool known() const { return status != Response::SERVICE_UNKNOWN; }

    ServingStatus status = Response::SERVICE_UNKNOWN;
    absl::flat_hash_set<Watch*> watches;
  };

  ServerUnaryReactor* OnCheck(CallbackServerContext* context,
                              const Request& request, Response* response);
  ServerWriteReactor<Response>* OnWatch(const Request& request);
  void Set(Entry* entry, bool serving) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetAll(bool serving) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  bool shut_down_ ABSL_GUARDED_BY(mu_) = false;
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_HEALTH_SERVICE_H_
