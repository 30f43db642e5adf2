// A server that has no descriptors left.
#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/call/pending_call.h"

namespace nearcall::test {
namespace {

using internal::ChildProcess;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::StartsWith;

/// Of a process, in all its threads.
milliseconds CpuTime(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream fields(line.substr(line.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  int64_t user = 0, system = 0;
  fields >> user >> system;
  return milliseconds((user + system) * 1000 / sysconf(_SC_CLK_TCK));
}

int OpenDescriptors(pid_t pid) {
  int count = 0;
  DIR* const directory =
      opendir(("/proc/" + std::to_string(pid) + "/fd").c_str());
  while (directory != nullptr && readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count - 2;
}

class DescriptorsTest : public CallTest {};

TEST_P(DescriptorsTest, AServerWithoutAnyGoesOnAndRecovers) {
  constexpr int kLimit = 40;
  constexpr int kClients = 60;
  ServerSettings settings;
  settings.targets = {Target()};
  std::vector<std::string> argv = {
      "/bin/sh", "-c", "ulimit -n " + std::to_string(kLimit) + "; exec \"$@\"",
      "sh"};
  for (const std::string& word : ServerCommand(settings)) argv.push_back(word);
  std::string line;
  const ChildProcess server = ExecUntilReady(argv, &line);
  ASSERT_THAT(line, StartsWith("ready "));

  struct Client {
    std::unique_ptr<TestService::Stub> stub;
    std::unique_ptr<PendingCall> call;
  };
  std::vector<Client> clients(kClients);
  for (Client& client : clients) {
    client.stub = TestService::NewStub(DefaultChannel(Target()));
    client.call = std::make_unique<PendingCall>(Surface::kCallback);
    client.call->context.set_deadline(In(seconds(40)));
    client.call->StartEcho(client.stub.get(), MakeMessage(10));
  }
  // Full: a link's descriptors do not fit any more.
  while (OpenDescriptors(server.pid()) < kLimit - 4) usleep(1000);
  const auto find = [&clients](auto has) {
    return std::find_if(clients.begin(), clients.end(), has);
  };
  const auto served = [](const Client& client) {
    return client.call->HasEnded() && client.call->Await().ok();
  };
  while (find(served) == clients.end()) usleep(1000);
  TestService::Stub* const inside = find(served)->stub.get();
  // Who waits at the door costs it next to nothing, for a second.
  const milliseconds before = CpuTime(server.pid());
  const auto until = In(seconds(1));
  int calls = 0;
  while (std::chrono::system_clock::now() < until) {
    ClientContext context;
    Message reply;
    ASSERT_THAT(inside->Echo(&context, MakeMessage(10), &reply), IsOk());
    ++calls;
    usleep(20'000);
  }
  EXPECT_LT(CpuTime(server.pid()) - before, milliseconds(500));
  EXPECT_GT(calls, 1);
  // Each that leaves makes room for one that waits.
  while (!clients.empty()) {
    const auto ended =
        find([](const Client& client) { return client.call->HasEnded(); });
    if (ended == clients.end()) {
      usleep(1000);
      continue;
    }
    const Status status = ended->call->Await();
    // Where a link takes several descriptors at once, one that finds too few is
    // told so.
    if (!status.ok()) {
      EXPECT_THAT(status, IsStatus(RESOURCE_EXHAUSTED, ""));
      EXPECT_FALSE(ended->call->context.maybe_sent());
    }
    ended->call.reset();
    clients.erase(ended);
  }
  while (OpenDescriptors(server.pid()) > kLimit - 10) usleep(1000);
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  PendingCall last(Surface::kBlocking);
  last.StartEcho(stub.get(), MakeMessage(10));
  EXPECT_THAT(last.Await(), IsOk());
}

std::vector<TransportCase> TransportsOverSockets() {
  std::vector<TransportCase> result = TransportsToStandingServers();
  std::erase_if(result, [](const TransportCase& transport) {
    const std::string scheme = transport.scheme;
    return scheme == "fifo" || scheme == "sysv";
  });
  return result;
}
INSTANTIATE_TEST_SUITE_P(
    All, DescriptorsTest, ::testing::ValuesIn(TransportsOverSockets()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);

}  // namespace
}  // namespace nearcall::test
