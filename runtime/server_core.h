// A running server: its ports, pollers, executor and watchdog, and how it ends.
#ifndef NEARCALL_RUNTIME_SERVER_CORE_H_
#define NEARCALL_RUNTIME_SERVER_CORE_H_

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "runtime/deadline.h"
#include "runtime/executor.h"
#include "runtime/method_table.h"
#include "runtime/poller.h"
#include "runtime/server_session.h"
#include "runtime/signal_shutdown.h"
#include "runtime/standard_service.h"
#include "runtime/sync.h"
#include "runtime/watchdog.h"

namespace nearcall::internal {

class ServerCore final : public CallAdmission,
                         private SignalShutdown::Listener {
 public:
  /// `standard` is kept for `methods`, which refers to it.
  ServerCore(int max_threads, std::unique_ptr<MethodTable> methods,
             std::vector<std::shared_ptr<StandardService>> standard,
             ConnectionObserver* observer);
  ~ServerCore();

  /// Takes the ports and begins to serve.
  absl::Status Start(std::vector<Port> ports);
  /// Drains until the deadline, then cancels. Idempotent, but a sooner deadline
  /// counts for one under way; any thread.
  void Shutdown(Deadline deadline);
  /// Until Shutdown has ended.
  void Wait();
  /// As nearcall::Server's.
  absl::Status ShutdownOnSignals(std::span<const int> signals,
                                 int64_t grace_nanos);
  /// False in a process forked after the server was made.
  bool OfThisProcess() const;
  const std::vector<std::string>& addresses() const { return addresses_; }

  const MethodTable& methods() const override { return *methods_; }
  Executor& executor() override { return *executor_; }
  bool BeginCall() override;
  void EndCall() override;
  ConnectionEvents& events() override { return events_; }
  void OwnerGone() override;

 private:
  /// Shutdown on a thread of the executor.
  struct DrainTask final : Executor::Task {
    ServerCore* core = nullptr;
    void Run() override;
  };
  struct OwnerGoneTask final : Executor::Task {
    explicit OwnerGoneTask(ServerCore* server) : core(server) {}
    void Run() override;
    ServerCore* const core;
  };

  void OnSignal(bool again) override;
  /// Until the drain's deadline, or for ever.
  void WaitForCalls(bool for_ever);
  /// Until the links have the last frames of the calls, or the deadline.
  void WaitForWrites();
  bool AllSent();

  const std::vector<std::shared_ptr<StandardService>> standard_;
  const std::unique_ptr<MethodTable> methods_;
  const uint32_t generation_;
  std::vector<std::string> addresses_;

  Mutex mu_;
  CondVar changed_;
  bool shut_down_ ABSL_GUARDED_BY(mu_) = false;
  bool shutting_down_ ABSL_GUARDED_BY(mu_) = false;
  Deadline drain_until_ ABSL_GUARDED_BY(mu_);
  DrainTask drain_task_;
  std::atomic<int64_t> grace_nanos_{0};
  std::atomic<bool> refusing_{false};
  std::atomic<int64_t> calls_{0};

  OwnerGoneTask owner_gone_task_{this};
  std::atomic<bool> owner_gone_{false};
  std::unique_ptr<Executor> executor_;
  ConnectionEvents events_;
  Watchdog watchdog_;
  std::vector<std::unique_ptr<Poller>> pollers_;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_SERVER_CORE_H_
