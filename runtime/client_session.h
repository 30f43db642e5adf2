// The client's end of a session: opens calls, and hands the reader role from
// caller to caller (leader and followers), so that no thread of its own stands
// between a reply and who waits for it.
#ifndef NEARCALL_RUNTIME_CLIENT_SESSION_H_
#define NEARCALL_RUNTIME_CLIENT_SESSION_H_

#include <nearcall/impl/client_call.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/executor.h"
#include "runtime/session.h"

namespace nearcall::internal {

class NearClientCall;

class ClientSession final : public Session {
 public:
  ClientSession(std::unique_ptr<Link> link, const Hello& ours, int spin_micros);
  ~ClientSession() override;

  /// New calls are taken: neither broken nor told to go away.
  bool usable() const {
    return usable_.load(std::memory_order_acquire) && OfThisProcess();
  }
  /// Called once, with mu held, when it stops being usable.
  void set_on_unusable(std::function<void()> callback);

  /// Puts `call` on this session and writes what it can: with `whole` (a unary
  /// call) kOpen, message and half-close as one frame if they fit. False: the
  /// session takes no calls, and nothing was done.
  bool Start(NearClientCall* call, OutMessage message, bool half_close,
             bool corked);
  /// Blocks until `op` of `call` is done.
  void Await(NearClientCall* call, Op op);
  /// Ends the call from this side.
  void Cancel(NearClientCall* call, StatusCode code, std::string_view text);
  void CancelLocked(NearClientCall* call, StatusCode code,
                    std::string_view text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  /// The link's death was seen by somebody who is not reading it.
  void OnDeathSeen();

  /// Whether a call may open now.
  bool SlotFreeLocked(NearClientCall* call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  uint64_t NextIdLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    return last_id_ += 2;
  }
  /// Whether the peer knows the method's alias; it does after DefineLocked.
  bool KnowsAliasLocked(uint32_t tag) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    return tag < aliases_.size() && aliases_[tag];
  }
  void DefineAliasLocked(uint32_t tag) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  /// After a call changed what wants to be written, without or with a reader.
  void WakeReaderLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

 private:
  bool OnFrame(const wire::Header& header, Buffer* body) override;
  void OnBlockedLocked() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void OnEndedLocked(Call* call) override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void OnBrokenLocked() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  bool WasOpenedLocked(uint64_t id) const override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  bool OnHeaders(const wire::Header& header, Buffer* body);
  bool OnStatus(const wire::Header& header, Buffer* body);
  bool OnGoaway(const wire::Header& header, const Buffer& body);
  bool StartWholeLocked(NearClientCall* call, const OutMessage& message,
                        size_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  /// With the reader role: reads until done() or the deadline, or until the
  /// link has ended. done() is asked without mu; deadline() only before a
  /// sleep.
  template <typename Done, typename Until>
  void ReadUntil(Done done, Until deadline) ABSL_LOCKS_EXCLUDED(mu);

  // The pump reads while only calls with sinks are under way, for which nobody
  // waits here, or while something waits for the link's space. Sync callers
  // take the role from it, and it takes it back once there was no sync call for
  // a while.
  struct PumpTask final : Executor::Task {
    std::shared_ptr<ClientSession> session;
    void Run() override;
  };
  void StartPumpLocked(Deadline deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void PumpLoop() ABSL_LOCKS_EXCLUDED(mu);
  /// Ends the calls with sinks whose deadline has passed; the next one to pass.
  Deadline ExpireSinkCallsLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void HandOverLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  bool HasLeftoversLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void SeeWritesOutLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void BecomeUnusableLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  std::atomic<bool> usable_{true};
  std::function<void()> on_unusable_ ABSL_GUARDED_BY(mu);
  uint64_t last_id_ ABSL_GUARDED_BY(mu) = static_cast<uint64_t>(-1);
  std::vector<bool> aliases_ ABSL_GUARDED_BY(mu);
  Fifo<NearClientCall*> slot_waiters_ ABSL_GUARDED_BY(mu);

  // The reader role.
  bool reader_held_ ABSL_GUARDED_BY(mu) = false;
  bool reader_asleep_ ABSL_GUARDED_BY(mu) = false;
  bool death_seen_ ABSL_GUARDED_BY(mu) = false;
  Fifo<NearClientCall*> followers_ ABSL_GUARDED_BY(mu);
  uint64_t sync_waits_ ABSL_GUARDED_BY(mu) = 0;

  // The pump.
  PumpTask pump_task_;
  CondVar pump_wake_;
  std::atomic<bool> pump_yields_{false};
  bool pump_runs_ ABSL_GUARDED_BY(mu) = false;
  bool pump_reads_ ABSL_GUARDED_BY(mu) = false;
  bool pump_wants_role_ ABSL_GUARDED_BY(mu) = false;
  Deadline pump_until_ ABSL_GUARDED_BY(mu);  ///< When it looks up by itself.
  std::multimap<Deadline, NearClientCall*> sink_calls_ ABSL_GUARDED_BY(mu);
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_CLIENT_SESSION_H_
