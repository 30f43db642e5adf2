// The buffering of streams, by its effect on who waits for whom.
#include <chrono>
#include <future>
#include <string>

#include "tests/call/stream_test.h"

namespace nearcall::test {
namespace {

constexpr int kRendezvous = static_cast<int>(BufferingMode::kRendezvous);
constexpr int kUnbounded = static_cast<int>(BufferingMode::kUnbounded);

class BufferingTest : public StreamTest {
 protected:
  std::unique_ptr<TestService::Stub> Stub(
      std::optional<Buffering> buffering = {}) const {
    ChannelArguments arguments;
    if (buffering.has_value()) arguments.SetStreamBuffering(*buffering);
    return TestService::NewStub(
        CreateCustomChannel(Target(), InsecureChannelCredentials(), arguments));
  }
  /// `count` messages of `size` bytes, counted at "written".
  static Plan Sends(int64_t count, int64_t size) {
    Plan plan;
    plan.set_count(count);
    plan.set_size(size);
    plan.set_count_gate("written");
    return plan;
  }
  /// Everything that was on its way on the stub's channel has arrived.
  static void RoundTrip(TestService::Stub* stub) {
    for (int i = 0; i < 3; ++i) {
      ClientContext context;
      Message reply;
      ASSERT_THAT(stub->Echo(&context, Message(), &reply), IsOk());
    }
  }

