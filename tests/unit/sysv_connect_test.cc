// How sysv: comes to a link where the server is about to come or to go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/msg.h>

#include <memory>
#include <string>
#include <thread>

#include "runtime/target.h"
#include "runtime/transport.h"
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

}  // namespace
}  // namespace nearcall::internal
