// Server and client in one process: what inproc: is for. Neither the service
// nor the call differs from the programs that run apart.
#include <iostream>
#include <memory>

#include "greeter_call.h"
#include "greeter_service.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "use: " << argv[0] << " TARGET NAME\n"
              << "TARGET: such as inproc:greeter\n";
    return 2;
  }
  GreeterImpl service;
  nearcall::ServerBuilder builder;
  builder.AddListeningPort(argv[1], nearcall::InsecureServerCredentials());
  builder.RegisterService(&service);
  std::unique_ptr<nearcall::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::cerr << "cannot serve on '" << argv[1] << "'; the log says why\n";
    return 1;
  }
  std::cout << "serving on " << argv[1] << ", pid " << getpid() << std::endl;
  return Greet(argv[1], argv[2]);
}
