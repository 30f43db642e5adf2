// One thread a server that ticks while a poller is awake, and sleeps otherwise.
#ifndef NEARCALL_RUNTIME_WATCHDOG_H_
#define NEARCALL_RUNTIME_WATCHDOG_H_

#include <atomic>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "runtime/sync.h"

namespace nearcall::internal {

class Poller;

class Watchdog {
 public:
  Watchdog() = default;
  ~Watchdog() { Stop(); }

  /// The pollers outlive Stop.
  absl::Status Start(std::vector<Poller*> pollers);
  void Stop();

  /// A poller woke up.
  void Wake() {
    if (!ticking_.load()) StartTicking();
  }

 private:
  void StartTicking();
  void Run();

  std::vector<Poller*> pollers_;
  std::thread thread_;
  std::atomic<bool> ticking_{false};
  Mutex mu_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_WATCHDOG_H_
