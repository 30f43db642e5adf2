// Deadlines, at each place where a call can be when they pass: it ends with
// DEADLINE_EXCEEDED, once, and not before.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/call/pending_call.h"

namespace nearcall::test {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSoon{60};

void ExpectOnTime(const PendingCall& call, const char* scheme) {
  EXPECT_GE(call.Late().count(), 0);
  std::printf("%s: %lld us late\n", scheme,
              static_cast<long long>(call.Late().count() / 1000));
}

class DeadlineTest : public CallTest {};
// Where a channel does not start its own server.
class DeadlineToConnectTest : public CallTest {};
class DeadlineOfHandshakeTest : public CallTest {};
class DeadlineOnStoppedServerTest : public CallTest {};

TEST_P(DeadlineToConnectTest, AlreadyPastAtTheStart) {
  for (const Surface surface : kSurfaces) {
    SCOPED_TRACE(surface);
    // Nothing listens there: the call does not even look.
    const auto stub = TestService::NewStub(DefaultChannel(Target("nobody")));
    PendingCall call(surface);
    call.context.set_deadline(In(-milliseconds(1)));
    call.StartEcho(stub.get(), Message());
    EXPECT_THAT(call.Await(), IsStatus(DEADLINE_EXCEEDED, ""));
    EXPECT_FALSE(call.context.maybe_sent());
  }
}

TEST_P(DeadlineToConnectTest, WhileWaitingForAServer) {
  for (const Surface surface : kSurfaces) {
    SCOPED_TRACE(surface);
    const auto stub = TestService::NewStub(DefaultChannel(Target("nobody")));
    PendingCall call(surface);
    call.context.set_wait_for_ready(true);
    call.context.set_deadline(In(kSoon));
    call.StartEcho(stub.get(), Message());
    // What was waited for is in the text.
    EXPECT_THAT(call.Await(), IsStatus(DEADLINE_EXCEEDED, "no server"));
    ExpectOnTime(call, GetParam().scheme);
    EXPECT_FALSE(call.context.maybe_sent());
  }
}

TEST_P(DeadlineTest, InTheHandler) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(ConnectedChannel(Target()));
  Gatekeeper gates(served);
  int64_t count = 0;
  for (const Surface surface : kSurfaces) {
    SCOPED_TRACE(surface);
    PendingCall call(surface);
    call.context.set_deadline(In(kSoon));
    call.StartBlock(stub.get(), WaitAt("held"));
    EXPECT_THAT(call.Await(), IsStatus(DEADLINE_EXCEEDED, ""));
    ExpectOnTime(call, GetParam().scheme);
    EXPECT_TRUE(call.context.maybe_sent());
    gates.AwaitCancelled("held", ++count);
  }
}

TEST_P(DeadlineTest, QueuedOnTheServer) {
  ServerSettings settings;
  settings.max_threads = 2;
  const Served served = Serve(settings);
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Gatekeeper gates(served);
  // More handlers than threads: some of them, and all that follow, queue.
  std::vector<std::unique_ptr<PendingCall>> holders;
  for (int i = 0; i < 8; ++i) {
    holders.push_back(std::make_unique<PendingCall>(Surface::kCallback));
    holders.back()->StartBlock(stub.get(), WaitAt("hold"));
  }
  gates.AwaitEntered("hold", 1);
  for (const Surface surface : kSurfaces) {
    SCOPED_TRACE(surface);
    PendingCall late(surface);
    late.context.set_deadline(In(kSoon));
    Plan plan;
    plan.set_gate("late");
    late.StartBlock(stub.get(), plan);
    EXPECT_THAT(late.Await(), IsStatus(DEADLINE_EXCEEDED, ""));
    ExpectOnTime(late, GetParam().scheme);
  }
  PendingCall after(Surface::kBlocking);
  Plan plan;
  plan.set_gate("after");
  after.StartBlock(stub.get(), plan);
  gates.Open("hold");
  for (const auto& holder : holders) EXPECT_THAT(holder->Await(), IsOk());
  EXPECT_THAT(after.Await(), IsOk());
  // It was behind the late ones in the queue: they were dropped unrun.
  EXPECT_EQ(gates.AwaitEntered("late", 0).entered(), 0);
}

