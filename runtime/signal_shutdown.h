// Signals that end servers. A handler does no more than count and ring; one
// thread of the process does the rest.
#ifndef NEARCALL_RUNTIME_SIGNAL_SHUTDOWN_H_
#define NEARCALL_RUNTIME_SIGNAL_SHUTDOWN_H_

#include <cstdint>
#include <map>
#include <set>
#include <span>

#include "absl/status/status.h"
#include "runtime/sync.h"

namespace nearcall::internal {

class SignalShutdown {
 public:
  class Listener {
   public:
    /// On the signals' thread: never blocks. `again`: not the first one.
    virtual void OnSignal(bool again) = 0;

   protected:
    ~Listener() = default;
  };

  /// Does nothing yet: use Process().
  SignalShutdown() = default;
  /// The process's.
  static SignalShutdown& Process();

  /// Takes over what the signals do, until the last listener is removed or one
  /// came a second time: then they do again what they did before.
  /// INVALID_ARGUMENT: not a signal that a program can handle, or none.
  /// RESOURCE_EXHAUSTED: no thread to be had.
  absl::Status Add(Listener* listener, std::span<const int> signals);
  /// Afterwards it is not called any more. Nothing when it was not added.
  void Remove(Listener* listener);

 private:
  absl::Status StartLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Run();
  void Deliver(int signal, int count) ABSL_LOCKS_EXCLUDED(mu_);
  void GiveBackLocked(int signal) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void UnblockTaken() ABSL_LOCKS_EXCLUDED(mu_);

  struct Wish {
    std::set<int> signals;
    bool signalled = false;
  };
  Mutex mu_;
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  std::map<Listener*, Wish> wishes_ ABSL_GUARDED_BY(mu_);
  std::set<int> taken_ ABSL_GUARDED_BY(mu_);
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_SIGNAL_SHUTDOWN_H_
