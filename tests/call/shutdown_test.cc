// A server's orderly end under calls. The server is an object of this process,
// whatever the transport: what is tested is its Shutdown.
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/call/pending_call.h"

namespace nearcall::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class ShutdownTest : public CallTest {
 protected:
  std::unique_ptr<TestServer> ServeHere() {
    ServerSettings settings;
    settings.targets = {Target()};
    settings.max_receive = -1;
    auto server = std::make_unique<TestServer>(settings);
    EXPECT_NE(server->server(), nullptr);
    return server;
  }
  static void AwaitEntered(TestServer* server, int64_t count) {
    GateState least;
    least.set_gate("held");
    least.set_entered(count);
    server->gates().Await(least, [] { return false; });
  }
};

TEST_P(ShutdownTest, RunningCallsFinishAndNewOnesAreRefused) {
  const auto server = ServeHere();
  const std::shared_ptr<Channel> channel = DefaultChannel(Target());
  const auto stub = TestService::NewStub(channel);
  std::vector<std::unique_ptr<PendingCall>> running;
  for (const Surface surface : kSurfaces) {
    running.push_back(std::make_unique<PendingCall>(surface));
    running.back()->StartBlock(stub.get(), WaitAt("held"));
  }
  AwaitEntered(server.get(), 2);
  std::thread shutdown([&] { server->server()->Shutdown(); });
  // The client has heard of it.
  channel->WaitForStateChange(ConnectivityState::kReady,
                              In(std::chrono::seconds(20)));
  for (const Surface surface : kSurfaces) {
    PendingCall late(surface);
    late.StartEcho(stub.get(), Message());
    EXPECT_THAT(late.Await(), IsStatus(UNAVAILABLE, ""));
    EXPECT_FALSE(late.context.maybe_sent());
  }
  EXPECT_FALSE(running[0]->HasEnded());
  server->gates().Open("held");
  for (const auto& call : running) EXPECT_THAT(call->Await(), IsOk());
  shutdown.join();
}

TEST_P(ShutdownTest, AtItsDeadlineWhatStillRunsIsCancelled) {
  const auto server = ServeHere();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  PendingCall call(Surface::kCallback);
  call.StartBlock(stub.get(), WaitAt("held"));
  AwaitEntered(server.get(), 1);
  const auto began = steady_clock::now();
  server->server()->Shutdown(In(milliseconds(50)));
  EXPECT_GE(steady_clock::now() - began, milliseconds(49));
  EXPECT_THAT(call.Await(), IsStatus(UNAVAILABLE, ""));
  server->Destroy();  // Waits for the handler,
  EXPECT_EQ(server->gates().State("held").cancelled(), 1);  // which knows.
}

TEST_P(ShutdownTest, FromSeveralThreads) {
  const auto server = ServeHere();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  PendingCall call(Surface::kCallback);
  call.StartBlock(stub.get(), WaitAt("held"));
  AwaitEntered(server.get(), 1);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      if (i % 2 == 0) {
        server->server()->Shutdown();
      } else {
        server->server()->Wait();
      }
    });
  }
  server->gates().Open("held");
  EXPECT_THAT(call.Await(), IsOk());
  for (std::thread& thread : threads) thread.join();
  server->server()->Shutdown();
}

TEST_P(ShutdownTest, LargeRepliesUnderWayArriveWhole) {
  const auto server = ServeHere();
  const auto stub = TestService::NewStub(MakeChannel(Target()));
  std::vector<std::unique_ptr<PendingCall>> calls;
  for (int i = 0; i < 8; ++i) {
    calls.push_back(std::make_unique<PendingCall>(kSurfaces[i % 2]));
    calls.back()->StartEcho(stub.get(), MakeMessage(size_t{4} << 20, i));
  }
  server->server()->Shutdown();
  int ok = 0;
  for (int i = 0; i < 8; ++i) {
    const Status status = calls[static_cast<size_t>(i)]->Await();
    const PendingCall& call = *calls[static_cast<size_t>(i)];
    if (status.ok()) {
      ++ok;
      EXPECT_EQ(call.reply.payload().size(), size_t{4} << 20);
      EXPECT_EQ(call.reply.sequence(), i);
    } else {
      EXPECT_THAT(status, IsStatus(UNAVAILABLE, ""));
      // TCP resets a connection that is closed while more arrives, and drops
      // what says that the call was refused: then the client cannot know.
      if (std::string_view(GetParam().scheme) != "tcp") {
        EXPECT_FALSE(call.context.maybe_sent()) << status.ToString();
      }
    }
  }
  std::printf("%s: %d of 8 were accepted before the end\n", GetParam().scheme,
              ok);
}

// Servers of one name take over from each other under load: a call that waits
// for a server never fails.
TEST_P(ShutdownTest, WaitingCallsOutliveRestarts) {
  auto server = ServeHere();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  std::atomic<bool> stop{false};
  std::atomic<int> calls{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&, t] {
      while (!stop) {
        PendingCall call(kAllSurfaces[t % 3]);
        call.context.set_wait_for_ready(true);
        call.StartEcho(stub.get(), MakeMessage(100, t));
        EXPECT_THAT(call.Await(), IsOk());
        EXPECT_EQ(call.reply.sequence(), t);
        ++calls;
      }
    });
  }
  for (int i = 0; i < 10; ++i) {
    const int before = calls;
    while (calls < before + 20) std::this_thread::yield();
    server->server()->Shutdown();
    server.reset();
    server = ServeHere();
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
}

INSTANTIATE_TEST_SUITE_P(
    All, ShutdownTest, ::testing::ValuesIn(TransportsThatShareAServer()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);

}  // namespace
}  // namespace nearcall::test
