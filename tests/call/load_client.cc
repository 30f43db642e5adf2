// load_client TARGET CLIENTS MILLIS: a Load in a process of its own. Writes
// "ready" when every client has been served once, begins at the end of its
// standard input, and writes how many calls each client made.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "tests/call/load.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: load_client TARGET CLIENTS MILLIS\n");
    return 2;
  }
  nearcall::test::Load load(argv[1], std::atoi(argv[2]));
  std::puts("ready");
  std::fflush(stdout);
  char c;
  while (read(STDIN_FILENO, &c, 1) > 0) {
  }
  load.Begin(std::chrono::milliseconds(std::atoi(argv[3])));
  for (const int64_t count : load.Finish()) {
    std::printf("%lld\n", static_cast<long long>(count));
  }
}
