// What is particular to sysv:, in whole calls: the kernel's limits, queues that
// others remove, what killed processes leave, clients that stop.
#include <sched.h>
#include <sys/msg.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/call/call_test.h"
#include "transports/sysv_queue.h"

namespace nearcall::test {
namespace {

using internal::Baton;
using internal::ChildProcess;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class SysvTest : public ServingTest {
 protected:
  const TransportCase& transport() const override { return transport_; }

  /// Of the queues recorded in the directory: by `pid`, or by all (0).
  std::vector<int> Queues(pid_t pid = 0) const {
    std::vector<int> queues;
    for (const std::string& name : directory_.List()) {
      if (!name.ends_with(".queue")) continue;
      const auto record = internal::ReadSysvRecord(directory_.File(name));
      if (record.ok() && (pid == 0 || record->pid == pid)) {
        queues.push_back(record->queue);
      }
    }
    return queues;
  }

  const TransportCase transport_{
      "sysv", [](const std::string& name, int) { return "sysv:" + name; }};
};

bool Exists(int queue) { return internal::StatSysvQueue(queue).ok(); }

/// Waits for what another process or thread is about to do.
bool Eventually(const std::function<bool()>& happened) {
  const auto watchdog =
      std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!happened()) {
    if (std::chrono::steady_clock::now() > watchdog) return false;
    std::this_thread::yield();
  }
  return true;
}

Status EchoOn(TestService::Stub* stub, size_t size = 64) {
  ClientContext context;
  context.set_deadline(In(std::chrono::seconds(20)));
  Message reply;
  return stub->Echo(&context, MakeMessage(size), &reply);
}

/// A call that waits in its handler, on a thread of its own.
class Waiting {
 public:
  Waiting(TestService::Stub* stub, const std::string& gate)
      : thread_([this, stub, gate] {
          ClientContext context;
          Plan plan;
          plan.set_gate(gate);
          plan.set_wait(true);
          Message reply;
          status_ = stub->Block(&context, plan, &reply);
        }) {}
  Status Join() {
    thread_.join();
    return status_;
  }

 private:
  Status status_;
  std::thread thread_;
};

TEST_F(SysvTest, RemovalOfTheClientsQueueEndsItsCallsAndTheNextConnects) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Waiting waiting(stub.get(), "removed");
  Gatekeeper gates(served);
  gates.AwaitEntered("removed");
  const std::vector<int> queues = Queues(getpid());
  ASSERT_EQ(queues.size(), 1u);
  ASSERT_EQ(msgctl(queues[0], IPC_RMID, nullptr), 0);
  EXPECT_THAT(waiting.Join(), IsStatus(UNAVAILABLE, "was removed"));
  gates.AwaitCancelled("removed");
  EXPECT_THAT(EchoOn(stub.get()), IsOk());
}

TEST_F(SysvTest, RemovalOfTheServersQueueEndsCallsAndTheServerMakesAnother) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  const auto idle = TestService::NewStub(DefaultChannel(Target()));
  ASSERT_THAT(EchoOn(idle.get()), IsOk());
  Waiting waiting(stub.get(), "removed");
  Gatekeeper gates(served);
  gates.AwaitEntered("removed");
  const std::vector<int> queues = Queues(served.pid());
  ASSERT_EQ(queues.size(), 1u);
  ASSERT_EQ(msgctl(queues[0], IPC_RMID, nullptr), 0);
  EXPECT_EQ(waiting.Join().error_code(), UNAVAILABLE);
  gates.AwaitCancelled("removed");
  ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(In(std::chrono::seconds(20)));
  Message reply;
  EXPECT_THAT(stub->Echo(&context, MakeMessage(64), &reply), IsOk());
  EXPECT_THAT(EchoOn(idle.get()), IsOk());
}

TEST_F(SysvTest, AServerKilledAndRestartedLeavesNoQueue) {
  Served served = Serve();
  auto channel = DefaultChannel(Target());
  auto stub = TestService::NewStub(channel);
  for (int round = 0; round < 5; ++round) {
    ASSERT_THAT(EchoOn(stub.get()), IsOk());
    const std::vector<int> before = Queues(served.pid());
    ASSERT_EQ(before.size(), 1u);
    served.Kill();
    // Nobody calls meanwhile: the death is seen nevertheless.
    ASSERT_TRUE(Eventually(
        [&] { return channel->GetState(false) != ConnectivityState::kReady; }));
    served = Serve();
    EXPECT_FALSE(Exists(before[0]));
    EXPECT_EQ(Queues(served.pid()).size(), 1u);
  }
  stub.reset();
  channel.reset();
  EXPECT_EQ(Queues().size(), 1u);
}

TEST_F(SysvTest, AKilledClientsQueueIsRemovedByTheServer) {
  Served served = Serve();
  Baton connected;
  ChildProcess client = ChildProcess::Fork([&] {
    const auto stub = TestService::NewStub(DefaultChannel(Target()));
    if (!EchoOn(stub.get()).ok()) return 1;
    connected.Pass();
    pause();
    return 0;
  });
  ASSERT_TRUE(connected.Await());
  const std::vector<int> queues = Queues(client.pid());
  ASSERT_EQ(queues.size(), 1u);
  client.Kill();
  EXPECT_TRUE(Eventually([&] { return !Exists(queues[0]); }));
  EXPECT_TRUE(Eventually([&] { return Queues(client.pid()).empty(); }));
  EXPECT_EQ(Queues().size(), 1u) << "the server's";
}

