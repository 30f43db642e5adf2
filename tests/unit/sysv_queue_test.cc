// Records of message queues: their text, who may remove what, what remains.
#include "transports/sysv_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/msg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/temp_runtime_dir.h"

namespace nearcall::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

bool Exists(int queue) { return StatSysvQueue(queue).ok(); }

std::string OnlyRecord(const TempRuntimeDir& directory) {
  for (const std::string& name : directory.List()) {
    if (name.ends_with(".queue")) return directory.File(name);
  }
  return "";
}

TEST(SysvRecord, SurvivesItsText) {
  SysvRecord record;
  record.queue = 2147483647;
  record.made = 1234567890123;
  record.pid = 4194304;
  record.started = 18446744073709551615u;
  record.number = 4294967295;
  SysvRecord read;
  ASSERT_TRUE(DecodeSysvRecord(EncodeSysvRecord(record), &read));
  EXPECT_EQ(EncodeSysvRecord(read), EncodeSysvRecord(record));
}

TEST(SysvRecord, OtherTextIsNone) {
  const std::string good = EncodeSysvRecord({1, 2, 3, 4, 5});
  SysvRecord record;
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(DecodeSysvRecord(good.substr(0, size), &record)) << size;
  }
  EXPECT_FALSE(DecodeSysvRecord(good + "\n", &record));
  EXPECT_FALSE(DecodeSysvRecord(good + "more 1\n", &record));
  for (const char* bad : {"-1", "2147483648", "0x1", "", "1 1"}) {
    std::string text = good;
    text.replace(text.find("queue 1") + 6, 1, bad);
    EXPECT_FALSE(DecodeSysvRecord(text, &record)) << text;
  }
}

