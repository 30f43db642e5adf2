// What a channel's child finds in its environment. Each case is a process of
// its own, since the library looks once.
#include "transports/pipe_environment.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>

#include "tests/support/child_process.h"

namespace nearcall::internal {
namespace {

using ::testing::HasSubstr;

// Runs the body with NEARCALL_PIPE=value; false: an expectation in it failed.
bool With(const std::string& value, const std::function<void()>& body) {
  return ChildProcess::Fork([&] {
           setenv("NEARCALL_PIPE", value.c_str(), 1);
           body();
           return ::testing::Test::HasFailure() ? 1 : 0;
         }).Wait() == 0;
}

std::string Refusal() {
  const absl::StatusOr<InheritedPipe> pipe = TakeInheritedPipe();
  EXPECT_FALSE(pipe.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(pipe.status()));
  return std::string(pipe.status().message());
}

TEST(PipeEnvironmentTest, ThePipeIsTakenOnceAndTheVariableRemoved) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const std::string value =
      std::to_string(ends[0]) + "," + std::to_string(ends[1]) + ",77";
  EXPECT_TRUE(With(value, [&ends] {
    EXPECT_FALSE(StartedByChannelAs({"a", "b"}));
    EXPECT_EQ(getenv("NEARCALL_PIPE"), nullptr);
    for (const int fd : ends) EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    const absl::StatusOr<InheritedPipe> pipe = TakeInheritedPipe();
    ASSERT_TRUE(pipe.ok()) << pipe.status();
    EXPECT_EQ(pipe->read.get(), ends[0]);
    EXPECT_EQ(pipe->write.get(), ends[1]);
    EXPECT_EQ(pipe->parent, 77);
    EXPECT_THAT(Refusal(), HasSubstr("another server"));
  }));
  close(ends[0]);
  close(ends[1]);
}

TEST(PipeEnvironmentTest, WhatIsNoPipeIsRefused) {
  for (const char* value :
       {"", "5", "5,6", "x,6,7", "1000,1001,7", "0,1,7", "-1,-1,7", "5,,7"}) {
    EXPECT_TRUE(With(value, [value] {
      EXPECT_THAT(Refusal(), HasSubstr(std::string("NEARCALL_PIPE=") + value));
      EXPECT_EQ(getenv("NEARCALL_PIPE"), nullptr);
    })) << value;
  }
}

TEST(PipeEnvironmentTest, AChildKnowsEveryCommandAboveIt) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_EQ(ChildProcess::Fork([&ends] {
              const std::string variable =
                  ChildEnvironment(3, 4, {"grand", "parent"}).back();
              return write(ends[1], variable.data(), variable.size()) > 0 ? 0
                                                                          : 1;
            }).Wait(),
            0);
  char variable[256] = {};
  ASSERT_GT(read(ends[0], variable, sizeof variable - 1), 0);
  close(ends[0]);
  close(ends[1]);
  const std::string grandparents = variable;
  EXPECT_THAT(grandparents, HasSubstr("NEARCALL_PIPE=3,4,"));
  const std::string value = grandparents.substr(grandparents.find('=') + 1);
  EXPECT_TRUE(With(value, [] {
    EXPECT_TRUE(StartedByChannelAs({"grand", "parent"}));
    EXPECT_FALSE(StartedByChannelAs({"grandparent"}));
    EXPECT_FALSE(StartedByChannelAs({"grand", "parent", ""}));
    const std::string variable = ChildEnvironment(8, 9, {"parent"}).back();
    EXPECT_FALSE(StartedByChannelAs({"parent"}));
    // Two commands: nothing above this process was started as "parent".
    EXPECT_EQ(std::count(variable.begin(), variable.end(), ','), 4);
  }));
}

}  // namespace
}  // namespace nearcall::internal
