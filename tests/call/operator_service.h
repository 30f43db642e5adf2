// Lets a test act on the server it calls.
#ifndef NEARCALL_TESTS_CALL_OPERATOR_SERVICE_H_
#define NEARCALL_TESTS_CALL_OPERATOR_SERVICE_H_

#include <nearcall/nearcall.h>

#include <future>
#include <thread>

#include "test.nearcall.pb.h"

namespace nearcall::test {

class OperatorService final : public Operator::Service {
 public:
  ~OperatorService() override;

  /// Calls wait until the server is known. Null: it did not start.
  void Operate(Server* server) { server_.set_value(server); }

  Status SetServing(ServerContext* context, const ServingState* request,
                    ServingState* reply) override;
  Status Shutdown(ServerContext* context, const ServingState* request,
                  ServingState* reply) override;

 private:
  std::promise<Server*> server_;
  const std::shared_future<Server*> operated_ = server_.get_future().share();
  std::thread shutdown_;
};

}  // namespace nearcall::test

#endif  // NEARCALL_TESTS_CALL_OPERATOR_SERVICE_H_
