// A server on several targets.
#include <unistd.h>

#include <sstream>
#include <string>
#include <vector>

#include "tests/call/call_test.h"

namespace nearcall::test {
namespace {

using internal::ChildProcess;
using ::testing::ElementsAre;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

class SeveralTargetsTest : public ::testing::Test {
 protected:
  Watchdog watchdog_{60};
  internal::TempRuntimeDir directory_;
};

TEST_F(SeveralTargetsTest, EachIsServedAndReported) {
  ServerSettings settings;
  const std::string abstract =
      "unix-abstract:nearcall-several-" + std::to_string(getpid());
  settings.targets = {"shm:several",  "unix:several", abstract,
                      "fifo:several", "sysv:several", "tcp:localhost:0"};
  std::string line;
  const ChildProcess server = ExecUntilReady(ServerCommand(settings), &line);
  std::istringstream words(line);
  std::string ready;
  words >> ready;
  std::vector<std::string> addresses;
  for (std::string word; words >> word;) addresses.push_back(word);
  EXPECT_THAT(addresses,
              ElementsAre("shm:several", "unix:" + directory_.File("several"),
                          abstract, "fifo:several", StartsWith("sysv:"),
                          MatchesRegex("tcp:localhost:[1-9][0-9]*")));
  for (const std::string& address : addresses) {
    SCOPED_TRACE(address);
    const auto stub = TestService::NewStub(DefaultChannel(address));
    ClientContext context;
    InfoReply reply;
    ASSERT_THAT(stub->Info(&context, Message(), &reply), IsOk());
    EXPECT_EQ(reply.pid(), server.pid());
    EXPECT_EQ(reply.transport(), address.substr(0, address.find(':')));
  }
}

TEST_F(SeveralTargetsTest, OneThatCannotBeServedGivesTheOthersBack) {
  ServerSettings settings;
  settings.targets = {"unix:held"};
  const TestServer holder(settings);
  ASSERT_NE(holder.server(), nullptr);
  settings.targets = {"shm:first", "unix:second", "unix:held"};
  EXPECT_EQ(TestServer(settings).server(), nullptr);
  settings.targets = {"shm:first", "unix:second"};
  EXPECT_NE(TestServer(settings).server(), nullptr);
}

}  // namespace
}  // namespace nearcall::test
