#include "runtime/server_core.h"

#include <algorithm>
#include <cstdio>
#include <thread>
#include <utility>

#include "runtime/epoll_waiter.h"
#include "runtime/fd.h"

namespace nearcall::internal {
namespace {

constexpr int64_t kComplainMillis = 10'000;
// What calls of other links get when the one that the process is there for has
// ended; less than a channel gives its child before it sends a signal.
constexpr int64_t kOwnerGoneMillis = 1000;

int Cores() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

ServerCore::ServerCore(int max_threads, std::unique_ptr<MethodTable> methods,
                       std::vector<std::shared_ptr<StandardService>> standard,
                       ConnectionObserver* observer)
    : standard_(std::move(standard)),
      methods_(std::move(methods)),
      generation_(ForkGeneration()),
      executor_(std::make_unique<Executor>(Cores(), max_threads)),
      events_(observer, executor_.get()) {}

absl::Status ServerCore::Start(std::vector<Port> ports) {
  // One poller for all that have descriptors, one for each other kind.
  absl::StatusOr<std::unique_ptr<EpollWaiter>> epoll = EpollWaiter::Create();
  if (!epoll.ok()) return epoll.status();
  pollers_.push_back(
      std::make_unique<Poller>(*std::move(epoll), nullptr, this, &watchdog_));
  for (Port& port : ports) {
    if (!port.address.empty()) addresses_.push_back(port.address);
    Poller* poller = pollers_.front().get();
    if (Waiter* waiter = port.listener->waiter()) {
      pollers_.push_back(
          std::make_unique<Poller>(nullptr, waiter, this, &watchdog_));
      poller = pollers_.back().get();
    }
    poller->AddPort(std::move(port));
  }
  std::vector<Poller*> watched;
  for (const auto& poller : pollers_) watched.push_back(poller.get());
  absl::Status started = watchdog_.Start(std::move(watched));
  for (const auto& poller : pollers_) {
    if (started.ok()) started = poller->Start();
  }
  if (!started.ok()) Shutdown(Deadline::Now());
  return started;
}

ServerCore::~ServerCore() {
  SignalShutdown::Process().Remove(this);
  Shutdown(Deadline::Never());
  WaitForCalls(/*for_ever=*/true);
  // Its threads return through the pollers.
  executor_.reset();
}

bool ServerCore::OfThisProcess() const {
  return generation_ == ForkGeneration();
}

bool ServerCore::BeginCall() {
  calls_.fetch_add(1);
  if (!refusing_.load()) return true;
  EndCall();
  return false;
}

// Once the count can be waited for it changes under the mutex only: whoever
// sees it at zero may destroy this.
void ServerCore::EndCall() {
  if (!refusing_.load()) {
    calls_.fetch_sub(1);
    return;
  }
  MutexLock lock(&mu_);
  calls_.fetch_sub(1);
  changed_.SignalAll();
}

void ServerCore::WaitForCalls(bool for_ever) {
  MutexLock lock(&mu_);
  Deadline complain = Deadline::AfterMillis(kComplainMillis);
  while (calls_.load() != 0 && (for_ever || !drain_until_.passed())) {
    // A call that ended while the refusal began has told nobody.
    const Deadline look = Deadline::AfterMillis(10);
    changed_.WaitUntil(&mu_, for_ever ? look : std::min(drain_until_, look));
    if (!complain.passed()) continue;
    complain = Deadline::AfterMillis(kComplainMillis);
    std::fprintf(stderr,
                 "nearcall: the server waits for %lld call(s) to end; a "
                 "handler that waits for something should look at "
                 "IsCancelled()\n",
                 static_cast<long long>(calls_.load()));
  }
}

bool ServerCore::AllSent() {
  bool all = true;
  for (const auto& poller : pollers_) {
    poller->ForEachSession(
        [&all](ServerSession& session) { all = all && session.AllSent(); });
  }
  return all;
}

// A call has ended when its last frame was written. While the link has no space
// the frame waits there, and would be lost with it.
void ServerCore::WaitForWrites() {
  Deadline complain = Deadline::AfterMillis(kComplainMillis);
  while (!AllSent()) {
    MutexLock lock(&mu_);
    if (drain_until_.passed()) return;
    changed_.WaitUntil(&mu_, std::min(drain_until_, Deadline::AfterMillis(1)));
    if (!complain.passed()) continue;
    complain = Deadline::AfterMillis(kComplainMillis);
    std::fprintf(stderr,
                 "nearcall: the server waits for a client to read the replies "
                 "that are under way to it\n");
  }
}

void ServerCore::Shutdown(Deadline deadline) {
  if (!OfThisProcess()) return;
  {
    MutexLock lock(&mu_);
    drain_until_ = std::min(drain_until_, deadline);
    changed_.SignalAll();
    if (shutting_down_) {
      while (!shut_down_) changed_.Wait(&mu_);
      return;
    }
    shutting_down_ = true;
  }
  refusing_.store(true);
  for (const auto& poller : pollers_) poller->StopListening();
  for (const auto& poller : pollers_) {
    poller->ForEachSession([](ServerSession& session) {
      session.GoAway("the server is shutting down");
    });
  }
  for (const auto& service : standard_) service->Stop();
  WaitForCalls(/*for_ever=*/false);
  WaitForWrites();
  for (const auto& poller : pollers_) {
    poller->ForEachSession([](ServerSession& session) {
      session.CancelAll("the server has shut down");
    });
  }
  for (const auto& poller : pollers_) poller->Stop();
  watchdog_.Stop();
  MutexLock lock(&mu_);
  shut_down_ = true;
  changed_.SignalAll();
}

absl::Status ServerCore::ShutdownOnSignals(std::span<const int> signals,
                                           int64_t grace_nanos) {
  grace_nanos_.store(grace_nanos);
  return SignalShutdown::Process().Add(this, signals);
}

void ServerCore::OnSignal(bool again) {
  if (!again) {
    drain_task_.core = this;
    // At once, however busy the handlers' threads are.
    if (!executor_->SubmitNow(&drain_task_).ok()) {
      executor_->Submit(&drain_task_);
    }
    return;
  }
  MutexLock lock(&mu_);
  drain_until_ = Deadline::Now();
  changed_.SignalAll();
}

void ServerCore::DrainTask::Run() {
  core->Shutdown(Deadline::After(core->grace_nanos_.load()));
}

// On a thread of its own, since the poller's must go on.
void ServerCore::OwnerGone() {
  if (refusing_.load() || owner_gone_.exchange(true)) return;
  if (!executor_->SubmitNow(&owner_gone_task_).ok()) {
    executor_->Submit(&owner_gone_task_);
  }
}

void ServerCore::OwnerGoneTask::Run() {
  core->Shutdown(Deadline::AfterMillis(kOwnerGoneMillis));
}

void ServerCore::Wait() {
  MutexLock lock(&mu_);
  while (!shut_down_) changed_.Wait(&mu_);
}

}  // namespace nearcall::internal
