// A process that forks: its child's calls on what the parent made fail at once,
// what the child makes works, and the parent notices nothing.
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/call/pending_call.h"

namespace nearcall::test {
namespace {

using internal::ChildProcess;

class ForkTest : public CallTest {};
class ForkTwoChannelsTest : public CallTest {};

Status EchoOn(TestService::Stub* stub) {
  ClientContext context;
  Message reply;
  return stub->Echo(&context, MakeMessage(100), &reply);
}

// Exit codes of the children, which gtest does not hear.
int Check(bool ok, int code, const Status& status) {
  if (ok) return 0;
  std::fprintf(stderr, "the child's check %d: %s\n", code,
               status.ToString().c_str());
  return code;
}

TEST_P(ForkTest, TheChildsCallsSayWhyAndTheParentGoesOn) {
  const Served served = Serve();
  std::shared_ptr<Channel> channel = DefaultChannel(Target());
  std::unique_ptr<TestService::Stub> stub = TestService::NewStub(channel);
  ASSERT_THAT(EchoOn(stub.get()), IsOk());
  std::atomic<bool> stop{false};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      while (!stop) EXPECT_THAT(EchoOn(stub.get()), IsOk());
    });
  }
  for (int i = 0; i < 5; ++i) {
    ChildProcess child = ChildProcess::Fork([&] {
      const Status status = EchoOn(stub.get());
      if (status.error_code() != UNAVAILABLE ||
          status.error_message().find("before fork") == std::string::npos) {
        return Check(false, 1, status);
      }
      channel->GetState(true);
      channel.reset();  // With the stub's reference, the last two.
      stub.reset();
      return 0;
    });
    EXPECT_EQ(child.Wait(), 0);
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_THAT(EchoOn(stub.get()), IsOk());
}

// Whatever the parent's threads are at, in what a process has one of: none of
// them is in the child.
TEST_P(ForkTwoChannelsTest, ANewChannelInTheChildWorks) {
  const std::string target = Target();  // May carry this process's pid.
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  ASSERT_THAT(EchoOn(stub.get()), IsOk());
  std::atomic<bool> stop{false};
  std::vector<std::thread> callers;
  for (int t = 0; t < 2; ++t) {
    callers.emplace_back([&] {
      while (!stop) {
        const auto another = TestService::NewStub(DefaultChannel(target));
        PendingCall call(Surface::kCallback);
        call.StartEcho(another.get(), MakeMessage(10));
        EXPECT_THAT(call.Await(), IsOk());
      }
    });
  }
  for (int i = 0; i < 10; ++i) {
    ChildProcess child = ChildProcess::Fork([&] {
      const auto own = TestService::NewStub(DefaultChannel(target));
      Status status = EchoOn(own.get());
      if (!status.ok()) return Check(false, 1, status);
      PendingCall call(Surface::kCallback);
      call.StartEcho(own.get(), MakeMessage(10));
      status = call.Await();
      return Check(status.ok(), 2, status);
    });
    EXPECT_EQ(child.Wait(), 0);
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_THAT(EchoOn(stub.get()), IsOk());
}

TEST_P(ForkTwoChannelsTest, AServerInTheChildServes) {
  const std::string target = Target("child");
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  ASSERT_THAT(EchoOn(stub.get()), IsOk());
  ChildProcess child = ChildProcess::Fork([&] {
    ServerSettings settings;
    settings.targets = {target};
    TestServer server(settings);
    if (server.server() == nullptr) return 1;
    server.server()->Wait();
    return 0;
  });
  const auto to_child = TestService::NewStub(DefaultChannel(target));
  ClientContext context;
  context.set_wait_for_ready(true);
  Message reply;
  EXPECT_THAT(to_child->Echo(&context, MakeMessage(100), &reply), IsOk());
  EXPECT_THAT(EchoOn(stub.get()), IsOk());
}

// A child that lives on does not keep the parent's connections open.
TEST_P(ForkTwoChannelsTest, TheServerHearsOfTheParentsDeathThoughAChildLives) {
  const std::string target = Target();
  Served served = Serve();
  Gatekeeper gates(served);
  gates.Process();
  ChildProcess parent = ChildProcess::Fork([&] {
    const auto stub = TestService::NewStub(DefaultChannel(target));
    PendingCall call(Surface::kCallback);
    call.StartBlock(stub.get(), WaitAt("held"));
    Gatekeeper own(served);
    own.AwaitEntered("held");
    ChildProcess child = ChildProcess::Fork([] {
      for (;;) pause();
      return 0;
    });
    Plan plan;
    plan.set_gate("forked");
    ClientContext context;
    Message reply;
    (void)stub->Block(&context, plan, &reply);
    for (;;) pause();
    return 0;
  });
  gates.AwaitEnded("forked");
  parent.Kill();
  gates.AwaitCancelled("held");
}

INSTANTIATE_TEST_SUITE_P(
    All, ForkTest, ::testing::ValuesIn(TransportsBetweenProcesses()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);
INSTANTIATE_TEST_SUITE_P(
    All, ForkTwoChannelsTest,
    ::testing::ValuesIn(TransportsToStandingServers()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);

}  // namespace
}  // namespace nearcall::test
