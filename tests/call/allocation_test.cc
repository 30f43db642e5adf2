// A steady unary call takes nothing from the heap in either process: a
// deadline, two entries of metadata, messages that are used again.
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "tests/call/call_test.h"
#include "tests/support/malloc_counter.h"

namespace nearcall::test {
namespace {

constexpr int kWarmUp = 2000;
constexpr int kCalls = 10'000;
// A busy machine can make a server take another thread, once. What calls take
// they take in each round.
constexpr int kRounds = 5;

class AllocationTest : public CallTest {
 protected:
  AllocationTest() { request_.set_payload(std::string(64, 'x')); }

  void Call(TestService::Stub* stub, int count) {
    for (int i = 1; i <= count; ++i) {
      ClientContext context;
      context.set_deadline(In(std::chrono::minutes(1)));
      context.AddMetadata("trace-id", "0123456789");
      context.AddMetadata("tenant", "a");
      request_.set_sequence(i);
      const Status status = stub->Echo(&context, request_, &reply_);
      ASSERT_TRUE(status.ok()) << status.ToString();  // A matcher allocates.
      ASSERT_EQ(reply_.sequence(), i);
    }
  }

  Message request_;
  Message reply_;
};

TEST_P(AllocationTest, ASteadyUnaryCallTakesNothingFromTheHeap) {
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  const Served served = Serve();
  ASSERT_NO_FATAL_FAILURE(Call(stub.get(), kWarmUp));
  Gatekeeper gates(served);
  EXPECT_GT(gates.Allocations(), 0) << "the server does not count";
  int64_t client = -1;
  int64_t server = -1;
  for (int round = 0; round < kRounds && (client != 0 || server != 0);
       ++round) {
    // What it takes to ask is taken before the calls.
    gates.Allocations();
    const int64_t server_before = gates.Allocations();
    const int64_t client_before = internal::AllocationsSoFar();
    ASSERT_NO_FATAL_FAILURE(Call(stub.get(), kCalls));
    client = internal::AllocationsSoFar() - client_before;
    server = gates.Allocations() - server_before;
    std::printf("%s: %d calls, allocations: client %lld, server %lld\n",
                GetParam().scheme, kCalls, static_cast<long long>(client),
                static_cast<long long>(server));
  }
  EXPECT_EQ(client, 0);
  EXPECT_EQ(server, 0);
}

INSTANTIATE_TEST_SUITE_P(
    All, AllocationTest, ::testing::ValuesIn(AllTransports()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);

}  // namespace
}  // namespace nearcall::test
