// Many clients of one server, all calling at once.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tests/call/call_test.h"
#include "tests/call/load.h"

namespace nearcall::test {
namespace {

using internal::ChildProcess;
using std::chrono::milliseconds;

constexpr int kProcesses = 4;

/// A load_client.
class LoadProcess {
 public:
  /// `go`: the reading end of a pipe, whose end lets it begin.
  LoadProcess(const std::string& target, int clients, milliseconds time,
              int go) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const std::string count = std::to_string(clients);
    const std::string millis = std::to_string(time.count());
    process_ = ChildProcess::Fork([&] {
      dup2(go, STDIN_FILENO);
      dup2(ends[1], STDOUT_FILENO);
      execl(NEARCALL_LOAD_CLIENT, NEARCALL_LOAD_CLIENT, target.c_str(),
            count.c_str(), millis.c_str(), nullptr);
      return 127;
    });
    close(ends[1]);
    output_ = fdopen(ends[0], "r");
  }
  ~LoadProcess() { fclose(output_); }

  void AwaitReady() {
    char line[16] = "";
    EXPECT_NE(fgets(line, sizeof line, output_), nullptr);
    EXPECT_STREQ(line, "ready\n");
  }
  void AddCounts(std::vector<int64_t>* counts) {
    long long count;
    while (fscanf(output_, "%lld", &count) == 1) counts->push_back(count);
  }

 private:
  ChildProcess process_;
  FILE* output_;
};

struct Result {
  std::vector<int64_t> counts;  ///< Calls of each client.
  /// The most that there were: one that is idle stays for seconds.
  int64_t server_threads = 0;
};

class ManyClientsTest : public CallTest {
 protected:
  Result Run(const Served& served, int clients, milliseconds time) {
    Gatekeeper gates(served);
    Result result;
    if (transport().one_process) {
      Load load(Target(), clients);
      load.Begin(time);
      result.counts = load.Finish();
      result.server_threads = gates.Process().threads();
      return result;
    }
    int go[2];
    EXPECT_EQ(pipe2(go, O_CLOEXEC), 0);
    std::vector<std::unique_ptr<LoadProcess>> processes;
    for (int i = 0; i < kProcesses; ++i) {
      processes.push_back(std::make_unique<LoadProcess>(
          Target(), clients / kProcesses, time, go[0]));
    }
    for (const auto& process : processes) process->AwaitReady();
    close(go[0]);
    close(go[1]);
    for (const auto& process : processes) process->AddCounts(&result.counts);
    result.server_threads = gates.Process().threads();
    return result;
  }
};

// How evenly is printed: which clients run at all is the scheduler's choice,
// and over shared memory a client that runs beside the server has all its
// turns.
TEST_P(ManyClientsTest, AllAreServedByFewThreads) {
  const Served served = Serve();
  const Result few = Run(served, 20, milliseconds(500));
  const Result many = Run(served, 200, milliseconds(2000));
  ASSERT_EQ(many.counts.size(), 200u);
  const auto [least, most] =
      std::minmax_element(many.counts.begin(), many.counts.end());
  std::printf(
      "%s: %lld to %lld calls a client; threads of the server %lld, "
      "with 20 clients %lld\n",
      GetParam().scheme, static_cast<long long>(*least),
      static_cast<long long>(*most),
      static_cast<long long>(many.server_threads),
      static_cast<long long>(few.server_threads));
  EXPECT_GT(*least, 0);
  // Not one a client.
  EXPECT_LT(many.server_threads, 100);
}

// Over pipe: each channel has a server of its own.
INSTANTIATE_TEST_SUITE_P(
    All, ManyClientsTest, ::testing::ValuesIn(TransportsThatShareAServer()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);

}  // namespace
}  // namespace nearcall::test
