// Serves Greeter on one target until SIGINT or SIGTERM.
#include <signal.h>

#include <iostream>
#include <memory>

#include "greeter_service.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "use: " << argv[0] << " TARGET\n"
              << "TARGET: where to serve, such as shm:greeter or unix:greeter, "
                 "or a name from the configuration\n";
    return 2;
  }
  // docs:begin serve
  GreeterImpl service;
  nearcall::ServerBuilder builder;
  builder.AddListeningPort(argv[1], nearcall::InsecureServerCredentials());
  builder.RegisterService(&service);
  std::unique_ptr<nearcall::Server> server = builder.BuildAndStart();
  // docs:end serve
  if (server == nullptr) {
    std::cerr << "cannot serve on '" << argv[1] << "'; the log says why\n";
    return 1;
  }
  // docs:begin wait
  server->ShutdownOnSignals({SIGINT, SIGTERM});
  std::cout << "serving on " << argv[1] << ", pid " << getpid() << std::endl;
  server->Wait();
  // docs:end wait
  return 0;
}
