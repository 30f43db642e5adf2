// Cancellation against everything that it can meet.
#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/call/pending_call.h"

namespace nearcall::test {
namespace {

using std::chrono::seconds;

class CancelTest : public CallTest {};
// Where a channel does not start its own server.
class CancelToConnectTest : public CallTest {};
class CancelOfHandshakeTest : public CallTest {};
class CancelBetweenProcessesTest : public CallTest {};

TEST_P(CancelTest, BeforeTheStart) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(ConnectedChannel(Target()));
  for (const Surface surface : kSurfaces) {
    SCOPED_TRACE(surface);
    PendingCall call(surface);
    call.context.TryCancel();
    Plan plan;
    plan.set_gate("never");
    call.StartBlock(stub.get(), plan);
    EXPECT_THAT(call.Await(), IsStatus(CANCELLED, ""));
    EXPECT_FALSE(call.context.maybe_sent());
  }
  EXPECT_EQ(Gatekeeper(served).AwaitEntered("never", 0).entered(), 0);
}

TEST_P(CancelTest, InTheHandlerTwice) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Gatekeeper gates(served);
  int64_t count = 0;
  for (const Surface surface : kSurfaces) {
    SCOPED_TRACE(surface);
    PendingCall call(surface);
    call.StartBlock(stub.get(), WaitAt("held"));
    gates.AwaitEntered("held", ++count);
    std::thread other([&] { call.context.TryCancel(); });
    call.context.TryCancel();
    other.join();
    EXPECT_THAT(call.Await(), IsStatus(CANCELLED, ""));
    EXPECT_TRUE(call.context.maybe_sent());
    gates.AwaitCancelled("held", count);
  }
}

TEST_P(CancelTest, AfterTheReplyItChangesNothing) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  for (const Surface surface : kSurfaces) {
    SCOPED_TRACE(surface);
    for (int i = 0; i < 50; ++i) {
      PendingCall call(surface);
      call.StartEcho(stub.get(), MakeMessage(10, i));
      EXPECT_THAT(call.Await(), IsOk());
      call.context.TryCancel();
      call.context.TryCancel();
      EXPECT_EQ(call.reply.sequence(), i);
    }
  }
}

TEST_P(CancelTest, ByTheHandler) {
  for (const bool callback : {false, true}) {
    SCOPED_TRACE(callback);
    ServerSettings settings;
    settings.callback = callback;
    const std::string name = callback ? "reactors" : "handlers";
    const Served served = Serve(settings, name);
    const auto stub = TestService::NewStub(DefaultChannel(Target(name)));
    PendingCall call(Surface::kBlocking);
    Plan plan = WaitAt("held");
    plan.set_cancel(true);
    call.StartBlock(stub.get(), plan);
    EXPECT_THAT(call.Await(), IsStatus(CANCELLED, ""));
  }
}

TEST_P(CancelToConnectTest, WhileWaitingForAServer) {
  for (const Surface surface : kSurfaces) {
    SCOPED_TRACE(surface);
    const std::shared_ptr<Channel> channel = DefaultChannel(Target("nobody"));
    const auto stub = TestService::NewStub(channel);
    PendingCall call(surface);
    call.context.set_wait_for_ready(true);
    call.StartEcho(stub.get(), Message());
    channel->WaitForStateChange(ConnectivityState::kIdle, In(seconds(20)));
    call.context.TryCancel();
    EXPECT_THAT(call.Await(), IsStatus(CANCELLED, ""));
    EXPECT_FALSE(call.context.maybe_sent());
  }
}

TEST_P(CancelOfHandshakeTest, GoesUnanswered) {
  Served served = Serve();
  served.process().Stop();
  for (const Surface surface : kSurfaces) {
    SCOPED_TRACE(surface);
    const std::shared_ptr<Channel> channel = DefaultChannel(Target());
    const auto stub = TestService::NewStub(channel);
    PendingCall call(surface);
    call.StartEcho(stub.get(), Message());
    channel->WaitForStateChange(ConnectivityState::kIdle, In(seconds(20)));
    call.context.TryCancel();
    EXPECT_THAT(call.Await(), IsStatus(CANCELLED, ""));
    // Long before the handshake's own patience, 5 s, is at its end.
    EXPECT_LT(call.Took(), seconds(4));
    EXPECT_FALSE(call.context.maybe_sent());
  }
}

