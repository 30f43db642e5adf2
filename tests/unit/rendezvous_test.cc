// Names, their locks, and the runtime directory.
#include "transports/rendezvous.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/temp_runtime_dir.h"

namespace nearcall::internal {
namespace {

using ::testing::HasSubstr;

std::string PathOf(const std::string& name) {
  return ResolveName(Side::kServer, "fifo", name, ".x").value();
}

TEST(NameLock, OneHolderAtATime) {
  const TempRuntimeDir directory;
  const std::string path = PathOf("greeter");
  EXPECT_FALSE(NameIsHeld(path).value());
  absl::StatusOr<NameLock> first = NameLock::Take(path);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(NameIsHeld(path).value());
  const absl::StatusOr<NameLock> second = NameLock::Take(path);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("pid " + std::to_string(getpid())));
  first->Release();
  EXPECT_FALSE(NameIsHeld(path).value());
  EXPECT_NE(access((path + ".lock").c_str(), F_OK), 0);
  EXPECT_TRUE(NameLock::Take(path).ok());
}

TEST(NameLock, GoesWithItsHoldersDeath) {
  const TempRuntimeDir directory;
  const std::string path = PathOf("greeter");
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  ChildProcess child = ChildProcess::Fork([&] {
    const absl::StatusOr<NameLock> lock = NameLock::Take(path);
    const char ok = lock.ok() ? 'y' : 'n';
    if (write(ready[1], &ok, 1) != 1) return 1;
    for (;;) pause();
  });
  char ok = 0;
  ASSERT_EQ(read(ready[0], &ok, 1), 1);
  ASSERT_EQ(ok, 'y');
  EXPECT_TRUE(NameIsHeld(path).value());
  child.Kill();
  EXPECT_FALSE(NameIsHeld(path).value());
  EXPECT_TRUE(NameLock::Take(path).ok());
  close(ready[0]);
  close(ready[1]);
}

TEST(NameLock, AskingDoesNotKeepAServerFromStarting) {
  const TempRuntimeDir directory;
  const std::string path = PathOf("greeter");
  ASSERT_TRUE(NameLock::Take(path).ok());  // The lock file's name is free.
  std::atomic<bool> stop{false};
  std::vector<std::thread> asking;
  for (int i = 0; i < 4; ++i) {
    asking.emplace_back([&] {
      while (!stop) EXPECT_TRUE(NameIsHeld(path).ok());
    });
  }
  for (int i = 0; i < 500; ++i) {
    const absl::StatusOr<NameLock> lock = NameLock::Take(path);
    ASSERT_TRUE(lock.ok()) << lock.status();
  }
  stop = true;
  for (std::thread& thread : asking) thread.join();
}

TEST(NameLock, AForeignLockFileIsRefused) {
  const TempRuntimeDir directory;
  const std::string path = PathOf("greeter");
  ASSERT_EQ(symlink("/dev/null", (path + ".lock").c_str()), 0);
  EXPECT_FALSE(NameIsHeld(path).ok());
  EXPECT_FALSE(NameLock::Take(path).ok());
}

// Whoever can write a directory can put another object in a name's place.
TEST(Names, ADirectoryThatEverybodyCanWriteIsNoPlaceForAServer) {
  const TempRuntimeDir directory;
  const std::string open = directory.File("open");
  ASSERT_EQ(mkdir(open.c_str(), 0700), 0);
  const std::string name = open + "/greeter";
  for (const mode_t mode : {0755, 0770, 01777}) {
    ASSERT_EQ(chmod(open.c_str(), mode), 0);
    EXPECT_EQ(ResolveName(Side::kServer, "unix", name, "").value(), name);
  }
  for (const mode_t mode : {0777, 0702}) {
    ASSERT_EQ(chmod(open.c_str(), mode), 0);
    const absl::Status refused =
        ResolveName(Side::kServer, "unix", name, "").status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(refused.message()), HasSubstr("chmod o-w " + open));
    EXPECT_TRUE(ResolveName(Side::kClient, "unix", name, "").ok());
  }
  EXPECT_FALSE(
      ResolveName(Side::kServer, "unix", open + "/none/greeter", "").ok());
  rmdir(open.c_str());
}

}  // namespace
}  // namespace nearcall::internal
