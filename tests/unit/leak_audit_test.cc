// Whose System V queues count as left behind.
#include "tests/support/leak_audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/msg.h>
#include <unistd.h>

#include <string>

#include "tests/support/child_process.h"

namespace nearcall::internal {
namespace {

using testing::Contains;
using testing::Not;

/// What a test makes and another process uses.
class LeakAuditTest : public testing::Test {
 protected:
  ~LeakAuditTest() override { msgctl(queue_, IPC_RMID, nullptr); }
  std::string Name() const { return "msg " + std::to_string(queue_); }
  static std::set<std::string> Machine() {
    return Holdings::Of(getpid()).machine;
  }
  bool Use() const {
    const long message[2] = {1, 0};
    return msgsnd(queue_, message, 0, IPC_NOWAIT) == 0;
  }

  const int queue_ = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
};

TEST_F(LeakAuditTest, AQueueThatNobodyUsedCounts) {
  EXPECT_THAT(Machine(), Contains(Name()));
}

TEST_F(LeakAuditTest, AQueueOfThisProgramCounts) {
  ASSERT_TRUE(Use());
  EXPECT_THAT(Machine(), Contains(Name()));
  Baton used;
  ChildProcess child = ChildProcess::Fork([&] {
    if (!Use()) return 1;
    used.Pass();
    pause();
    return 0;
  });
  ASSERT_TRUE(used.Await());
  EXPECT_THAT(Machine(), Contains(Name()));
  child.Kill();
  EXPECT_THAT(Machine(), Contains(Name()));
}

// As a test that runs beside this one: not below it.
TEST_F(LeakAuditTest, AQueueOfAnotherProgramDoesNotWhileThatLives) {
  int pids[2];
  ASSERT_EQ(pipe(pids), 0);
  int end[2];
  ASSERT_EQ(pipe(end), 0);
  ChildProcess parent = ChildProcess::Fork([&] {
    if (fork() != 0) return 0;
    close(end[1]);
    const pid_t self = getpid();
    if (!Use() || write(pids[1], &self, sizeof self) < 0) return 1;
    char byte;
    return read(end[0], &byte, 1) == 0 ? 0 : 1;  // Until the test ends, too.
  });
  ASSERT_EQ(parent.Wait(), 0);
  pid_t stranger = 0;
  ASSERT_EQ(read(pids[0], &stranger, sizeof stranger),
            static_cast<ssize_t>(sizeof stranger));
  EXPECT_THAT(Machine(), Not(Contains(Name())));
  ASSERT_EQ(kill(stranger, SIGKILL), 0);
  // Not our child: its end is seen by the queue's counting again.
  while (kill(stranger, 0) == 0 && !Machine().contains(Name())) {
  }
  EXPECT_THAT(Machine(), Contains(Name()));
  for (const int fd : {pids[0], pids[1], end[0], end[1]}) close(fd);
}

}  // namespace
}  // namespace nearcall::internal
