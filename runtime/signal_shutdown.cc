#include "runtime/signal_shutdown.h"

#include <semaphore.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/fd.h"
#include "runtime/per_process.h"

namespace nearcall::internal {
namespace {

// What a handler may touch: lock-free or made for handlers, and there for ever.
struct Rung {
  sem_t bell{};                         ///< The thread waits at it.
  std::atomic<uint32_t> generation{0};  ///< ForkGeneration of the bell.
  std::array<std::atomic<int>, NSIG> count{};
  std::array<struct sigaction, NSIG> before{};  ///< Set before the handler is.
};
constinit Rung rung;

void Handle(int signal) {
  const int error = errno;
  if (rung.generation.load() != ForkGeneration()) {
    // A forked child: the thread and the servers are its parent's. The signal
    // does what it did before, when this returns.
    sigaction(signal, &rung.before[static_cast<size_t>(signal)], nullptr);
    raise(signal);
  } else {
    rung.count[static_cast<size_t>(signal)].fetch_add(1);
    sem_post(&rung.bell);
  }
  errno = error;
}

bool IsOurs(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == &Handle;
}

absl::Status CheckSignals(std::span<const int> signals) {
  if (signals.empty()) {
    return absl::InvalidArgumentError("ShutdownOnSignals: no signal given");
  }
  for (const int signal : signals) {
    struct sigaction action;
    if (signal <= 0 || signal >= NSIG || signal == SIGKILL ||
        signal == SIGSTOP || sigaction(signal, nullptr, &action) != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("ShutdownOnSignals: signal ", signal,
                       " cannot be handled; use SIGINT, SIGTERM or another "
                       "that a program may handle"));
    }
    if (signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE ||
        signal == SIGILL || signal == SIGABRT) {
      return absl::InvalidArgumentError(
          absl::StrCat("ShutdownOnSignals: signal ", signal,
                       " tells of a fault, after which no thread can go on; "
                       "use SIGINT or SIGTERM"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

SignalShutdown& SignalShutdown::Process() {
  static constinit PerProcess<SignalShutdown> process;
  return process.Get();
}

absl::Status SignalShutdown::StartLocked() {
  if (started_) return absl::OkStatus();
  // In a forked child too: the parent's thread, which waited here, is not
  // there.
  sem_init(&rung.bell, /*pshared=*/0, 0);
  rung.generation.store(ForkGeneration());
  // The application's other signals go to the application's threads.
  sigset_t all;
  sigset_t own;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &own);
  absl::Status result;
  try {
    std::thread([this] { Run(); }).detach();
    started_ = true;
  } catch (const std::system_error& error) {
    result = absl::ResourceExhaustedError(
        absl::StrCat("ShutdownOnSignals: no thread: ", error.what()));
  }
  pthread_sigmask(SIG_SETMASK, &own, nullptr);
  return result;
}

absl::Status SignalShutdown::Add(Listener* listener,
                                 std::span<const int> signals) {
  absl::Status status = CheckSignals(signals);
  if (!status.ok()) return status;
  MutexLock lock(&mu_);
  status = StartLocked();
  if (!status.ok()) return status;
  for (const int signal : signals) {
    wishes_[listener].signals.insert(signal);
    if (!taken_.insert(signal).second) continue;
    struct sigaction before;
    sigaction(signal, nullptr, &before);
    // Inherited by fork from a parent with servers of its own: what the parent
    // had before is known already.
    if (!IsOurs(before)) rung.before[static_cast<size_t>(signal)] = before;
    struct sigaction action {};
    action.sa_handler = &Handle;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, nullptr);
  }
  // The thread takes them even where every other one has them blocked.
  sem_post(&rung.bell);
  return absl::OkStatus();
}

void SignalShutdown::GiveBackLocked(int signal) {
  if (taken_.erase(signal) == 0) return;
  struct sigaction now;
  sigaction(signal, nullptr, &now);
  // Somebody else's by now: theirs stays.
  if (!IsOurs(now)) return;
  sigaction(signal, &rung.before[static_cast<size_t>(signal)], nullptr);
}

void SignalShutdown::Remove(Listener* listener) {
  MutexLock lock(&mu_);
  const auto found = wishes_.find(listener);
  if (found == wishes_.end()) return;
  const std::set<int> signals = std::move(found->second.signals);
  wishes_.erase(found);
  for (const int signal : signals) {
    bool wanted = false;
    for (const auto& [other, wish] : wishes_) {
      wanted |= wish.signals.contains(signal);
    }
    if (!wanted) GiveBackLocked(signal);
  }
}

void SignalShutdown::UnblockTaken() {
  sigset_t taken;
  sigfillset(&taken);
  {
    MutexLock lock(&mu_);
    for (const int signal : taken_) sigdelset(&taken, signal);
  }
  pthread_sigmask(SIG_SETMASK, &taken, nullptr);
}

void SignalShutdown::Run() {
  for (;;) {
    UnblockTaken();
    for (int signal = 1; signal < NSIG; ++signal) {
      const int count = rung.count[static_cast<size_t>(signal)].exchange(0);
      if (count > 0) Deliver(signal, count);
    }
    sem_wait(&rung.bell);  // EINTR: a signal that may have counted.
  }
}

void SignalShutdown::Deliver(int signal, int count) {
  MutexLock lock(&mu_);
  bool again = false;
  for (auto& [listener, wish] : wishes_) {
    if (!wish.signals.contains(signal)) continue;
    const bool first = !std::exchange(wish.signalled, true);
    if (first) listener->OnSignal(/*again=*/false);
    if (!first || count > 1) {
      listener->OnSignal(/*again=*/true);
      again = true;
    }
  }
  if (!again) return;
  // Who sends a third one means it.
  const std::set<int> taken = taken_;
  for (const int other : taken) GiveBackLocked(other);
}

}  // namespace nearcall::internal
