#include "runtime/watchdog.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "runtime/poller.h"

namespace nearcall::internal {
namespace {

constexpr int64_t kTickMillis = 1;
// Ticks with every poller asleep before it sleeps too: calls that come in every
// few milliseconds need not wake it each time.
constexpr int kQuietTicks = 50;

}  // namespace

absl::Status Watchdog::Start(std::vector<Poller*> pollers) {
  pollers_ = std::move(pollers);
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error&) {
    return absl::ResourceExhaustedError(
        "the system refuses another thread (see ulimit -u and cgroup "
        "pids.max)");
  }
  return absl::OkStatus();
}

void Watchdog::Stop() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    changed_.Signal();
  }
  if (thread_.joinable()) thread_.join();
}

void Watchdog::StartTicking() {
  MutexLock lock(&mu_);
  if (ticking_.exchange(true)) return;
  changed_.Signal();
}

void Watchdog::Run() {
  MutexLock lock(&mu_);
  int quiet = 0;
  while (!stopping_) {
    if (!ticking_.load()) {
      changed_.Wait(&mu_);
      quiet = 0;
      continue;
    }
    changed_.WaitUntil(&mu_, Deadline::AfterMillis(kTickMillis));
    bool awake = false;
    for (Poller* poller : pollers_) {
      awake |= !poller->parked();
      poller->CheckStuck();
    }
    quiet = awake ? 0 : quiet + 1;
    if (quiet < kQuietTicks) continue;
    ticking_.store(false);
    // One that woke up before it could see that.
    if (std::any_of(pollers_.begin(), pollers_.end(),
                    [](Poller* poller) { return !poller->parked(); })) {
      ticking_.store(true);
    }
  }
}

}  // namespace nearcall::internal
