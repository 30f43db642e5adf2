// A queue with the links that receive from it, and how threads wait for it: the
// one of a server serves all its links, a client's serves one.
//
// Receiving. Whoever finds nothing receives, one thread at a time, and puts
// what comes into the mailbox of the link it is for; others who wait are told.
// So a message leaves the queue at once, whichever link it is for, and none of
// them holds up the others: while a mailbox is full nobody receives, and its
// link is reported until it is read.
//
// Waking. A thread asleep in msgrcv is woken by a message (kSysvWake): for an
// interrupt by whoever interrupts, for a deadline or a death by SysvWatch.
#ifndef NEARCALL_TRANSPORTS_SYSV_INBOX_H_
#define NEARCALL_TRANSPORTS_SYSV_INBOX_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "runtime/fd.h"
#include "runtime/link.h"
#include "runtime/sync.h"
#include "runtime/waiter.h"
#include "transports/stream_buffers.h"
#include "transports/sysv_message.h"
#include "transports/sysv_queue.h"
#include "transports/sysv_watch.h"

namespace nearcall::internal {

/// A link's side of its inbox.
struct SysvMailbox {
  // Constant from before the peer knows the base.
  long base = 0;
  int peer_queue = -1;
  // Constant once the link is up. The peer's types, and the largest frame.
  long peer_base = 0;
  uint32_t max_frame = 0;

  /// There is something here that the reader has not seen.
  std::atomic<bool> fresh{false};
  /// The peer has died, or a queue has been removed.
  std::atomic<bool> gone{false};
  /// A mark is on its way through the peer's queue, which was full.
  std::atomic<bool> wants_space{false};
  /// Readable from the peer's end on, where somebody watches that; else none.
  Fd death;

  // The rest is guarded by the inbox's mutex.
  std::vector<std::byte> arrived;
  size_t taken = 0;  ///< Of arrived, by the reader.
  bool ended = false;
  bool confirmed = false;  ///< Data may come.
  bool drained = false;    ///< Nothing more is taken for it from the queue.
  std::string reason;      ///< Why it is gone.

  // Parking.
  void* tag = nullptr;
  bool watched = false;
  bool listed = false;  ///< Among those that the next Wait reports.
  unsigned armed = 0;   ///< Want bits.

