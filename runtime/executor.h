// Threads for handlers and callbacks. Grows when work waits, since a fixed pool
// deadlocks on nested calls; shrinks when idle.
#ifndef NEARCALL_RUNTIME_EXECUTOR_H_
#define NEARCALL_RUNTIME_EXECUTOR_H_

#include <cstddef>

#include "absl/status/status.h"
#include "runtime/sync.h"

namespace nearcall::internal {

class Executor {
 public:
  /// Work to run once. The owner keeps it until Run has begun; it may be
  /// submitted again from then on.
  class Task {
   public:
    virtual void Run() = 0;

   protected:
    ~Task() = default;

   private:
    friend class Executor;
    Task* next_ = nullptr;
  };

  /// Threads are kept up to `min_threads`, started as needed; a further one
  /// starts when work has waited for 1 ms, up to `max_threads`.
  Executor(int min_threads, int max_threads);
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  /// Waits until everything submitted has run. Not on one of its threads.
  ~Executor();

  /// The process's, for clients' callbacks. Never destroyed.
  static Executor& Process();

  /// False: all threads are busy, there may be no more, and the queue is full
  /// (kMaxQueued); nothing was done.
  [[nodiscard]] bool TrySubmit(Task* task);
  /// For work that was admitted already (a callback of a running call).
  void Submit(Task* task);
  /// For work that may run for ever and must begin at once: takes an idle
  /// thread or starts one, beyond max_threads if need be. RESOURCE_EXHAUSTED:
  /// the system has no thread to give.
  absl::Status SubmitNow(Task* task);

  static constexpr size_t kMaxQueued = 1024;

 private:
  bool StartThreadLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PushLocked(Task* task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Work();
  void Monitor();

  const int min_threads_;
  const int max_threads_;
  Mutex mu_;
  CondVar work_;     ///< For idle threads.
  CondVar monitor_;  ///< For the thread that lets the pool grow.
  CondVar gone_;     ///< For the destructor.
  Task* head_ ABSL_GUARDED_BY(mu_) = nullptr;
  Task* tail_ ABSL_GUARDED_BY(mu_) = nullptr;
  size_t queued_ ABSL_GUARDED_BY(mu_) = 0;
  int threads_ ABSL_GUARDED_BY(mu_) = 0;
  int idle_ ABSL_GUARDED_BY(mu_) = 0;
  bool has_monitor_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_EXECUTOR_H_