TEST_P(CancelBetweenProcessesTest, OnAServerThatStopped) {
  Served served = Serve();
  const std::shared_ptr<Channel> channel = MakeChannel(Target());
  const auto stub = TestService::NewStub(channel);
  PendingCall first(Surface::kBlocking);
  first.StartEcho(stub.get(), Message());
  ASSERT_THAT(first.Await(), IsOk());
  served.process().Stop();
  for (const Surface surface : kSurfaces) {
    SCOPED_TRACE(surface);
    {
      PendingCall send(surface);
      send.StartEcho(stub.get(), MakeMessage(size_t{4} << 20));
      send.context.TryCancel();
      EXPECT_THAT(send.Await(), IsStatus(CANCELLED, ""));
    }
  }
  served.process().Continue();
  PendingCall last(Surface::kBlocking);
  last.StartEcho(stub.get(), MakeMessage(1000));
  EXPECT_THAT(last.Await(), IsOk());
}

TEST_P(CancelBetweenProcessesTest, AfterTheServerDied) {
  for (const Surface surface : kSurfaces) {
    SCOPED_TRACE(surface);
    Served served = Serve();
    const auto stub = TestService::NewStub(DefaultChannel(Target()));
    PendingCall call(surface);
    call.StartBlock(stub.get(), WaitAt("held"));
    Gatekeeper(served).AwaitEntered("held");
    served.Kill();
    const Status status = call.Await();
    call.context.TryCancel();
    EXPECT_THAT(status, IsStatus(UNAVAILABLE, ""));
  }
}

// At any moment from before the start, which is another thread's, to after the
// end.
TEST_P(CancelTest, AtRandom) {
  constexpr int kThreads = 2;
  // Of each thread and surface.
  constexpr int kCalls = internal::kSanitizerSlowness == 1 ? 2500 : 150;
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  for (const Surface surface : kSurfaces) {
    std::atomic<int> cancelled{0};
    std::vector<std::thread> callers;
    for (int t = 0; t < kThreads; ++t) {
      callers.emplace_back([&, t] {
        std::minstd_rand random(static_cast<uint32_t>(t + 1));
        for (int i = 0; i < kCalls; ++i) {
          const size_t size = i % 25 == 0 ? 200'000 : random() % 300;
          PendingCall call(surface);
          call.StartEcho(stub.get(), MakeMessage(size, i));
          for (auto n = random() % 16; n > 0; --n) std::this_thread::yield();
          call.context.TryCancel();
          const Status status = call.Await();
          if (status.ok()) {
            EXPECT_EQ(call.reply.sequence(), i);
            EXPECT_EQ(call.reply.payload().size(), size);
          } else {
            EXPECT_THAT(status, IsStatus(CANCELLED, ""));
            ++cancelled;
          }
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
    std::printf("%s: %d of %d cancelled\n", GetParam().scheme, cancelled.load(),
                kThreads * kCalls);
    EXPECT_GT(cancelled, 0);
  }
  PendingCall last(Surface::kBlocking);
  last.StartEcho(stub.get(), MakeMessage(1000));
  EXPECT_THAT(last.Await(), IsOk());
}

INSTANTIATE_TEST_SUITE_P(
    All, CancelOfHandshakeTest,
    ::testing::ValuesIn(TransportsToStandingServers()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);
INSTANTIATE_TEST_SUITE_P(
    All, CancelBetweenProcessesTest,
    ::testing::ValuesIn(TransportsBetweenProcesses()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);
INSTANTIATE_TEST_SUITE_P(
    All, CancelToConnectTest, ::testing::ValuesIn(TransportsThatShareAServer()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);
INSTANTIATE_TEST_SUITE_P(
    All, CancelTest, ::testing::ValuesIn(AllTransports()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);

}  // namespace
}  // namespace nearcall::test