  void ServerStreamMeetsEachRead(TestService::Stub* stub,
                                 const Served& served) {
    Gatekeeper gates(served);
    ClientContext context;
    const auto stream = ServerStream(stub, &context, Sends(5, 100));
    Message message;
    for (int64_t i = 0; i < 5; ++i) {
      RoundTrip(stub);
      EXPECT_EQ(gates.AwaitEntered("written", i).entered(), i);
      ASSERT_TRUE(stream->Read(&message));
      EXPECT_EQ(message.sequence(), i);
      gates.AwaitEntered("written", i + 1);
    }
    EXPECT_FALSE(stream->Read(&message));
    EXPECT_THAT(stream->Finish(), IsOk());
  }
  void ClientStreamWaitsForTheReader(TestService::Stub* stub,
                                     const Served& served) {
    Gatekeeper gates(served);
    Plan plan;
    plan.set_gate("reader");
    plan.set_wait(true);
    ClientContext context;
    AddPlan(plan, &context);
    Summary summary;
    const auto stream = ClientStream(stub, &context, &summary);
    gates.AwaitEntered("reader");
    auto written = std::async(
        std::launch::async, [&] { return stream->Write(MakeMessage(10, 0)); });
    RoundTrip(stub);
    EXPECT_EQ(written.wait_for(std::chrono::seconds(0)),
              std::future_status::timeout);
    gates.Open("reader");
    EXPECT_TRUE(written.get());
    // Larger than the window, too.
    EXPECT_TRUE(stream->Write(MakeMessage(300'000, 1)));
    EXPECT_TRUE(stream->WritesDone());
    EXPECT_THAT(stream->Finish(), IsOk());
    EXPECT_EQ(summary.count(), 2);
  }
};

TEST_P(BufferingTest, BoundedWritesFillTheWindow) {
  const Served served = Serve();
  const auto stub = Stub();
  Gatekeeper gates(served);
  ClientContext context;
  const auto stream = ServerStream(stub.get(), &context, Sends(1000, 1000));
  gates.AwaitEntered("written", 60);
  RoundTrip(stub.get());
  EXPECT_LE(gates.AwaitEntered("written", 0).entered(), 64);
  Message message;
  int64_t count = 0;
  while (stream->Read(&message)) ++count;
  EXPECT_EQ(count, 1000);
  EXPECT_THAT(stream->Finish(), IsOk());
}

TEST_P(BufferingTest, TheWindowIsTheReadersChoice) {
  const Served served = Serve();
  const auto stub = Stub(Buffering{BufferingMode::kBounded, 1 << 20});
  Gatekeeper gates(served);
  ClientContext context;
  const auto stream = ServerStream(stub.get(), &context, Sends(2000, 1000));
  // A sync client reads its link while somebody waits.
  while (gates.AwaitEntered("written", 0).entered() < 950) {
    RoundTrip(stub.get());
  }
  RoundTrip(stub.get());
  EXPECT_LE(gates.AwaitEntered("written", 0).entered(), 1024);
  Message message;
  int64_t count = 0;
  while (stream->Read(&message)) ++count;
  EXPECT_EQ(count, 2000);
  EXPECT_THAT(stream->Finish(), IsOk());
}

TEST_P(BufferingTest, RendezvousByTheClient) {
  const Served served = Serve();
  const auto stub = Stub(Buffering{BufferingMode::kRendezvous});
  ServerStreamMeetsEachRead(stub.get(), served);
  ClientStreamWaitsForTheReader(stub.get(), served);
}

TEST_P(BufferingTest, RendezvousByTheServer) {
  ServerSettings settings;
  settings.buffering = kRendezvous;
  const Served served = Serve(settings);
  const auto stub = Stub();
  ServerStreamMeetsEachRead(stub.get(), served);
  ClientStreamWaitsForTheReader(stub.get(), served);
}

TEST_P(BufferingTest, RendezvousByTheTarget) {
  ServerSettings settings;
  settings.options = "?buffering=rendezvous";
  const Served served = Serve(settings);
  const auto stub = Stub(Buffering{BufferingMode::kUnbounded});
  ServerStreamMeetsEachRead(stub.get(), served);
  ClientStreamWaitsForTheReader(stub.get(), served);
}

TEST_P(BufferingTest, RendezvousBidiEchoesAndEnds) {
  const Served served = Serve();
  const auto stub = Stub(Buffering{BufferingMode::kRendezvous});
  ClientContext context;
  const auto stream = Bidi(stub.get(), &context);
  Message reply;
  for (int64_t i = 0; i < 50; ++i) {
    ASSERT_TRUE(stream->Write(MakeMessage(i == 20 ? 300'000 : 50, i)));
    ASSERT_TRUE(stream->Read(&reply));
    ASSERT_EQ(reply.sequence(), i);
  }
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_THAT(stream->Finish(), IsOk());
}

TEST_P(BufferingTest, FinishDropsWhatARendezvousHolds) {
  if (api() == Api::kCallback) return;  // There OnDone follows no read.
  const Served served = Serve();
  const auto stub = Stub(Buffering{BufferingMode::kRendezvous});
  ClientContext context;
  const auto stream = ServerStream(stub.get(), &context, Sends(20, 1000));
  EXPECT_THAT(stream->Finish(), IsOk());
}

TEST_P(BufferingTest, UnboundedWritesWaitForNothing) {
  ServerSettings settings;
  settings.buffering = kUnbounded;
  const Served served = Serve(settings);
  const auto stub = Stub(Buffering{BufferingMode::kUnbounded});
  Gatekeeper gates(served);
  {
    ClientContext context;
    const auto stream = ServerStream(stub.get(), &context, Sends(1000, 10'000));
    gates.AwaitEntered("written", 1000);
    Message message;
    int64_t count = 0;
    while (stream->Read(&message)) ++count;
    EXPECT_EQ(count, 1000);
    EXPECT_THAT(stream->Finish(), IsOk());
  }
  Plan plan;
  plan.set_gate("reader");
  plan.set_wait(true);
  ClientContext context;
  AddPlan(plan, &context);
  Summary summary;
  const auto stream = ClientStream(stub.get(), &context, &summary);
  for (int64_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(stream->Write(MakeMessage(10'000, i)));
  }
  EXPECT_TRUE(stream->WritesDone());
  gates.Open("reader");
  // It goes on though nobody waits here.
  gates.AwaitEnded("reader");
  EXPECT_THAT(stream->Finish(), IsOk());
  EXPECT_EQ(summary.count(), 1000);
  EXPECT_EQ(summary.out_of_order(), 0);
}

TEST_P(BufferingTest, AnUnboundedStreamEndsAtItsLimit) {
  ServerSettings settings;
  settings.buffering = kUnbounded;
  settings.buffering_bytes = 500'000;
  const Served served = Serve(settings);
  const auto stub = Stub(Buffering{BufferingMode::kUnbounded, 500'000});
  Gatekeeper gates(served);
  {
    ClientContext context;
    Plan plan = Sends(1000, 10'000);
    plan.set_gate("writer");
    const auto stream = ServerStream(stub.get(), &context, plan);
    gates.AwaitEnded("writer");
    EXPECT_LT(gates.AwaitEntered("written", 40).entered(), 70);
    Message message;
    while (stream->Read(&message)) {
    }
    EXPECT_THAT(stream->Finish(),
                IsStatus(RESOURCE_EXHAUSTED, "buffering_bytes"));
  }
  Plan plan;
  plan.set_gate("reader");
  plan.set_wait(true);
  ClientContext context;
  AddPlan(plan, &context);
  Summary summary;
  const auto stream = ClientStream(stub.get(), &context, &summary);
  int64_t sent = 0;
  while (stream->Write(MakeMessage(10'000, sent))) ++sent;
  EXPECT_GE(sent, 40);
  EXPECT_LT(sent, 70);
  EXPECT_THAT(stream->Finish(),
              IsStatus(RESOURCE_EXHAUSTED, "buffering_bytes"));
}

TEST(BufferingOptionTest, AWrongOneIsNamed) {
  for (const auto& [options, text] :
       {std::pair{"?buffering=rendevous", "'rendevous': it must be bounded"},
        std::pair{"?buffering=bounded&buffering_bytes=2000000000",
                  "from 256"}}) {
    const auto channel = TryCreateChannel(std::string("unix:none") + options,
                                          InsecureChannelCredentials());
    ASSERT_FALSE(channel.ok());
    EXPECT_THAT(std::string(channel.status().message()),
                ::testing::HasSubstr(text));
  }
}

INSTANTIATE_TEST_SUITE_P(All, BufferingTest,
                         ::testing::ValuesIn(AllStreamCases()),
                         NameOfStreamCase);

}  // namespace
}  // namespace nearcall::test