TEST_P(DeadlineOfHandshakeTest, GoesUnanswered) {
  Served served = Serve();
  served.process().Stop();
  for (const Surface surface : kSurfaces) {
    SCOPED_TRACE(surface);
    const auto stub = TestService::NewStub(DefaultChannel(Target()));
    PendingCall call(surface);
    call.context.set_deadline(In(kSoon));
    call.StartEcho(stub.get(), Message());
    EXPECT_THAT(call.Await(), IsStatus(DEADLINE_EXCEEDED, ""));
    ExpectOnTime(call, GetParam().scheme);
    EXPECT_FALSE(call.context.maybe_sent());
  }
}

TEST_P(DeadlineOnStoppedServerTest, OfACall) {
  Served served = Serve();
  const auto connected = TestService::NewStub(MakeChannel(Target()));
  PendingCall first(Surface::kBlocking);
  first.StartEcho(connected.get(), Message());
  ASSERT_THAT(first.Await(), IsOk());
  served.process().Stop();
  for (const Surface surface : kSurfaces) {
    SCOPED_TRACE(surface);
    {
      PendingCall reply(surface);
      reply.context.set_deadline(In(kSoon));
      reply.StartEcho(connected.get(), Message());
      EXPECT_THAT(reply.Await(), IsStatus(DEADLINE_EXCEEDED, ""));
      ExpectOnTime(reply, GetParam().scheme);
      EXPECT_TRUE(reply.context.maybe_sent());
    }
    {
      PendingCall send(surface);
      send.context.set_deadline(In(kSoon));
      send.StartEcho(connected.get(), MakeMessage(size_t{4} << 20));
      EXPECT_THAT(send.Await(), IsStatus(DEADLINE_EXCEEDED, ""));
      ExpectOnTime(send, GetParam().scheme);
    }
  }
  served.process().Continue();
  PendingCall last(Surface::kBlocking);
  last.StartEcho(connected.get(), MakeMessage(1000));
  EXPECT_THAT(last.Await(), IsOk());
}

TEST_P(DeadlineOnStoppedServerTest, OfManyCallsThatTheLinkHasNoRoomFor) {
  Served served = Serve();
  const auto stub = TestService::NewStub(MakeChannel(Target()));
  PendingCall first(Surface::kBlocking);
  first.StartEcho(stub.get(), Message());
  ASSERT_THAT(first.Await(), IsOk());
  served.process().Stop();
  // Far more than any buffer between the two: writers wait for the link.
  std::vector<std::unique_ptr<PendingCall>> calls;
  for (int i = 0; i < 64; ++i) {
    calls.push_back(std::make_unique<PendingCall>(kSurfaces[i % 2]));
    calls.back()->context.set_deadline(In(kSoon));
    calls.back()->StartEcho(stub.get(), MakeMessage(60'000, i));
  }
  for (const auto& call : calls) {
    EXPECT_THAT(call->Await(), IsStatus(DEADLINE_EXCEEDED, ""));
  }
  served.process().Continue();
  PendingCall last(Surface::kBlocking);
  last.StartEcho(stub.get(), MakeMessage(1000));
  EXPECT_THAT(last.Await(), IsOk());
}

INSTANTIATE_TEST_SUITE_P(
    All, DeadlineOfHandshakeTest,
    ::testing::ValuesIn(TransportsToStandingServers()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);
INSTANTIATE_TEST_SUITE_P(
    All, DeadlineOnStoppedServerTest,
    ::testing::ValuesIn(TransportsBetweenProcesses()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);
INSTANTIATE_TEST_SUITE_P(
    All, DeadlineToConnectTest,
    ::testing::ValuesIn(TransportsThatShareAServer()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);
INSTANTIATE_TEST_SUITE_P(
    All, DeadlineTest, ::testing::ValuesIn(AllTransports()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);

}  // namespace
}  // namespace nearcall::test