  size_t pending() const { return arrived.size() - taken; }
  bool readable() const { return pending() > 0 || ended || gone.load(); }
};

class SysvInbox final : public Waiter,
                        public SysvAlarmed,
                        public std::enable_shared_from_this<SysvInbox> {
 public:
  /// `serves`: a lost queue is replaced by another one; the listener then finds
  /// another record. Errors as SysvQueue::Make.
  static absl::StatusOr<std::shared_ptr<SysvInbox>> Make(
      const std::string& name_path, bool serves);
  ~SysvInbox() override;

  SysvRecord record() const;
  std::string record_path() const;

  // --- Mailboxes ---

  /// Draws its base; from here on it receives.
  void Open(std::shared_ptr<SysvMailbox> box);
  void Forget(SysvMailbox* box);
  /// Nobody reads it any more, though it may not be forgotten yet: what has
  /// arrived and what still comes is dropped. Wakes its sleepers.
  void Close(SysvMailbox* box);

  /// Moves what has arrived to `in`, up to the end of a frame; receives when
  /// there is nothing. kEnd and kBroken: and nothing will come. By the link's
  /// reader.
  Io Fetch(SysvMailbox* box, InBuffer* in);
  /// Blocks until done(), which is asked under the mutex, says so. False: the
  /// deadline has passed.
  template <typename Done>
  bool Await(Deadline deadline, Done done) {
    MutexLock lock(&mutex_);
    while (!done()) {
      if (deadline.passed()) return false;
      BlockLocked(deadline);
    }
    return true;
  }
  /// Makes everybody in Await ask again, and reports the link if it is parked.
  void Ring(SysvMailbox* box);
  bool Arm(SysvMailbox* box, unsigned want);
  void Disarm(SysvMailbox* box);

  /// The link's peer is no more, for a reason that takes effect after what it
  /// sent before.
  void Lose(SysvMailbox* box, std::string_view reason);
  /// The same at once: the reader wants no more.
  void Discard(SysvMailbox* box, std::string_view reason);
  std::string ReasonOf(const SysvMailbox* box) const;
  /// What SysvWatch says about the peer of the link with this base.
  void OnPeer(long base, SysvWatch::Event event);
  void OnAlarm() override;

  // --- Establishing ---

  /// Receives what is there, without blocking.
  void Poll();
  /// False: there is none. A control message of another size is dropped.
  template <typename T>
  bool TakeControl(T* body) {
    MutexLock lock(&mutex_);
    while (!controls_.empty()) {
      const std::string bytes = std::move(controls_.front());
      controls_.pop_front();
      if (bytes.size() != sizeof *body) continue;
      __builtin_memcpy(body, bytes.data(), sizeof *body);
      return true;
    }
    return false;
  }
  /// A mailbox whose confirmation has come; null: none.
  std::shared_ptr<SysvMailbox> TakeConfirmed();
  /// Control messages are dropped from here on.
  void StopListening();

  // --- Waiter ---

  bool Add(Link* link, unsigned want, void* tag) override;
  bool AddDeath(Link* link, void* tag) override;
  bool Add(Listener* listener, void* tag) override;
  void Remove(Link* link) override;
  void Remove(Listener* listener) override;
  size_t Wait(Deadline deadline, std::span<void*> ready) override;
  void Interrupt() override;

 private:
  SysvInbox(std::string name_path, bool serves, SysvWatch* watch);

  /// One message, from the queue into its mailbox. False: there was none.
  bool ReceiveLocked(bool block) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  /// Receives a message, or waits while another thread does.
  void BlockLocked(Deadline until) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DispatchLocked(size_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StoreLocked(SysvMailbox* box, size_t size)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MoveLocked(SysvMailbox* box, InBuffer* in)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DrainLocked(SysvMailbox* box) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EmptyLocked(SysvMailbox* box) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LoseLocked(SysvMailbox* box, std::string_view reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LoseQueueLocked(int error) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReplaceQueueLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ListLocked(SysvMailbox* box) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t CollectLocked(std::span<void*> ready)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RetryWritersLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string name_path_;
  const bool serves_;
  SysvWatch* const watch_;
  const uint32_t generation_ = ForkGeneration();
  SysvMessage message_;  ///< Whoever receives.

  mutable Mutex mutex_;
  CondVar changed_;
  std::unique_ptr<SysvQueue> queue_ ABSL_GUARDED_BY(mutex_);
  bool lost_ ABSL_GUARDED_BY(mutex_) = false;
  bool receiving_ ABSL_GUARDED_BY(mutex_) = false;  ///< Asleep in msgrcv.
  bool wake_sent_ ABSL_GUARDED_BY(mutex_) = false;
  int followers_ ABSL_GUARDED_BY(mutex_) = 0;
  int full_ ABSL_GUARDED_BY(mutex_) = 0;  ///< Mailboxes.
  Deadline alarm_at_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<long, std::shared_ptr<SysvMailbox>> boxes_
      ABSL_GUARDED_BY(mutex_);

  bool listening_ ABSL_GUARDED_BY(mutex_) = true;
  std::deque<std::string> controls_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<SysvMailbox>> confirmed_ ABSL_GUARDED_BY(mutex_);
  /// Something else that the listener should look at.
  bool listener_news_ ABSL_GUARDED_BY(mutex_) = false;

  void* listener_tag_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<SysvMailbox*> ready_ ABSL_GUARDED_BY(mutex_);
  int parked_writers_ ABSL_GUARDED_BY(mutex_) = 0;
  Deadline retry_at_ ABSL_GUARDED_BY(mutex_);
};

/// A link that waits for space looks for it this often, should the answer to
/// its mark be lost (somebody else may read from any queue of the user).
inline constexpr int64_t kSysvRetryMillis = 100;

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_SYSV_INBOX_H_
