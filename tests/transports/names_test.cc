// The names of servers: who gets one, and what becomes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/temp_runtime_dir.h"
#include "tests/transports/rendezvous_util.h"

namespace nearcall::internal {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class NamesTest : public testing::TestWithParam<std::string> {
 protected:
  /// The same one each time: for TCP a port that was free.
  std::string Uri() const {
    if (GetParam() != "tcp") return GetParam() + ":greeter";
    static const std::string free =
        Listen("tcp:127.0.0.1:0").value()->address();
    return free;
  }
  /// The file that clients look for.
  std::string Path() const {
    return directory_.File(GetParam() == "shm" ? "greeter.shm" : "greeter");
  }
  const TempRuntimeDir directory_;
};
class SocketNamesTest : public NamesTest {};

/// What a process that wanted the name reports.
struct Outcome {
  pid_t pid = 0;
  absl::StatusCode code = absl::StatusCode::kOk;
  char text[512] = {};
};

TEST_P(NamesTest, OfManyServersOneWins) {
  constexpr int kServers = 8;
  const std::string uri = Uri();
  for (int round = 0; round < 20; ++round) {
    Baton go, done;
    int results[2];
    ASSERT_EQ(pipe(results), 0);
    std::vector<ChildProcess> servers;
    for (int i = 0; i < kServers; ++i) {
      servers.push_back(ChildProcess::Fork([&] {
        if (!go.Await()) return 1;
        const auto listener = Listen(uri);
        Outcome outcome;
        outcome.pid = getpid();
        outcome.code = listener.status().code();
        Text(listener.status()).copy(outcome.text, sizeof outcome.text - 1);
        if (write(results[1], &outcome, sizeof outcome) != sizeof outcome) {
          return 2;
        }
        done.Await();  // The winner keeps the name until all have tried.
        return 0;
      }));
    }
    for (int i = 0; i < kServers; ++i) go.Pass();
    std::vector<Outcome> winners, losers;
    for (int i = 0; i < kServers; ++i) {
      Outcome outcome;
      ASSERT_EQ(read(results[0], &outcome, sizeof outcome),
                static_cast<ssize_t>(sizeof outcome));
      (outcome.code == absl::StatusCode::kOk ? winners : losers)
          .push_back(outcome);
    }
    ASSERT_EQ(winners.size(), 1u) << "round " << round;
    for (const Outcome& loser : losers) {
      EXPECT_EQ(loser.code, absl::StatusCode::kAlreadyExists) << loser.text;
      EXPECT_THAT(std::string(loser.text),
                  HasSubstr("pid " + std::to_string(winners[0].pid)));
    }
    // Killed in every second round: the next one finds what that leaves.
    for (ChildProcess& server : servers) {
      if (round % 2 == 0) server.Kill();
    }
    for (int i = 0; i < kServers; ++i) done.Pass();
    for (ChildProcess& server : servers) {
      if (round % 2 != 0) {
        EXPECT_EQ(server.Wait(), 0);
      }
    }
    close(results[0]);
    close(results[1]);
  }
}

// A tidy-up script, a tmp cleaner: the socket is gone, the server is not.
TEST_P(SocketNamesTest, ARemovedSocketEndsNoLinkAndHidesTheServer) {
  auto first = Listen(Uri());
  ASSERT_TRUE(first.ok()) << first.status();
  const Meeting meeting = Meet(first->get(), Uri());
  ASSERT_TRUE(meeting.client.ok()) << meeting.client.status();
  ASSERT_EQ(unlink(Path().c_str()), 0);
  ExpectConnected(meeting.client->get(), meeting.server->get());
  ExpectConnected(meeting.server->get(), meeting.client->get());
  const absl::Status status = Dial(Uri()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Text(status), HasSubstr(Path()));
  EXPECT_EQ(Listen(Uri()).status().code(), absl::StatusCode::kAlreadyExists);
  first->reset();
  EXPECT_THAT(directory_.List(), IsEmpty());
  auto next = Listen(Uri());
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_TRUE(Meet(next->get(), Uri()).client.ok());
}

TEST_P(SocketNamesTest, WithTheLockGoneAsWellTheNextServersNameIsLeftAlone) {
  auto first = Listen(Uri());
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(unlink(Path().c_str()), 0);
  ASSERT_EQ(unlink((Path() + ".lock").c_str()), 0);
  auto second = Listen(Uri());
  ASSERT_TRUE(second.ok()) << second.status();
  const std::vector<std::string> names = directory_.List();
  first->reset();
  EXPECT_EQ(directory_.List(), names);
  EXPECT_TRUE(Meet(second->get(), Uri()).client.ok());
}

INSTANTIATE_TEST_SUITE_P(Schemes, NamesTest,
                         testing::Values("unix", "shm", "tcp", "sysv"),
                         [](const auto& info) { return info.param; });
INSTANTIATE_TEST_SUITE_P(Schemes, SocketNamesTest,
                         testing::Values("unix", "shm"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace nearcall::internal
