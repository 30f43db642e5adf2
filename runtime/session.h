// One established link and the calls on it, the same for both ends: writing in
// turns, reading and dispatching frames, the call table, credit, the end.
//
// Threads. `mu` is the writer role and guards the calls. The reader role is
// handed around outside (client: leader and followers; server: the poller);
// only its holder calls ReadFrame. Nothing here blocks or runs users' code.
#ifndef NEARCALL_RUNTIME_SESSION_H_
#define NEARCALL_RUNTIME_SESSION_H_

#include <nearcall/impl/buffer.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "runtime/call.h"
#include "runtime/fd.h"
#include "runtime/fifo.h"
#include "runtime/handshake.h"
#include "runtime/idle_policy.h"
#include "runtime/link.h"
#include "runtime/sync.h"
#include "runtime/wire.h"

namespace nearcall::internal {

class Session : public std::enable_shared_from_this<Session> {
 public:
  /// `ours` was sent to the peer; what it sent is set by SetPeerHello, before
  /// any call.
  Session(std::unique_ptr<Link> link, const Hello& ours, int spin_micros);
  virtual ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Link& link() { return *link_; }
  const Link& link() const { return *link_; }
  const Hello& peer_hello() const { return theirs_; }
  void SetPeerHello(const Hello& theirs);
  IdlePolicy& idle_policy() { return idle_policy_; }
  /// "shm:greeter": the scheme and the peer's end as the link knows it.
  std::string PeerName() const;

  /// False in a process forked after the session was made.
  bool OfThisProcess() const { return generation_ == ForkGeneration(); }

  // --- The reader role ---

  /// Reads and handles one frame. kOk: one was handled. kEnd, kBroken: every
  /// call has been ended.
  Io ReadFrame();
  /// Ends every call with UNAVAILABLE and closes the link. Idempotent.
  void Break(std::string_view reason) ABSL_LOCKS_EXCLUDED(mu);
  bool broken() const { return broken_.load(std::memory_order_acquire); }
  std::string broken_reason() ABSL_LOCKS_EXCLUDED(mu);

  /// Writes wait for the link's space; the reader role holder also waits for
  /// kWritable then, and calls Pump.
  bool write_blocked() const {
    return write_blocked_.load(std::memory_order_relaxed);
  }
  void Pump() ABSL_LOCKS_EXCLUDED(mu);
  /// Whether the link has passed on all that was written, or never will.
  bool AllSent() ABSL_LOCKS_EXCLUDED(mu);

  // --- With mu held; for calls ---

  mutable Mutex mu;

  void QueueLocked(Call* call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  /// Writes what is queued, calls in turns, and flushes, unless more is to come
  /// at once.
  void PumpLocked(bool flush = true) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  /// A reservation for a frame with a body of `size` bytes; its header is at
  /// data, its body at data + Header::kSize. Not kOk: blocked or broken.
  WriteSpan ReserveLocked(size_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void CommitLocked(WriteSpan span, const wire::Header& header,
                    size_t body_size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void FlushLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  /// The call leaves the table and the queue; it may be destroyed by this.
  void EndLocked(Call* call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void InsertLocked(Call* call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  Call* FindLocked(uint64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  /// The largest frame body that link and peer take.
  uint32_t max_body() const { return max_body_; }
  /// False: nothing written from now on can reach the peer; the reader role
  /// holder will find out why.
  bool CanWriteLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    return !write_dead_ && !broken_.load(std::memory_order_relaxed);
  }
  /// Whether nothing is waiting for its turn to write.
  bool QueueEmptyLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    return write_queue_.empty() && control_.empty();
  }
  /// Extra credit for a message larger than the window: all of it or, when the
  /// link's budget is used up, 0 now and Grant is called again later.
  uint32_t TakeBudgetLocked(Call* call, uint32_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void LeaveBudgetQueueLocked(Call* call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void ReturnBudgetLocked(uint32_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  /// kReset for a call that the peer may know.
  void SendResetLocked(uint64_t id, StatusCode code, std::string_view text,
                       bool refused) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  /// A buffer that is done with.
  void RecycleLocked(Buffer buffer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  /// A message of `size` bytes begins with `chunk` of them. False: a violation;
  /// the call may have ended, too large.
  bool BeginMessageLocked(Call* call, uint32_t size, uint32_t chunk)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void FinishMessageLocked(Call* call, Buffer message)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  const Hello& link_limits() const { return ours_; }
  uint32_t window() const { return ours_.window; }
  uint32_t peer_window() const { return theirs_.window; }

 protected:
  /// Frames that only one side understands. False: a violation.
  virtual bool OnFrame(const wire::Header& header, Buffer* body) = 0;
  /// The writer became blocked: whoever reads must wait for kWritable as well.
  virtual void OnBlockedLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) = 0;
  /// `call` has left the table: its slot is free.
  virtual void OnEndedLocked(Call*) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {}
  virtual void OnBrokenLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {}
  /// Whether `id`, which is not in the table, belonged to a call that has
  /// ended.
  virtual bool WasOpenedLocked(uint64_t id) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) = 0;

  size_t live_calls_locked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    return calls_.size();
  }
  absl::flat_hash_map<uint64_t, Call*>& calls_locked()
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    return calls_;
  }
  /// The peer broke the protocol.
  Io Violation(std::string_view what) ABSL_LOCKS_EXCLUDED(mu);
  /// The peer makes us answer, and reads no answers: a violation.
  bool ControlFullLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void SendControlLocked(wire::Header header, std::string_view body)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

 private:
  struct Control {
    wire::Header header;
    std::string body;
  };
  class CallHold;
  enum class Chunk { kViolation, kDrop, kTake };
  Chunk AcceptChunkLocked(const wire::Header& header, uint32_t message_size,
                          uint32_t size, Call** found)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  Io ReadChunk(const wire::Header& header, const ReadSpan& span);
  bool OnData(const wire::Header& header, Buffer* body);
  bool OnReset(const wire::Header& header, const Buffer& body);
  bool OnCredit(const wire::Header& header, const Buffer& body);
  bool Handle(const wire::Header& header, Buffer* body);
  bool WriteControlLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void BreakLocked(std::string_view reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  const std::unique_ptr<Link> link_;
  const Hello ours_;
  Hello theirs_;
  const uint32_t generation_;
  uint32_t max_body_;
  IdlePolicy idle_policy_;
  Buffer scratch_;  ///< The reader role's.
  std::atomic<bool> broken_{false};
  std::atomic<bool> write_blocked_{false};

  absl::flat_hash_map<uint64_t, Call*> calls_ ABSL_GUARDED_BY(mu);
  Fifo<Call*> write_queue_ ABSL_GUARDED_BY(mu);
  Fifo<Control> control_ ABSL_GUARDED_BY(mu);
  bool unflushed_ ABSL_GUARDED_BY(mu) = false;
  bool write_dead_ ABSL_GUARDED_BY(mu) = false;
  std::string broken_reason_ ABSL_GUARDED_BY(mu);
  int64_t budget_left_ ABSL_GUARDED_BY(mu);
  Fifo<Call*> wants_budget_ ABSL_GUARDED_BY(mu);
  std::vector<Buffer> spare_ ABSL_GUARDED_BY(mu);
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_SESSION_H_
