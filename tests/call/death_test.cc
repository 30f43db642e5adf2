// The other side is not there, dies, or comes back.
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/call/pending_call.h"
#include "tests/support/leak_audit.h"

namespace nearcall::test {
namespace {

using internal::ChildProcess;
using internal::LeakAudit;
using std::chrono::seconds;

// Threads that a process keeps once it has made a connection and a callback:
// the death watcher, and the executor's.
constexpr int kKeptThreads = 8;

class NoServerTest : public CallTest {};
class DeathTest : public CallTest {};
class RestartTest : public CallTest {};

TEST_P(NoServerTest, TheStatusSaysWhatWasTriedAndWhere) {
  const LeakAudit audit;
  for (const Surface surface : kSurfaces) {
    SCOPED_TRACE(surface);
    const std::string target = Target("nobody");
    const auto stub = TestService::NewStub(DefaultChannel(target));
    PendingCall call(surface);
    call.StartEcho(stub.get(), Message());
    EXPECT_THAT(call.Await(), IsStatus(UNAVAILABLE, "no server"));
    // The name, or the port.
    EXPECT_THAT(call.Await(),
                IsStatus(UNAVAILABLE, target.substr(target.rfind(':') + 1)));
    EXPECT_THAT(call.Await(), IsStatus(UNAVAILABLE, "start"));
    EXPECT_FALSE(call.context.maybe_sent());
  }
  audit.Check(kKeptThreads);
}

// The server's death, whatever the client is at.
TEST_P(DeathTest, OfTheServerInTheHandler) {
  for (const Surface surface : kSurfaces) {
    SCOPED_TRACE(surface);
    Served served = Serve();
    const auto stub = TestService::NewStub(DefaultChannel(Target()));
    PendingCall call(surface);
    // Never to be seen: the connection's end comes before.
    call.context.set_deadline(In(seconds(30)));
    call.StartBlock(stub.get(), WaitAt("held"));
    Gatekeeper(served).AwaitEntered("held");
    const auto killed = std::chrono::system_clock::now();
    served.Kill();
    EXPECT_THAT(call.Await(), IsStatus(UNAVAILABLE, ""));
    EXPECT_LT(std::chrono::system_clock::now() - killed, seconds(1));
    EXPECT_TRUE(call.context.maybe_sent());
  }
}

// Of a server that stands by itself: where the channel starts another, calls
// that had not left reach that one.
TEST_P(RestartTest, TheServersDeathBehindAFullLink) {
  Served served = Serve();
  const auto stub = TestService::NewStub(MakeChannel(Target()));
  PendingCall first(Surface::kBlocking);
  first.StartEcho(stub.get(), Message());
  ASSERT_THAT(first.Await(), IsOk());
  served.process().Stop();
  // More than the link takes: of some calls all has left, of one a part, of
  // the others nothing.
  std::vector<std::unique_ptr<PendingCall>> calls;
  for (int i = 0; i < 64; ++i) {
    const size_t size = i % 4 == 0 ? size_t{4} << 20 : 60'000;
    calls.push_back(std::make_unique<PendingCall>(kSurfaces[i % 2]));
    calls.back()->StartEcho(stub.get(), MakeMessage(size, i));
  }
  // A stopped server reads nothing: no call can end before it is killed.
  const auto killed = std::chrono::system_clock::now();
  served.Kill();
  for (const auto& call : calls) {
    EXPECT_THAT(call->Await(), IsStatus(UNAVAILABLE, ""));
  }
  EXPECT_LT(std::chrono::system_clock::now() - killed, seconds(5));
}

TEST_P(DeathTest, OfTheServerWhileItReadsLargeMessages) {
  ServerSettings settings;
  settings.max_receive = -1;
  Served served = Serve(settings);
  const auto stub = TestService::NewStub(MakeChannel(Target()));
  std::vector<std::unique_ptr<PendingCall>> calls;
  for (int i = 0; i < 4; ++i) {
    calls.push_back(std::make_unique<PendingCall>(kSurfaces[i % 2]));
    // Far longer than until the kill.
    calls.back()->StartEcho(
        stub.get(),
        MakeMessage((size_t{64} << 20) / internal::kSanitizerSlowness, i));
  }
  PendingCall small(Surface::kBlocking);
  small.StartEcho(stub.get(), MakeMessage(10));
  EXPECT_THAT(small.Await(), IsOk());
  served.Kill();
  for (const auto& call : calls) {
    const Status status = call->Await();
    // A fast link may have carried one to its end.
    if (!status.ok()) {
      EXPECT_THAT(status, IsStatus(UNAVAILABLE, ""));
    }
  }
}

TEST_P(RestartTest, AServerHearsOfItsClientsDeath) {
  Served served = Serve();
  Gatekeeper gates(served);
  int64_t count = 0;
  const auto kill_a_client = [&] {
    ChildProcess client =
        ChildProcess::Exec({NEARCALL_CALL_CLIENT, Target(), "held"});
    gates.AwaitEntered("held", ++count);
    const auto killed = std::chrono::system_clock::now();
    client.Kill();
    gates.AwaitCancelled("held", count);
    EXPECT_LT(std::chrono::system_clock::now() - killed, seconds(1));
  };
  // What a server makes for its first clients stays.
  for (int i = 0; i < 2; ++i) kill_a_client();
  gates.Process();
  const LeakAudit audit(served.pid());
  for (int i = 0; i < 3; ++i) kill_a_client();
  audit.Check(kKeptThreads);
}

TEST_P(RestartTest, AFailFastCallFailsAndThenWorks) {
  Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  for (int round = 0; round < 3; ++round) {
    for (const Surface surface : kSurfaces) {
      SCOPED_TRACE(surface);
      PendingCall before(surface);
      before.StartEcho(stub.get(), MakeMessage(10, round));
      ASSERT_THAT(before.Await(), IsOk());
      served.Kill();
      PendingCall meanwhile(surface);
      meanwhile.StartEcho(stub.get(), Message());
      EXPECT_THAT(meanwhile.Await(), IsStatus(UNAVAILABLE, ""));
      served = Serve();
      PendingCall after(surface);
      after.StartEcho(stub.get(), MakeMessage(10, round));
      EXPECT_THAT(after.Await(), IsOk());
    }
  }
}

TEST_P(RestartTest, AWaitingCallSucceeds) {
  const std::shared_ptr<Channel> channel = DefaultChannel(Target());
  const auto stub = TestService::NewStub(channel);
  std::vector<double> millis;
  for (int round = 0; round < 3; ++round) {
    for (const Surface surface : kSurfaces) {
      SCOPED_TRACE(surface);
      std::vector<std::unique_ptr<PendingCall>> waiting;
      for (int i = 0; i < 4; ++i) {
        waiting.push_back(std::make_unique<PendingCall>(surface));
        waiting.back()->context.set_wait_for_ready(true);
        waiting.back()->StartEcho(stub.get(), MakeMessage(10, i));
      }
      // One that does not wait is not held up by those who do.
      PendingCall now(surface);
      now.StartEcho(stub.get(), Message());
      EXPECT_THAT(now.Await(), IsStatus(UNAVAILABLE, "no server"));
      EXPECT_FALSE(waiting[0]->HasEnded());
      Served served = Serve();
      const auto ready = std::chrono::system_clock::now();
      for (const auto& call : waiting) EXPECT_THAT(call->Await(), IsOk());
      millis.push_back(std::chrono::duration<double, std::milli>(
                           std::chrono::system_clock::now() - ready)
                           .count());
      served.Kill();
      // A call must not be on its way to the dead one.
      channel->WaitForStateChange(ConnectivityState::kReady, In(seconds(20)));
    }
  }
  std::sort(millis.begin(), millis.end());
  std::printf(
      "%s: from the server's start to a waiting call's reply p50 %.1f "
      "ms, max %.1f ms\n",
      GetParam().scheme, millis[millis.size() / 2], millis.back());
}

INSTANTIATE_TEST_SUITE_P(
    All, NoServerTest, ::testing::ValuesIn(TransportsThatShareAServer()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);
INSTANTIATE_TEST_SUITE_P(
    All, DeathTest, ::testing::ValuesIn(TransportsBetweenProcesses()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);
INSTANTIATE_TEST_SUITE_P(
    All, RestartTest, ::testing::ValuesIn(TransportsToStandingServers()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);

}  // namespace
}  // namespace nearcall::test
