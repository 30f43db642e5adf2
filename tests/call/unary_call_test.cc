// Unary calls: sizes, many threads, several channels, what both contexts see.
#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/call/call_test.h"

namespace nearcall::test {
namespace {

using ::testing::StartsWith;

class UnaryCallTest : public CallTest {};
class SharedServerTest : public CallTest {};

void EchoOnce(TestService::Stub* stub, size_t size, int64_t sequence) {
  ClientContext context;
  const Message request = MakeMessage(size, sequence);
  Message reply;
  ASSERT_THAT(stub->Echo(&context, request, &reply), IsOk());
  ASSERT_EQ(reply.sequence(), sequence);
  ASSERT_EQ(reply.payload().size(), size);
  ASSERT_TRUE(reply.payload() == request.payload());
}

TEST_P(UnaryCallTest, AnEmptyMessageIsEchoed) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  ClientContext context;
  Message reply = MakeMessage(3, 7);
  ASSERT_THAT(stub->Echo(&context, Message(), &reply), IsOk());
  EXPECT_EQ(reply.ByteSizeLong(), 0u);
}

TEST_P(UnaryCallTest, EverySizeIsEchoed) {
  ServerSettings settings;
  settings.max_receive = -1;
  const Served served = Serve(settings);
  const auto stub = TestService::NewStub(MakeChannel(Target()));
  int64_t sequence = 0;
  for (const size_t size :
       {size_t{1}, size_t{64}, size_t{4095}, size_t{4096}, size_t{16384},
        size_t{65000}, size_t{65536}, size_t{65600}, size_t{1} << 20,
        size_t{4} << 20, (size_t{4} << 20) + 1, size_t{40} << 20}) {
    SCOPED_TRACE(size);
    ASSERT_NO_FATAL_FAILURE(EchoOnce(stub.get(), size, ++sequence));
  }
}

TEST_P(UnaryCallTest, SixteenThreadsShareAChannel) {
  ServerSettings settings;
  settings.max_receive = -1;
  const Served served = Serve(settings);
  const auto stub = TestService::NewStub(MakeChannel(Target()));
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&stub, t] {
      for (int i = 0; i < 200; ++i) {
        // Some of them larger than a stream's first window.
        const size_t size = i % 50 == t ? 300000 : static_cast<size_t>(i) * 7;
        ASSERT_NO_FATAL_FAILURE(EchoOnce(stub.get(), size, t * 1000 + i));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(SharedServerTest, TwoChannelsReachOneServer) {
  const Served served = Serve();
  const auto first = TestService::NewStub(DefaultChannel(Target()));
  const auto second = TestService::NewStub(DefaultChannel(Target()));
  for (int i = 0; i < 100; ++i) {
    ASSERT_NO_FATAL_FAILURE(EchoOnce(first.get(), 64, i));
    ASSERT_NO_FATAL_FAILURE(EchoOnce(second.get(), 64, -i));
  }
}

TEST_P(UnaryCallTest, TheServerTellsWhoItIsAndWhoCalls) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  ClientContext context;
  InfoReply reply;
  ASSERT_THAT(stub->Info(&context, Message(), &reply), IsOk());
  EXPECT_EQ(reply.pid(), served.pid());
  EXPECT_EQ(reply.transport(), GetParam().scheme);
  EXPECT_THAT(reply.peer(), StartsWith(GetParam().peer_prefix()));
  EXPECT_EQ(reply.peer_pid(), GetParam().tells_pid ? getpid() : -1);
  EXPECT_EQ(reply.peer_uid(),
            GetParam().tells_uid ? static_cast<int64_t>(getuid()) : -1);
  EXPECT_EQ(reply.deadline_millis(), -1);
  EXPECT_THAT(context.peer(), StartsWith(GetParam().peer_prefix()));
  EXPECT_EQ(
      context.peer_credentials().pid,
      GetParam().tells_pid ? std::optional<pid_t>(served.pid()) : std::nullopt);
  bool has_agent = false;
  for (const Entry& entry : reply.metadata()) {
    has_agent |= entry.key() == "user-agent" &&
                 entry.value().find("nearcall/") != std::string::npos;
  }
  EXPECT_TRUE(has_agent);
}

TEST_P(UnaryCallTest, TheDeadlineTravels) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  ClientContext context;
  context.set_deadline(In(std::chrono::hours(1)));
  InfoReply reply;
  ASSERT_THAT(stub->Info(&context, Message(), &reply), IsOk());
  EXPECT_GT(reply.deadline_millis(), 3'500'000);
  EXPECT_LE(reply.deadline_millis(), 3'600'000);
}

TEST_P(UnaryCallTest, ABlockedHandlerDoesNotDelayOthersOnItsChannel) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  std::atomic<bool> ended{false};
  std::thread blocked([&] {
    ClientContext context;
    Plan plan;
    plan.set_gate("held");
    plan.set_wait(true);
    Message reply;
    EXPECT_THAT(stub->Block(&context, plan, &reply), IsOk());
    ended = true;
  });
  Gatekeeper gates(served);
  gates.AwaitEntered("held");
  constexpr int kCalls = 1000;
  std::vector<double> micros;
  for (int i = 0; i < kCalls; ++i) {
    const auto began = std::chrono::steady_clock::now();
    ASSERT_NO_FATAL_FAILURE(EchoOnce(stub.get(), 64, i));
    micros.push_back(std::chrono::duration<double, std::micro>(
                         std::chrono::steady_clock::now() - began)
                         .count());
  }
  EXPECT_FALSE(ended);
  gates.Open("held");
  blocked.join();
  std::sort(micros.begin(), micros.end());
  std::printf("%s: beside a blocked handler p50 %.1f us, p99 %.1f us\n",
              GetParam().scheme, micros[kCalls / 2], micros[kCalls * 99 / 100]);
  RecordProperty("p99_us", std::to_string(micros[kCalls * 99 / 100]));
}

TEST_P(UnaryCallTest, HandlersThatBlockOneAfterTheOtherLetCallsThrough) {
  // Each of them takes the reader's thread along.
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Gatekeeper gates(served);
  std::vector<std::thread> blocked;
  for (int i = 1; i <= 20; ++i) {
    blocked.emplace_back([&] {
      ClientContext context;
      Plan plan;
      plan.set_gate("all");
      plan.set_wait(true);
      Message reply;
      EXPECT_THAT(stub->Block(&context, plan, &reply), IsOk());
    });
    gates.AwaitEntered("all", i);
    ASSERT_NO_FATAL_FAILURE(EchoOnce(stub.get(), 64, i));
  }
  gates.Open("all");
  for (std::thread& thread : blocked) thread.join();
}

TEST_P(SharedServerTest, SixtyFourHandlersCallTheirOwnServer) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  std::vector<std::thread> threads;
  for (int t = 0; t < 64; ++t) {
    threads.emplace_back([&, t] {
      ClientContext context;
      NestedRequest request;
      request.set_target(Target());
      *request.mutable_message() = MakeMessage(100, t);
      Message reply;
      EXPECT_THAT(stub->Nested(&context, request, &reply), IsOk());
      EXPECT_EQ(reply.sequence(), t);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

INSTANTIATE_TEST_SUITE_P(
    All, UnaryCallTest, ::testing::ValuesIn(AllTransports()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);
INSTANTIATE_TEST_SUITE_P(
    All, SharedServerTest, ::testing::ValuesIn(TransportsThatShareAServer()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);

}  // namespace
}  // namespace nearcall::test