TEST(SysvRecord, IsReadFromPlainFilesOnly) {
  const TempRuntimeDir directory;
  const std::string path = directory.File("x");
  EXPECT_EQ(ReadSysvRecord(path).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(WriteSysvRecord(path, {1, 2, 3, 4, 5}).ok());
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(ReadSysvRecord(path)->pid, 3);
  ASSERT_EQ(symlink(path.c_str(), directory.File("link").c_str()), 0);
  EXPECT_EQ(ReadSysvRecord(directory.File("link")).status().code(),
            absl::StatusCode::kPermissionDenied);
  ASSERT_EQ(mkfifo(directory.File("fifo").c_str(), 0600), 0);
  EXPECT_EQ(ReadSysvRecord(directory.File("fifo")).status().code(),
            absl::StatusCode::kPermissionDenied);
  std::ofstream(directory.File("text")) << "text\n";
  EXPECT_EQ(ReadSysvRecord(directory.File("text")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(SysvQueue, LeavesNothing) {
  const TempRuntimeDir directory;
  int id;
  {
    const auto queue = SysvQueue::Make(directory.File("name"));
    ASSERT_TRUE(queue.ok()) << queue.status();
    id = (*queue)->id();
    msqid_ds state;
    ASSERT_EQ(msgctl(id, IPC_STAT, &state), 0);
    EXPECT_EQ(state.msg_perm.mode & 0777, 0600);
    EXPECT_EQ(ReadSysvRecord((*queue)->path())->queue, id);
    // In use: neither the one nor the other way removes it.
    RemoveSysvRecordIfDead((*queue)->path());
    RemoveDeadSysvQueues(directory.File("name"));
    EXPECT_TRUE(Exists(id));
  }
  EXPECT_FALSE(Exists(id));
  EXPECT_THAT(directory.List(), IsEmpty());
}

TEST(SysvQueue, OfAKilledProcessIsRemovedWithItsRecord) {
  const TempRuntimeDir directory;
  Baton made;
  ChildProcess child = ChildProcess::Fork([&] {
    const auto queue = SysvQueue::Make(directory.File("name"));
    if (!queue.ok()) return 1;
    made.Pass();
    pause();
    return 0;
  });
  ASSERT_TRUE(made.Await());
  const std::string path = OnlyRecord(directory);
  const absl::StatusOr<SysvRecord> record = ReadSysvRecord(path);
  ASSERT_TRUE(record.ok()) << record.status();
  RemoveDeadSysvQueues(directory.File("name"));
  EXPECT_TRUE(Exists(record->queue));
  child.Kill();
  EXPECT_TRUE(Exists(record->queue));
  RemoveDeadSysvQueues(directory.File("other"));
  EXPECT_TRUE(Exists(record->queue));
  RemoveDeadSysvQueues(directory.File("name"));
  EXPECT_FALSE(Exists(record->queue));
  EXPECT_THAT(directory.List(), IsEmpty());
}

// Its parent has not asked yet how it ended.
TEST(SysvQueue, OfAZombieIsRemoved) {
  const TempRuntimeDir directory;
  ChildProcess child = ChildProcess::Fork([&]() -> int {
    const auto queue = SysvQueue::Make(directory.File("name"));
    _exit(queue.ok() ? 0 : 1);
  });
  siginfo_t end;
  ASSERT_EQ(
      waitid(P_PID, static_cast<id_t>(child.pid()), &end, WEXITED | WNOWAIT),
      0);
  ASSERT_EQ(end.si_status, 0);
  const absl::StatusOr<SysvRecord> record =
      ReadSysvRecord(OnlyRecord(directory));
  ASSERT_TRUE(record.ok()) << record.status();
  RemoveDeadSysvQueues(directory.File("name"));
  EXPECT_FALSE(Exists(record->queue));
  EXPECT_THAT(directory.List(), IsEmpty());
}

// A server that starts takes the lock of each queue beside its name for a
// moment, to see whether anybody holds it.
TEST(SysvQueue, IsMadeWhileSomebodyLooksAtItsLock) {
  const TempRuntimeDir directory;
  const std::string name = directory.File("name");
  const auto first = SysvQueue::Make(name);
  ASSERT_TRUE(first.ok()) << first.status();
  const absl::StatusOr<NameLock> looking = NameLock::Take(
      SysvQueuePath(name, getpid(), (*first)->record().number + 1));
  ASSERT_TRUE(looking.ok()) << looking.status();
  const auto second = SysvQueue::Make(name);
  EXPECT_TRUE(second.ok()) << second.status();
}

// A cleaner of old files took the lock file; the owner did not notice.
TEST(SysvQueue, OfALiveProcessStaysThoughItsLockFileIsGone) {
  const TempRuntimeDir directory;
  Baton made;
  ChildProcess child = ChildProcess::Fork([&] {
    const auto queue = SysvQueue::Make(directory.File("name"));
    if (!queue.ok()) return 1;
    made.Pass();
    pause();
    return 0;
  });
  ASSERT_TRUE(made.Await());
  const std::string path = OnlyRecord(directory);
  const absl::StatusOr<SysvRecord> record = ReadSysvRecord(path);
  ASSERT_TRUE(record.ok()) << record.status();
  ASSERT_EQ(unlink((path + ".lock").c_str()), 0);
  std::vector<std::string> removed;
  const absl::Status status = RemoveSysvRecord(path, &removed);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("pid " + std::to_string(child.pid())));
  EXPECT_THAT(removed, IsEmpty());
  EXPECT_TRUE(Exists(record->queue));
  // The pid went to another process: the same record with another start.
  SysvRecord recycled = *record;
  recycled.started += 1;
  ASSERT_TRUE(WriteSysvRecord(path, recycled).ok());
  EXPECT_TRUE(RemoveSysvRecord(path, &removed).ok());
  EXPECT_FALSE(Exists(record->queue));
}

// After a reboot an old record names somebody else's queue.
TEST(SysvQueue, MadeAtAnotherTimeIsNotTheRecordedOne) {
  const TempRuntimeDir directory;
  const int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
  ASSERT_GE(id, 0);
  SysvRecord record;
  record.queue = id;
  record.made = StatSysvQueue(id)->made - 1;
  record.pid = 1;
  const std::string path = directory.File("name");
  ASSERT_TRUE(WriteSysvRecord(path, record).ok());
  std::vector<std::string> removed;
  EXPECT_TRUE(RemoveSysvRecord(path, &removed).ok());
  EXPECT_THAT(removed, ElementsAre(path));
  EXPECT_TRUE(Exists(id));
  msgctl(id, IPC_RMID, nullptr);
}

TEST(SysvQueue, AForkedChildRemovesNothing) {
  const TempRuntimeDir directory;
  auto queue = SysvQueue::Make(directory.File("name"));
  ASSERT_TRUE(queue.ok()) << queue.status();
  ChildProcess child = ChildProcess::Fork([&] {
    queue->reset();
    return 0;
  });
  EXPECT_EQ(child.Wait(), 0);
  EXPECT_TRUE(Exists((*queue)->id()));
  EXPECT_TRUE(NameIsHeld((*queue)->path()).value());
}

}  // namespace
}  // namespace nearcall::internal
