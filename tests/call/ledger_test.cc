// A server that is killed and started again and again under load: what the
// clients are told agrees with what ran.
#include <atomic>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/call/call_test.h"

namespace nearcall::test {
namespace {

constexpr int kKills = 20;
constexpr int kCallers = 4;
constexpr int kCallsBetweenKills = 40;

struct Outcome {
  bool ok = false;
  bool maybe_sent = false;
};

class LedgerTest : public CallTest {
 protected:
  /// How often each call ran, by all servers.
  std::map<int64_t, int> Ran() const {
    std::map<int64_t, int> ran;
    std::ifstream file(ledger_, std::ios::binary);
    int64_t sequence;
    while (file.read(reinterpret_cast<char*>(&sequence), sizeof sequence)) {
      ++ran[sequence];
    }
    return ran;
  }
  const std::string ledger_ = directory_.File("ledger");
};

TEST_P(LedgerTest, KilledAndStartedAgainUnderLoad) {
  ServerSettings settings;
  settings.ledger = ledger_;
  Served served = Serve(settings);
  std::mutex mu;
  std::map<int64_t, Outcome> outcomes;
  std::atomic<bool> stop{false};
  std::atomic<int> succeeded{0};
  std::vector<std::thread> callers;
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  for (int t = 0; t < kCallers; ++t) {
    callers.emplace_back([&, t] {
      for (int64_t i = 1; !stop; ++i) {
        const int64_t sequence = i * kCallers + t;
        ClientContext context;
        context.set_wait_for_ready(t % 2 == 0);
        Message reply;
        const Status status =
            stub->Echo(&context, MakeMessage(100, sequence), &reply);
        if (status.ok()) {
          EXPECT_EQ(reply.sequence(), sequence);
          ++succeeded;
        } else {
          EXPECT_THAT(status, IsStatus(UNAVAILABLE, ""));
        }
        std::lock_guard<std::mutex> lock(mu);
        outcomes[sequence] = {status.ok(), context.maybe_sent()};
      }
    });
  }
  for (int i = 0; i < kKills; ++i) {
    const int before = succeeded;
    while (succeeded < before + kCallsBetweenKills) std::this_thread::yield();
    served.Kill();
    served = Serve(settings);
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
  const std::map<int64_t, int> ran = Ran();
  int failed = 0;
  int unsure = 0;
  for (const auto& [sequence, outcome] : outcomes) {
    const auto found = ran.find(sequence);
    const int times = found == ran.end() ? 0 : found->second;
    if (outcome.ok) {
      EXPECT_EQ(times, 1) << "a call that was OK, " << sequence;
    } else {
      ++failed;
      unsure += outcome.maybe_sent ? 1 : 0;
      EXPECT_LE(times, outcome.maybe_sent ? 1 : 0)
          << "a call that failed, " << sequence;
    }
  }
  std::printf("%s: %d kills, %zu calls, %d failed, %d of them maybe sent\n",
              GetParam().scheme, kKills, outcomes.size(), failed, unsure);
}

INSTANTIATE_TEST_SUITE_P(
    All, LedgerTest, ::testing::ValuesIn(TransportsToStandingServers()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);

}  // namespace
}  // namespace nearcall::test
