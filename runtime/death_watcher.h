// Sees the death of servers whose links nobody is reading, so that the next
// call finds a new connection instead of a dead one. One sleeping thread a
// process, started with the first connection; traffic never wakes it.
#ifndef NEARCALL_RUNTIME_DEATH_WATCHER_H_
#define NEARCALL_RUNTIME_DEATH_WATCHER_H_

#include <memory>

#include "absl/container/flat_hash_map.h"
#include "runtime/client_session.h"
#include "runtime/sync.h"
#include "runtime/waiter.h"

namespace nearcall::internal {

class DeathWatcher {
 public:
  /// The process's. Does nothing yet.
  static DeathWatcher& Process();

  /// Until the session is gone.
  void Watch(const std::shared_ptr<ClientSession>& session);
  /// The session is being destroyed.
  void Forget(ClientSession* session);

 private:
  void StartLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Run();

  /// Set once, with the first watched session. Null: no descriptors or threads
  /// so far; deaths go unseen.
  std::unique_ptr<Waiter> waiter_;
  Mutex mu_;
  absl::flat_hash_map<ClientSession*, std::weak_ptr<ClientSession>> watched_
      ABSL_GUARDED_BY(mu_);
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_DEATH_WATCHER_H_
