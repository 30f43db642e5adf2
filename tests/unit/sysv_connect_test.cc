// How sysv: comes to a link where the server is about to come or to go, and
// what the links of one server owe each other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/msg.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include "runtime/target.h"
#include "runtime/transport.h"
#include "runtime/waiter.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_runtime_dir.h"
#include "transports/sysv_queue.h"

namespace nearcall::internal {
namespace {

using testing::HasSubstr;

/// Far beyond anything but a hang.
constexpr int64_t kWatchdogMillis = 20'000;

Target TheTarget() { return ParseTarget("sysv:test").value(); }

absl::StatusOr<std::unique_ptr<Listener>> Listen() {
  return FindTransport("sysv")->listen(TheTarget());
}

absl::StatusOr<std::unique_ptr<Link>> Dial(int64_t millis = kWatchdogMillis) {
  return FindTransport("sysv")
      ->make_dialer(TheTarget())
      .value()
      ->Dial(Deadline::AfterMillis(millis), -1);
}

class SysvConnectTest : public testing::Test {
 protected:
  std::string path() const { return directory_.File("test.sysv"); }
  static size_t Messages(int queue) {
    msqid_ds state;
    EXPECT_EQ(msgctl(queue, IPC_STAT, &state), 0);
    return state.msg_qnum;
  }

  const TempRuntimeDir directory_;
};

// It holds the name already, and has yet to remove what the dead one left.
TEST_F(SysvConnectTest, AStartingServerIsNotTakenForTheDeadOneBeforeIt) {
  Baton up;
  ChildProcess dead = ChildProcess::Fork([&] {
    const auto listener = Listen();
    if (!listener.ok()) return 1;
    up.Pass();
    pause();
    return 0;
  });
  ASSERT_TRUE(up.Await());
  const absl::StatusOr<SysvRecord> record = ReadSysvRecord(path());
  ASSERT_TRUE(record.ok()) << record.status();
  dead.Kill();
  {
    const absl::StatusOr<NameLock> starting = NameLock::Take(path());
    ASSERT_TRUE(starting.ok()) << starting.status();
    EXPECT_EQ(Dial(100).status().code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_EQ(Messages(record->queue), 0u) << "nobody will ever read it";
  }
  ASSERT_TRUE(Listen().ok());
  EXPECT_FALSE(StatSysvQueue(record->queue).ok());
}

TEST_F(SysvConnectTest, AServerThatWasReplacedIsWaitedForNoLonger) {
  const auto listener = Listen();
  ASSERT_TRUE(listener.ok()) << listener.status();
  const absl::StatusOr<SysvRecord> record = ReadSysvRecord(path());
  ASSERT_TRUE(record.ok()) << record.status();
  absl::StatusOr<std::unique_ptr<Link>> link;
  std::thread dialing([&] { link = Dial(); });
  // This server accepts nobody.
  const Deadline watchdog = Deadline::AfterMillis(kWatchdogMillis);
  while (Messages(record->queue) == 0 && !watchdog.passed()) {
    std::this_thread::yield();
  }
  SysvRecord next = *record;
  next.number += 1000;
  ASSERT_TRUE(WriteSysvRecord(path(), next).ok());
  dialing.join();
  EXPECT_EQ(link.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(link.status().message()), HasSubstr("another"));
}

/// A listener whose waiter this thread waits for, and its links.
class SysvServerTest : public SysvConnectTest {
 protected:
  struct Pair {
    std::unique_ptr<Link> client;
    std::unique_ptr<Link> server;
  };

  SysvServerTest() : listener_(Listen().value()) {
    waiter().Add(listener_.get(), listener_.get());
  }
  Waiter& waiter() { return *listener_->waiter(); }
  /// The tag that Wait reports next; null: none before the watchdog.
  void* Next() {
    std::array<void*, 1> ready = {};
    waiter().Wait(Deadline::AfterMillis(kWatchdogMillis), ready);
    return ready[0];
  }
  /// The server's end is watched, with itself as the tag, and armed.
  Pair Connect() {
    Pair pair;
    std::thread dialing([&] { pair.client = Dial().value(); });
    while (pair.server == nullptr && Next() == listener_.get()) {
      pair.server = listener_->Accept().value();
    }
    dialing.join();
    waiter().Add(pair.server.get(), kReadable, pair.server.get());
    EXPECT_TRUE(pair.server->Arm(kReadable));
    return pair;
  }
  static Io Send(Link* link, uint32_t size) {
    const WriteSpan span = link->Reserve(size);
    if (span.io != Io::kOk) return span.io;
    memset(span.data, 'x', size);
    link->Commit(size);
    return link->Flush();
  }

  const std::unique_ptr<Listener> listener_;
};

// What came for a link that its owner has closed, but not yet destroyed (a
// handler may still hold it), is nobody's.
TEST_F(SysvServerTest, AClosedLinkHoldsUpNoOther) {
  const Pair closed = Connect();
  const Pair other = Connect();
  // As much as the server takes before somebody reads it.
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(Send(closed.client.get(), 4044), Io::kOk);
  }
  ASSERT_EQ(Next(), closed.server.get());
  closed.server->Close();
  waiter().Remove(closed.server.get());
  ASSERT_EQ(Send(other.client.get(), 100), Io::kOk);
  EXPECT_EQ(Next(), other.server.get());
  EXPECT_EQ(other.server->Peek().size, 100u);
}

TEST_F(SysvServerTest, AClientThatTheListenerNeverTookIsToldOfItsEnd) {
  std::unique_ptr<Link> client;
  std::thread dialing([&] { client = Dial().value(); });
  ASSERT_EQ(Next(), listener_.get());
  EXPECT_EQ(listener_->Accept().value(), nullptr) << "not confirmed yet";
  dialing.join();
  listener_->Close();
  EXPECT_EQ(client->Sleep(kReadable, Deadline::AfterMillis(kWatchdogMillis)),
            Io::kOk);
  EXPECT_EQ(client->Peek().io, Io::kEnd);
}

}  // namespace
}  // namespace nearcall::internal
