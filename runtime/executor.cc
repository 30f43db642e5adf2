#include "runtime/executor.h"

#include <algorithm>
#include <system_error>
#include <thread>

#include "runtime/per_process.h"

namespace nearcall::internal {
namespace {

constexpr int64_t kRetireMillis = 10'000;
constexpr int64_t kGrowMillis = 1;

struct ProcessExecutor : Executor {
  ProcessExecutor()
      : Executor(static_cast<int>(std::thread::hardware_concurrency()), 256) {}
};
constinit PerProcess<ProcessExecutor> process;

bool StartDetached(auto body) {
  try {
    std::thread(body).detach();
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

}  // namespace

Executor::Executor(int min_threads, int max_threads)
    : min_threads_(std::max(1, min_threads)),
      max_threads_(std::max(min_threads_, max_threads)) {}

Executor& Executor::Process() { return process.Get(); }

Executor::~Executor() {
  MutexLock lock(&mu_);
  stopping_ = true;
  work_.SignalAll();
  monitor_.SignalAll();
  while (threads_ != 0 || has_monitor_) gone_.Wait(&mu_);
}

void Executor::PushLocked(Task* task) {
  task->next_ = nullptr;
  (tail_ == nullptr ? head_ : tail_->next_) = task;
  tail_ = task;
  ++queued_;
}

bool Executor::StartThreadLocked() {
  ++threads_;
  if (StartDetached([this] { Work(); })) return true;
  --threads_;
  return false;
}

// Somebody must take what was pushed: an idle thread, a new one, or, when all
// are busy, whoever is free first; then the monitor sees to it that this does
// not last.
void Executor::Wake() {
  if (idle_ > 0) {
    work_.Signal();
    if (queued_ <= static_cast<size_t>(idle_)) return;
  }
  if (threads_ < min_threads_ && StartThreadLocked()) return;
  if (threads_ >= max_threads_) return;
  if (!has_monitor_) {
    has_monitor_ = StartDetached([this] { Monitor(); });
  } else {
    monitor_.Signal();
  }
}

bool Executor::TrySubmit(Task* task) {
  MutexLock lock(&mu_);
  if (queued_ >= kMaxQueued) return false;
  PushLocked(task);
  Wake();
  return true;
}

void Executor::Submit(Task* task) {
  MutexLock lock(&mu_);
  PushLocked(task);
  Wake();
}

absl::Status Executor::SubmitNow(Task* task) {
  MutexLock lock(&mu_);
  if (static_cast<size_t>(idle_) > queued_) {
    PushLocked(task);
    work_.Signal();
    return absl::OkStatus();
  }
  ++threads_;
  if (StartDetached([this, task] {
        task->Run();
        Work();
      })) {
    return absl::OkStatus();
  }
  --threads_;
  return absl::ResourceExhaustedError(
      "the system refuses another thread (see ulimit -u and cgroup pids.max)");
}

void Executor::Work() {
  MutexLock lock(&mu_);
  for (;;) {
    if (head_ != nullptr) {
      Task* task = head_;
      head_ = task->next_;
      if (head_ == nullptr) tail_ = nullptr;
      --queued_;
      mu_.Unlock();
      task->Run();
      mu_.Lock();
      continue;
    }
    if (stopping_) break;
    ++idle_;
    const bool woken =
        work_.WaitUntil(&mu_, Deadline::AfterMillis(kRetireMillis));
    --idle_;
    if (!woken && head_ == nullptr && threads_ > min_threads_) break;
  }
  --threads_;
  gone_.SignalAll();
}

// Sleeps without a timeout unless work is queued behind busy threads.
void Executor::Monitor() {
  MutexLock lock(&mu_);
  while (!stopping_) {
    // An idle thread may be on its way to something queued before.
    if (queued_ <= static_cast<size_t>(idle_) || threads_ >= max_threads_) {
      monitor_.Wait(&mu_);
      continue;
    }
    const Task* oldest = head_;
    const size_t before = queued_;
    monitor_.WaitUntil(&mu_, Deadline::AfterMillis(kGrowMillis));
    const bool stuck =
        head_ != nullptr && (head_ == oldest || queued_ > before);
    if (stuck && idle_ == 0 && threads_ < max_threads_) StartThreadLocked();
  }
  has_monitor_ = false;
  gone_.SignalAll();
}

}  // namespace nearcall::internal
