// signal_server [OPTION]... TARGET CONTROL: serves test.proto on TARGET, which
// SIGINT and SIGTERM end, and beside it the gates on CONTROL, which they do
// not. Writes "ready", and "drained" when TARGET's server has ended.
//
//   --grace-millis=N   how long it waits for running calls (default: an hour)
//   --blocked          every thread has SIGINT and SIGTERM blocked
//   --linger           does not end by itself
//   --storm            SIGUSR1 comes 1000 times a second
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/call/services.h"
#include "tests/signals/storm.h"

namespace nearcall::test {
namespace {

std::unique_ptr<Server> Serve(const std::string& target,
                              const std::vector<Service*>& services) {
  ServerBuilder builder;
  builder.AddListeningPort(target, InsecureServerCredentials());
  for (Service* service : services) builder.RegisterService(service);
  return builder.BuildAndStart();
}

int Main(int argc, char** argv) {
  long grace_millis = 3'600'000;
  bool linger = false;
  bool storm = false;
  std::vector<std::string> targets;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.rfind("--grace-millis=", 0) == 0) {
      grace_millis = std::atol(argv[i] + std::strlen("--grace-millis="));
    } else if (argument == "--blocked") {
      sigset_t stop;
      sigemptyset(&stop);
      sigaddset(&stop, SIGINT);
      sigaddset(&stop, SIGTERM);
      sigprocmask(SIG_BLOCK, &stop, nullptr);
    } else if (argument == "--linger") {
      linger = true;
    } else if (argument == "--storm") {
      storm = true;
    } else {
      targets.push_back(argument);
    }
  }
  if (targets.size() != 2) return 2;
  Gates gates;
  SyncService service(&gates);
  ControlService control(&gates);
  const std::unique_ptr<Server> beside = Serve(targets[1], {&control});
  const std::unique_ptr<Server> server = Serve(targets[0], {&service});
  if (beside == nullptr || server == nullptr) return 1;
  if (!server->ShutdownOnSignals({SIGINT, SIGTERM},
                                 std::chrono::milliseconds(grace_millis))) {
    return 1;
  }
  Storm usr1;
  if (storm) usr1.Begin();
  std::puts("ready");
  std::fflush(stdout);
  server->Wait();
  if (storm && usr1.count() == 0) return 3;
  std::puts("drained");
  std::fflush(stdout);
  while (linger) pause();
  return 0;
}

}  // namespace
}  // namespace nearcall::test

int main(int argc, char** argv) { return nearcall::test::Main(argc, argv); }
