// call_client TARGET GATE: a client to be killed. Calls Block, which waits at
// the gate, and ends when the call does: 0 if it was OK.
#include <nearcall/nearcall.h>

#include <cstdio>

#include "test.nearcall.pb.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: call_client TARGET GATE\n");
    return 2;
  }
  const auto stub = nearcall::test::TestService::NewStub(
      nearcall::CreateChannel(argv[1], nearcall::InsecureChannelCredentials()));
  nearcall::ClientContext context;
  nearcall::test::Plan plan;
  plan.set_gate(argv[2]);
  plan.set_wait(true);
  nearcall::test::Message reply;
  const nearcall::Status status = stub->Block(&context, plan, &reply);
  if (status.ok()) return 0;
  std::fprintf(stderr, "call_client: %s\n", status.ToString().c_str());
  return 1;
}
