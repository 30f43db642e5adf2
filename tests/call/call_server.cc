// call_server [OPTION]... TARGET...: serves test.proto on every target until it
// is killed. Writes one line, "ready ADDRESS...", once it does.
//
//   --callback             reactors in place of blocking handlers
//   --record-hooks         RecordingServerInterceptors
//   --health               answers health checks
//   --reflection=AUDIENCE  as ServerBuilder::SetReflection, by number
//   --max-receive=BYTES    as ServerBuilder::SetMaxReceiveMessageSize
//   --max-send=BYTES
//   --max-threads=COUNT
//   --buffering=MODE       as ServerBuilder::SetStreamBuffering, by number
//   --buffering-bytes=BYTES
//   --ledger=FILE          where Echo writes each sequence number
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/call/test_server.h"

int main(int argc, char** argv) {
  nearcall::test::ServerSettings settings;
  int reflection = 0;
  const auto number = [](const char* argument, const char* option, int* value) {
    const size_t size = std::strlen(option);
    if (std::strncmp(argument, option, size) != 0) return false;
    *value = std::atoi(argument + size);
    return true;
  };
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--callback") == 0) {
      settings.callback = true;
    } else if (std::strcmp(argv[i], "--record-hooks") == 0) {
      settings.record_hooks = true;
    } else if (std::strcmp(argv[i], "--health") == 0) {
      settings.health = true;
    } else if (number(argv[i], "--reflection=", &reflection)) {
      settings.reflection = static_cast<nearcall::Reflection>(reflection);
    } else if (number(argv[i], "--max-receive=", &settings.max_receive) ||
               number(argv[i], "--max-send=", &settings.max_send) ||
               number(argv[i], "--max-threads=", &settings.max_threads) ||
               number(argv[i], "--buffering=", &settings.buffering) ||
               number(argv[i],
                      "--buffering-bytes=", &settings.buffering_bytes)) {
      continue;
    } else if (std::strncmp(argv[i], "--ledger=", 9) == 0) {
      settings.ledger = argv[i] + 9;
    } else if (argv[i][0] == '-') {
      std::fprintf(stderr, "call_server: unknown option %s\n", argv[i]);
      return 2;
    } else {
      settings.targets.push_back(argv[i]);
    }
  }
  nearcall::test::TestServer server(settings);
  if (server.server() == nullptr) return 1;
  std::string line = "ready";
  for (const std::string& address : server.server()->addresses()) {
    line += " " + address;
  }
  std::puts(line.c_str());
  std::fflush(stdout);
  server.server()->Wait();
}
