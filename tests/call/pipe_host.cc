// pipe_host TARGET: calls the server that its channel starts, and stays until
// it is killed. Its standard output is the server's alone.
#include <unistd.h>

#include <cstdio>

#include "tests/call/services.h"

int main(int, char** argv) {
  const auto stub = nearcall::test::TestService::NewStub(
      nearcall::CreateChannel(argv[1], nearcall::InsecureChannelCredentials()));
  nearcall::ClientContext context;
  nearcall::test::Message message;
  const nearcall::Status status = stub->Echo(&context, message, &message);
  if (!status.ok()) {
    std::fprintf(stderr, "pipe_host: %s\n", status.error_message().c_str());
    return 1;
  }
  for (;;) pause();
}