TEST_F(SysvTest, WhenBothWereKilledTheNextStartRemovesBothQueues) {
  Served served = Serve();
  Baton connected;
  ChildProcess client = ChildProcess::Fork([&] {
    const auto stub = TestService::NewStub(DefaultChannel(Target()));
    if (!EchoOn(stub.get()).ok()) return 1;
    connected.Pass();
    pause();
    return 0;
  });
  ASSERT_TRUE(connected.Await());
  const std::vector<int> queues = Queues();
  ASSERT_EQ(queues.size(), 2u);
  served.process().Stop();  // So that it does not clean up after the client.
  client.Kill();
  served.Kill();
  for (const int queue : queues) EXPECT_TRUE(Exists(queue));
  const Served again = Serve();
  for (const int queue : queues) EXPECT_FALSE(Exists(queue));
  EXPECT_EQ(Queues().size(), 1u);
}

// Its queue is full and nobody empties it.
TEST_F(SysvTest, AStoppedClientDoesNotHoldUpOthers) {
  const Served served = Serve();
  Baton streaming;
  ChildProcess client = ChildProcess::Fork([&] {
    const auto stub = TestService::NewStub(DefaultChannel(Target()));
    ClientContext context;
    Plan plan;
    plan.set_count(1 << 30);
    plan.set_size(3000);
    auto reader = stub->ServerStream(&context, plan);
    Message message;
    if (!reader->Read(&message)) return 1;
    streaming.Pass();
    while (reader->Read(&message)) {
    }
    return 0;
  });
  ASSERT_TRUE(streaming.Await());
  client.Stop();
  const std::vector<int> queues = Queues(client.pid());
  ASSERT_EQ(queues.size(), 1u);
  ASSERT_TRUE(Eventually([&] {
    msqid_ds state;
    return msgctl(queues[0], IPC_STAT, &state) == 0 &&
           state.__msg_cbytes + 4096 > state.msg_qbytes;
  })) << "the stopped client's queue fills up";
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  for (int i = 0; i < 200; ++i) ASSERT_THAT(EchoOn(stub.get()), IsOk());
  ASSERT_THAT(EchoOn(stub.get(), 1 << 20), IsOk());
  client.Continue();
}

TEST_F(SysvTest, TwoHundredClientsAreServed) {
  const Served served = Serve();
  Gatekeeper gates(served);
  const int64_t threads = gates.Process().threads();
  std::vector<std::unique_ptr<TestService::Stub>> stubs;
  for (int i = 0; i < 200; ++i) {
    stubs.push_back(TestService::NewStub(DefaultChannel(Target())));
  }
  std::vector<std::thread> callers;
  std::atomic<int> served_calls{0};
  for (size_t first = 0; first < 8; ++first) {
    callers.emplace_back([&, first] {
      for (int round = 0; round < 10; ++round) {
        for (size_t i = first; i < stubs.size(); i += 8) {
          ASSERT_THAT(EchoOn(stubs[i].get(), i * 17), IsOk());
          ++served_calls;
        }
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(served_calls, 2000);
  EXPECT_EQ(Queues().size(), 201u);
  EXPECT_LE(gates.Process().threads(), threads + 8) << "not one a client";
}

TEST_F(SysvTest, ClientsBeyondTheSystemsQueuesAreTold) {
  ChildProcess apart = ChildProcess::Fork([&] {
    if (unshare(CLONE_NEWIPC) != 0) return 77;
    std::ofstream("/proc/sys/kernel/msgmni") << 41;  // The server's is one.
    const Served served = Serve();
    std::vector<std::unique_ptr<TestService::Stub>> stubs;
    for (int i = 0; i < 60; ++i) {
      stubs.push_back(TestService::NewStub(DefaultChannel(Target())));
      const Status status = EchoOn(stubs.back().get());
      if (i < 40) {
        EXPECT_THAT(status, IsOk()) << i;
      } else {
        EXPECT_THAT(status, IsStatus(RESOURCE_EXHAUSTED, "kernel.msgmni")) << i;
      }
    }
    // The others go on, and one who leaves makes room.
    EXPECT_THAT(EchoOn(stubs[0].get()), IsOk());
    stubs[1].reset();
    const auto late = TestService::NewStub(DefaultChannel(Target()));
    EXPECT_THAT(EchoOn(late.get()), IsOk());
    return HasFailure() ? 1 : 0;
  });
  const int result = apart.Wait();
  if (result == 77) GTEST_SKIP() << "needs the right to make an IPC namespace";
  EXPECT_EQ(result, 0);
}

TEST_F(SysvTest, AFrameSizeOfEachSideIsRespected) {
  ServerSettings settings;
  settings.options = "?frame_bytes=512";
  settings.max_receive = -1;
  const Served served = Serve(settings);
  const auto stub =
      TestService::NewStub(MakeChannel("sysv:test?frame_bytes=1000000"));
  ASSERT_THAT(EchoOn(stub.get(), 1 << 20), IsOk());
}

}  // namespace
}  // namespace nearcall::test
