// RemoveStaleResources over every transport that leaves something behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nearcall/stale_resources.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "runtime/transport.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_runtime_dir.h"
#include "transports/sysv_queue.h"

namespace nearcall {
namespace {

using internal::Baton;
using internal::ChildProcess;
using internal::TempRuntimeDir;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

std::unique_ptr<internal::Listener> Listen(const std::string& uri) {
  const internal::Target target = internal::ParseTarget(uri).value();
  return internal::FindTransport(target.scheme)->listen(target).value();
}

// A name of the scheme, the same one each time.
std::string Named(const std::string& scheme, const std::string& name) {
  if (scheme != "tcp") return scheme + ":" + name;
  static const std::string free = Listen("tcp:127.0.0.1:0")->address();
  return free;
}

class StaleResourcesTest : public testing::TestWithParam<std::string> {
 protected:
  const TempRuntimeDir directory_;
};

TEST_P(StaleResourcesTest, WhatAKilledServerLeftIsRemoved) {
  const std::string uri = Named(GetParam(), "dead");
  Baton up;
  ChildProcess server = ChildProcess::Fork([&] {
    const auto listener = Listen(uri);
    up.Pass();
    pause();
    return 0;
  });
  ASSERT_TRUE(up.Await());
  const std::vector<std::string> before = directory_.List();
  ASSERT_THAT(before, Not(IsEmpty()));
  StaleResources result = RemoveStaleResources();
  EXPECT_THAT(result.removed, IsEmpty()) << "it lives";
  EXPECT_EQ(directory_.List(), before);
  server.Kill();
  result = RemoveStaleResources();
  EXPECT_THAT(result.problems, IsEmpty());
  EXPECT_GE(result.removed.size(), before.size());
  EXPECT_THAT(directory_.List(), IsEmpty());
  result = RemoveStaleResources();
  EXPECT_THAT(result.removed, IsEmpty()) << "once";
}

TEST_P(StaleResourcesTest, TheNextStartRemovesItAsWell) {
  const std::string uri = Named(GetParam(), "again");
  Baton up;
  ChildProcess server = ChildProcess::Fork([&] {
    const auto listener = Listen(uri);
    up.Pass();
    pause();
    return 0;
  });
  ASSERT_TRUE(up.Await());
  server.Kill();
  Listen(uri)->Close();
  EXPECT_THAT(RemoveStaleResources().removed, IsEmpty());
  EXPECT_THAT(directory_.List(), IsEmpty());
}

std::vector<std::string> SchemesThatLeaveSomething() {
  std::vector<std::string> schemes;
  for (const internal::Transport& transport : internal::Transports()) {
    if (transport.remove_stale != nullptr) {
      schemes.emplace_back(transport.scheme);
    }
  }
  return schemes;
}
INSTANTIATE_TEST_SUITE_P(Schemes, StaleResourcesTest,
                         testing::ValuesIn(SchemesThatLeaveSomething()),
                         [](const auto& info) { return info.param; });

TEST(StaleResources, OtherFilesStay) {
  const TempRuntimeDir directory;
  std::ofstream(directory.File("notes.txt")) << "mine\n";
  const StaleResources result = RemoveStaleResources();
  EXPECT_THAT(result.removed, IsEmpty());
  EXPECT_THAT(result.problems, IsEmpty());
  EXPECT_THAT(directory.List(), ElementsAre("notes.txt"));
}

TEST(StaleResources, NoDirectoryIsNoProblem) {
  const TempRuntimeDir directory;
  ASSERT_EQ(rmdir(directory.path().c_str()), 0);
  EXPECT_THAT(RemoveStaleResources().problems, IsEmpty());
}

TEST(StaleResources, ADirectoryOpenToOthersIsAProblem) {
  const TempRuntimeDir directory;
  ASSERT_EQ(chmod(directory.path().c_str(), 0755), 0);
  EXPECT_THAT(RemoveStaleResources().problems, Not(IsEmpty()));
  ASSERT_EQ(chmod(directory.path().c_str(), 0700), 0);
}

}  // namespace
}  // namespace nearcall
