// signal_client TARGET: reads a stream without end and throws it away. Writes a
// byte once the stream has begun.
#include <unistd.h>

#include "tests/call/services.h"

int main(int argc, char** argv) {
  using namespace nearcall::test;
  if (argc != 2) return 2;
  const auto stub = TestService::NewStub(
      nearcall::CreateChannel(argv[1], nearcall::InsecureChannelCredentials()));
  nearcall::ClientContext context;
  Plan plan;
  plan.set_count(1 << 30);
  plan.set_size(10'000);
  const auto reader = stub->ServerStream(&context, plan);
  Message message;
  for (int i = 0; reader->Read(&message); ++i) {
    if (i == 0 && write(STDOUT_FILENO, ".", 1) != 1) return 1;
  }
  return 0;
}
