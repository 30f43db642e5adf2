// Cancellation at any moment, from either side, against everything else: each
// call ends exactly once, with a status that one of its sides has set.
#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/call/stream_test.h"

namespace nearcall::test {
namespace {

class CancelRaceTest : public StreamTest {
 protected:
  /// One call of a random shape, cancelled at a random moment.
  void RaceOnce(TestService::Stub* stub, std::minstd_rand* random) const {
    const Shape shape = kShapes[(*random)() % 4];
    Plan plan;
    plan.set_count(shape == Shape::kServerStream ? 5 : 0);
    plan.set_size((*random)() % 4 == 0 ? 70'000 : 10);
    plan.set_cancel((*random)() % 4 == 0);
    plan.set_cancel_after((*random)() % 3);
    ClientContext context;
    std::atomic<bool> begun{false};
    const unsigned spins = (*random)() % 4000;
    std::thread canceller([&] {
      while (!begun) {
      }
      for (std::atomic<unsigned> i = 0; i < spins; ++i) {
      }
      context.TryCancel();
    });
    Status status;
    if (shape == Shape::kUnary || shape == Shape::kServerStream) {
      begun = true;
      status = Run(shape, stub, &context, plan);
    } else {
      AddPlan(plan, &context);
      Summary summary;
      begun = true;
      const auto stream = shape == Shape::kBidi
                              ? Bidi(stub, &context)
                              : ClientStream(stub, &context, &summary);
      const Message message = MakeMessage(static_cast<size_t>(plan.size()));
      Message reply;
      for (int i = 0; i < 3 && stream->Write(message); ++i) {
        if (shape == Shape::kBidi && !stream->Read(&reply)) break;
      }
      stream->WritesDone();
      status = stream->Finish();
    }
    canceller.join();
    EXPECT_TRUE(status.ok() || status.error_code() == CANCELLED)
        << status.ToString();
  }
};

TEST_P(CancelRaceTest, EachCallEndsOnce) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  constexpr int kThreads = 4;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::minstd_rand random(static_cast<unsigned>(t + 1));
      const auto until =
          std::chrono::steady_clock::now() + std::chrono::milliseconds(700);
      while (std::chrono::steady_clock::now() < until) {
        RaceOnce(stub.get(), &random);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  // Nothing is left behind.
  ClientContext context;
  EXPECT_THAT(Run(Shape::kBidi, stub.get(), &context, Plan()), IsOk());
}

INSTANTIATE_TEST_SUITE_P(All, CancelRaceTest,
                         ::testing::ValuesIn(AllStreamCases()),
                         NameOfStreamCase);

}  // namespace
}  // namespace nearcall::test
