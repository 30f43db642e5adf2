// Flow control: memory stays bounded, no stream waits for another, and large
// transfers both ways end.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/call/stream_test.h"

namespace nearcall::test {
namespace {

class FlowTest : public StreamTest {};

constexpr int64_t kMiB = 1 << 20;

Plan Endless(int64_t size, const std::string& gate) {
  Plan plan;
  plan.set_count(int64_t{1} << 40);
  plan.set_size(size);
  plan.set_gate(gate);
  return plan;
}

TEST_P(FlowTest, AStoppedReaderCostsNeitherSideMoreThanItsWindow) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Gatekeeper gates(served);
  ClientContext context;
  const auto stream =
      ServerStream(stub.get(), &context, Endless(64 * 1024, "writer"));
  // It writes and is read: whatever is allocated once is.
  Message message;
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(stream->Read(&message));
  const int64_t here = OwnState().resident_bytes();
  const int64_t there = gates.Process().resident_bytes();
  // More than memory holds was asked for, and nobody reads.
  for (int i = 0; i < 500; ++i) {
    ClientContext other;
    Message reply;
    ASSERT_THAT(stub->Echo(&other, MakeMessage(100), &reply), IsOk());
  }
  EXPECT_LT(OwnState().resident_bytes() - here, 4 * kMiB);
  EXPECT_LT(gates.Process().resident_bytes() - there, 4 * kMiB);
  // It was not dead: much more costs nothing either.
  int64_t bytes = 0;
  while (bytes < 32 * kMiB) {
    ASSERT_TRUE(stream->Read(&message));
    bytes += static_cast<int64_t>(message.payload().size());
  }
  EXPECT_LT(OwnState().resident_bytes() - here, 8 * kMiB);
  EXPECT_LT(gates.Process().resident_bytes() - there, 8 * kMiB);
  context.TryCancel();
  while (stream->Read(&message)) {
  }
  EXPECT_THAT(stream->Finish(), IsStatus(CANCELLED, ""));
  gates.AwaitEnded("writer");
}

TEST_P(FlowTest, AStoppedStreamDelaysNoOther) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Gatekeeper gates(served);
  ClientContext stopped_context;
  const auto stopped =
      ServerStream(stub.get(), &stopped_context, Endless(1 << 20, "stopped"));
  Plan plan;
  plan.set_gate("reader");
  plan.set_wait(true);
  ClientContext held_context;
  AddPlan(plan, &held_context);
  const auto held = Bidi(stub.get(), &held_context);
  std::thread writer([&] {
    while (held->Write(MakeMessage(100'000, 0))) {
    }
  });
  gates.AwaitEntered("stopped");
  gates.AwaitEntered("reader");
  // Each of these is larger than a window.
  for (int64_t i = 0; i < 20; ++i) {
    ClientContext context;
    Message reply;
    ASSERT_THAT(stub->Echo(&context, MakeMessage(500'000, i), &reply), IsOk());
    ASSERT_EQ(reply.sequence(), i);
  }
  stopped_context.TryCancel();
  held_context.TryCancel();
  writer.join();
  EXPECT_THAT(stopped->Finish(), IsStatus(CANCELLED, ""));
  EXPECT_THAT(held->Finish(), IsStatus(CANCELLED, ""));
}

TEST_P(FlowTest, LargeTransfersBothWaysAtOnceEnd) {
  ServerSettings settings;
  settings.max_receive = -1;
  settings.options =
      std::string("?frame_bytes=1024") + transport().smallest_options;
  const Served served = Serve(settings);
  const auto stub = TestService::NewStub(MakeChannel(Target()));
  // Four streams that each write 4 MB and answer as much, of messages below and
  // above the window, on one channel.
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      ClientContext context;
      const auto stream = Bidi(stub.get(), &context);
      const size_t size = t % 2 == 0 ? 20'000 : 1'000'000;
      const int64_t count = static_cast<int64_t>(4'000'000 / size);
      std::thread writer([&] {
        for (int64_t i = 0; i < count; ++i) {
          ASSERT_TRUE(stream->Write(MakeMessage(size, i)));
        }
        EXPECT_TRUE(stream->WritesDone());
      });
      Message message;
      int64_t read = 0;
      while (stream->Read(&message)) {
        ASSERT_EQ(message.sequence(), read);
        ASSERT_EQ(message.payload().size(), size);
        ++read;
      }
      writer.join();
      EXPECT_EQ(read, count);
      EXPECT_THAT(stream->Finish(), IsOk());
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// A link grants 16 MiB beyond the windows: messages that need more than their
// share take turns, and one that is given up lets the next one through.
TEST_P(FlowTest, MessagesBeyondTheLinksBudgetTakeTurns) {
  ServerSettings settings;
  settings.max_receive = -1;
  const Served served = Serve(settings);
  const auto stub = TestService::NewStub(MakeChannel(Target()));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const size_t size = (t % 2 == 0 ? size_t{18} : size_t{9}) << 20;
      ClientContext context;
      Message reply;
      ASSERT_THAT(stub->Echo(&context, MakeMessage(size, t), &reply), IsOk());
      ASSERT_EQ(reply.payload().size(), size);
    });
  }
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      ClientContext context;
      context.set_deadline(In(std::chrono::milliseconds(20 + 10 * t)));
      Message reply;
      stub->Echo(&context, MakeMessage(size_t{12} << 20), &reply).IgnoreError();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

INSTANTIATE_TEST_SUITE_P(All, FlowTest, ::testing::ValuesIn(AllStreamCases()),
                         NameOfStreamCase);

}  // namespace
}  // namespace nearcall::test
