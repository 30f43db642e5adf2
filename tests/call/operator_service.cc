#include "tests/call/operator_service.h"

namespace nearcall::test {

OperatorService::~OperatorService() {
  if (shutdown_.joinable()) shutdown_.join();
}

Status OperatorService::SetServing(ServerContext*, const ServingState* request,
                                   ServingState*) {
  HealthCheckServiceInterface* const health =
      operated_.get()->GetHealthCheckService();
  if (health == nullptr) {
    return Status(FAILED_PRECONDITION, "the server has no health service");
  }
  if (request->shutdown()) {
    health->Shutdown();
  } else if (request->all()) {
    health->SetServingStatus(request->serving());
  } else {
    health->SetServingStatus(request->service(), request->serving());
  }
  return Status();
}

Status OperatorService::Shutdown(ServerContext*, const ServingState*,
                                 ServingState*) {
  if (shutdown_.joinable()) return Status(ALREADY_EXISTS, "it has begun");
  shutdown_ = std::thread([server = operated_.get()] { server->Shutdown(); });
  return Status();
}

}  // namespace nearcall::test
