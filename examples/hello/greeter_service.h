// The service, the same for every program that serves it.
#ifndef NEARCALL_EXAMPLES_HELLO_GREETER_SERVICE_H_
#define NEARCALL_EXAMPLES_HELLO_GREETER_SERVICE_H_

#include <nearcall/nearcall.h>
#include <unistd.h>

#include "hello.nearcall.pb.h"

// docs:begin service
class GreeterImpl final : public hello::Greeter::Service {
  nearcall::Status SayHello(nearcall::ServerContext* context,
                            const hello::HelloRequest* request,
                            hello::HelloReply* reply) override {
    reply->set_message("Hello, " + request->name());
    reply->set_server_pid(getpid());
    reply->set_peer(context->peer());
    return nearcall::Status::OK;
  }
};
// docs:end service

#endif  // NEARCALL_EXAMPLES_HELLO_GREETER_SERVICE_H_
