// Serves Greeter on one target until SIGINT or SIGTERM.
#include <signal.h>

#include <chrono>
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
  // Before any thread exists, so that none of them takes the signal.
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGINT);
  sigaddset(&stop, SIGTERM);
  sigprocmask(SIG_BLOCK, &stop, nullptr);

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
  std::cout << "serving on " << argv[1] << ", pid " << getpid() << std::endl;
  int signal = 0;
  sigwait(&stop, &signal);
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
  return 0;
}
