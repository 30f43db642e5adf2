// One call and its reply on the screen, the same for every program that calls.
#ifndef NEARCALL_EXAMPLES_HELLO_GREETER_CALL_H_
#define NEARCALL_EXAMPLES_HELLO_GREETER_CALL_H_

#include <nearcall/nearcall.h>

#include <chrono>
#include <iostream>
#include <string>

#include "hello.nearcall.pb.h"

/// The program's exit code: 0 when the call succeeded.
inline int Greet(const std::string& target, const std::string& name) {
  // docs:begin call
  auto stub = hello::Greeter::NewStub(
      nearcall::CreateChannel(target, nearcall::InsecureChannelCredentials()));
  hello::HelloRequest request;
  request.set_name(name);
  hello::HelloReply reply;
  nearcall::ClientContext context;
  context.set_wait_for_ready(true);  // The server may be just starting.
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(5));
  nearcall::Status status = stub->SayHello(&context, request, &reply);
  // docs:end call
  if (!status.ok()) {
    std::cerr << "the call to '" << target
              << "' failed: " << status.error_message() << " (code "
              << status.error_code() << ")\n";
    return 1;
  }
  std::cout << reply.message() << " (server pid " << reply.server_pid()
            << ", which sees this client as " << reply.peer() << ")\n";
  return 0;
}

#endif  // NEARCALL_EXAMPLES_HELLO_GREETER_CALL_H_
