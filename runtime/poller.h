// Reads all links that one Waiter serves: one thread at a time polls those that
// are hot, sleeps for the rest, and runs fast handlers itself.
//
// The role. Whoever runs Run() is the reader of every session here. Before it
// runs a user's handler it lends the role: one word says so. If the handler
// takes long, the watchdog (or the handler's thread itself, before it blocks
// inside the library) takes the role by compare-and-swap and gives it to
// another thread; the handler's thread finds that out when it returns, and
// leaves. Modelled in tests/model.
#ifndef NEARCALL_RUNTIME_POLLER_H_
#define NEARCALL_RUNTIME_POLLER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "runtime/executor.h"
#include "runtime/lend.h"
#include "runtime/server_session.h"
#include "runtime/sync.h"
#include "runtime/transport.h"
#include "runtime/waiter.h"

namespace nearcall::internal {

class NearServerCall;
class Watchdog;

/// A listening port and how its sessions are set up.
struct Port {
  std::unique_ptr<Listener> listener;
  std::string address;  ///< The target that clients use; empty: not told.
  TargetSettings settings;
};

class Poller final : public Executor::Task {
 public:
  /// `waiter` is the poller's own (for links with descriptors) or one of the
  /// listener's (kept alive by the port).
  Poller(std::unique_ptr<Waiter> own, Waiter* waiter, CallAdmission* admission,
         Watchdog* watchdog);
  ~Poller();

  /// Before Start.
  void AddPort(Port port);
  absl::Status Start();

  /// Any thread: `session` has something to do (blocked writes, a shutdown).
  void Attend(std::shared_ptr<ServerSession> session);

  // --- Shutdown, in this order; any thread ---
  void StopListening();
  void ForEachSession(const std::function<void(ServerSession&)>& visit);
  /// Ends every session and Run; returns when no thread is in it but one that
  /// still runs a handler.
  void Stop();

  // --- The watchdog ---
  bool parked() const { return parked_.load(); }
  /// Called once a tick: takes the role from a handler that has had it since
  /// the tick before.
  void CheckStuck();

  /// A thread that holds the role runs this.
  void Run() override;

 private:
  enum class Served { kLostRole, kMore, kIdle, kGone };

  class Lease final : public Lender {
   public:
    Lease(Poller* poller, uint64_t word) : poller_(poller), word_(word) {}
    void GiveUp() override;

   private:
    Poller* const poller_;
    const uint64_t word_;
    bool given_up_ = false;
  };

  /// Runs the call's handler on this thread. False: the role is gone.
  bool RunHere(RefPtr<NearServerCall> call);
  bool TakeOver(uint64_t lent);

  /// Sets `progress` when there was a frame; kMore: there may be more.
  Served Serve(ServerSession* session, bool* progress);
  bool ServeHot();
  void PollOthers();
  void SleepUntilReady();
  void OnReady(void* tag);
  void Accept(Port* port);
  void LogRefusal(const absl::Status& why);
  /// Why `port` takes no more sessions of the one at the other end of `link`;
  /// empty: it does.
  std::string Full(const Port& port, const Link& link) ABSL_LOCKS_EXCLUDED(mu_);
  void MakeHot(const std::shared_ptr<ServerSession>& session);
  /// True: it is armed, and no longer hot.
  bool Park(ServerSession* session);
  void ParkIdle();
  void Drop(ServerSession* session);
  void HandleAttention();
  Deadline NextTimer();
  void HandleTimers();

  const std::unique_ptr<Waiter> own_waiter_;
  Waiter* const waiter_;
  CallAdmission* const admission_;
  Watchdog* const watchdog_;
  std::vector<std::unique_ptr<Port>> ports_;

  // The role: a count of leases, and in the lowest bit whether it is lent.
  static constexpr uint64_t kLent = 1;
  std::atomic<uint64_t> role_{0};
  uint64_t leases_ = 0;  ///< The role holder's.
  /// The method whose handler has it: the role holder's, and whoever takes it.
  ServedMethod* lent_for_ = nullptr;
  uint64_t last_seen_ = 0;  ///< The watchdog's.

  // The role holder's.
  std::vector<std::shared_ptr<ServerSession>> hot_;
  /// Whose turn it is among them: who takes the role in the midst of a round
  /// goes on there, so that none is passed over.
  size_t turn_ = 0;
  std::vector<ServerSession*> handshaking_;
  int polls_ = 0;
  int64_t last_look_ = 0;
  int64_t last_log_ = 0;      ///< Of a refusal; 0: none yet.
  int64_t accept_again_ = 0;  ///< When to try accept again; 0: it works.

  std::atomic<bool> parked_{false};
  std::atomic<bool> attention_{false};
  std::atomic<bool> stopping_{false};

  /// Held while a listener is used: who stops them is not the role holder.
  Mutex listening_mu_;
  bool listening_ ABSL_GUARDED_BY(listening_mu_) = true;

  Mutex mu_;
  CondVar stopped_;
  bool running_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_map<void*, std::shared_ptr<ServerSession>> sessions_
      ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<ServerSession>> attend_ ABSL_GUARDED_BY(mu_);
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_POLLER_H_
