#include "transports/sysv_inbox.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace nearcall::internal {
namespace {

// In a mailbox; beyond it nobody receives until the reader has been there.
constexpr size_t kMailboxBytes = 4 * kSysvFragment;
// Connect requests; more are dropped, and asked again.
constexpr size_t kMaxControls = 1024;
// What one look at the queue takes at most.
constexpr int kMessagesPerLook = 64;
constexpr int64_t kReplaceMillis = 100;

}  // namespace

SysvInbox::SysvInbox(std::string name_path, bool serves, SysvWatch* watch)
    : name_path_(std::move(name_path)), serves_(serves), watch_(watch) {}

absl::StatusOr<std::shared_ptr<SysvInbox>> SysvInbox::Make(
    const std::string& name_path, bool serves) {
  SysvWatch* const watch = SysvWatch::Process();
  if (watch == nullptr) {
    return absl::ResourceExhaustedError(
        "no thread or no descriptors to watch for deadlines and deaths; raise "
        "the limit of open files (ulimit -n)");
  }
  absl::StatusOr<std::unique_ptr<SysvQueue>> queue = SysvQueue::Make(name_path);
  if (!queue.ok()) return queue.status();
  std::shared_ptr<SysvInbox> inbox(new SysvInbox(name_path, serves, watch));
  MutexLock lock(&inbox->mutex_);
  inbox->queue_ = *std::move(queue);
  return inbox;
}

SysvInbox::~SysvInbox() {
  if (generation_ == ForkGeneration()) watch_->CancelAlarm(this);
}

SysvRecord SysvInbox::record() const {
  MutexLock lock(&mutex_);
  return queue_->record();
}

std::string SysvInbox::record_path() const {
  MutexLock lock(&mutex_);
  return queue_->path();
}

void SysvInbox::Open(std::shared_ptr<SysvMailbox> box) {
  MutexLock lock(&mutex_);
  do {
    box->base = SysvRandomBase();
  } while (boxes_.contains(box->base));
  const long base = box->base;
  boxes_[base] = std::move(box);
}

void SysvInbox::Forget(SysvMailbox* box) {
  MutexLock lock(&mutex_);
  EmptyLocked(box);
  if (box->listed) std::erase(ready_, box);
  if ((std::exchange(box->armed, 0) & kWritable) != 0) --parked_writers_;
  boxes_.erase(box->base);
}

void SysvInbox::Close(SysvMailbox* box) {
  MutexLock lock(&mutex_);
  EmptyLocked(box);
  box->drained = true;
  ListLocked(box);
  WakeLocked();
}

// A full mailbox keeps everybody from receiving.
void SysvInbox::EmptyLocked(SysvMailbox* box) {
  if (box->pending() >= kMailboxBytes) {
    --full_;
    if (followers_ > 0) changed_.SignalAll();
  }
  box->arrived.clear();
  box->taken = 0;
}

// --- Receiving ---

bool SysvInbox::ReceiveLocked(bool block) {
  const int queue = queue_->id();
  size_t size = 0;
  int error;
  if (block) {
    receiving_ = true;
    mutex_.Unlock();
    error = SysvReceive(queue, 0, true, &message_, &size);
    mutex_.Lock();
    receiving_ = false;
    if (followers_ > 0) changed_.SignalAll();
  } else {
    error = SysvReceive(queue, 0, false, &message_, &size);
  }
  if (error == 0) {
    DispatchLocked(size);
    return true;
  }
  if (error != EAGAIN && error != EINTR) LoseQueueLocked(error);
  return false;
}

void SysvInbox::BlockLocked(Deadline until) {
  if (lost_ && serves_) ReplaceQueueLocked();
  if (receiving_ || lost_ || full_ > 0) {
    if (lost_) until = std::min(until, Deadline::AfterMillis(kReplaceMillis));
    ++followers_;
    changed_.WaitUntil(&mutex_, until);
    --followers_;
    return;
  }
  if (until < alarm_at_) {
    alarm_at_ = until;
    watch_->SetAlarm(shared_from_this(), until);
  }
  ReceiveLocked(true);
}

void SysvInbox::DispatchLocked(size_t size) {
  const long type = message_.type;
  if (type == kSysvWake) {
    wake_sent_ = false;
    return;
  }
  if (type == kSysvControl) {
    if (listening_ && controls_.size() < kMaxControls &&
        size <= kSysvFragment) {
      controls_.emplace_back(reinterpret_cast<const char*>(message_.data),
                             size);
    }
    return;
  }
  const auto found = boxes_.find(SysvBase(type));
  if (found == boxes_.end()) return;  // Of a link that is no more.
  SysvMailbox* const box = found->second.get();
  switch (type - box->base) {
    case kSysvData:
      StoreLocked(box, size);
      break;
    case kSysvEnd:
      box->ended = true;
      box->fresh.store(true);
      ListLocked(box);  // Armed or not: a link that is only watched for this.
      return;
    case kSysvMark:
      SysvSendEmpty(box->peer_queue, box->peer_base + kSysvSpace);
      return;
    case kSysvSpace:
      box->wants_space.store(false);
      if ((box->armed & kWritable) != 0) ListLocked(box);
      return;
    case kSysvConfirm:
      if (!std::exchange(box->confirmed, true)) {
        confirmed_.push_back(found->second);
      }
      return;
    default:
      return;
  }
  box->fresh.store(true);
  if ((box->armed & kReadable) != 0) ListLocked(box);
}

void SysvInbox::StoreLocked(SysvMailbox* box, size_t size) {
  if (box->ended || box->drained) return;
  if (size > kSysvFragment || !box->confirmed) {
    box->drained = true;
    LoseLocked(box, size > kSysvFragment
                        ? absl::StrCat("the peer sent a message above ",
                                       kSysvFragment, " bytes")
                        : "the peer sent data before its confirmation");
    return;
  }
  const bool was_full = box->pending() >= kMailboxBytes;
  box->arrived.insert(box->arrived.end(), message_.data, message_.data + size);
  if (!was_full && box->pending() >= kMailboxBytes) ++full_;
}

// True: something was moved, or what is in `in` ends here.
bool SysvInbox::MoveLocked(SysvMailbox* box, InBuffer* in) {
  const bool was_full = box->pending() >= kMailboxBytes;
  bool moved = false;
  while (box->pending() > 0) {
    if (in->has_length() &&
        (in->length() == 0 || in->length() > box->max_frame)) {
      return true;
    }
    if (in->has_frame()) break;
    const std::span<std::byte> space = in->Space();
    if (space.empty()) {
      box->drained = true;
      LoseLocked(box, "no memory for a frame");
      return false;
    }
    const size_t size = std::min(space.size(), box->pending());
    memcpy(space.data(), box->arrived.data() + box->taken, size);
    in->Received(size, size == space.size());
    box->taken += size;
    moved = true;
  }
  if (box->pending() == 0) {
    box->arrived.clear();
    box->taken = 0;
  }
  if (was_full && box->pending() < kMailboxBytes) {
    --full_;
    if (followers_ > 0) changed_.SignalAll();
  }
  return moved;
}

// What a dead peer has sent lies in the queue; its types select it.
void SysvInbox::DrainLocked(SysvMailbox* box) {
  for (const long kind : {kSysvData, kSysvEnd}) {
    for (;;) {
      if (box->pending() >= kMailboxBytes) return;
      size_t size = 0;
      const int error =
          SysvReceive(queue_->id(), box->base + kind, false, &message_, &size);
      if (error == EINTR) continue;
      if (error != 0) break;
      DispatchLocked(size);
    }
  }
  box->drained = true;
}

Io SysvInbox::Fetch(SysvMailbox* box, InBuffer* in) {
  MutexLock lock(&mutex_);
  box->fresh.store(false);
  if (MoveLocked(box, in)) return Io::kOk;
  // Somebody asleep in msgrcv gets what comes.
  if (!receiving_ && !box->drained) {
    if (box->gone.load()) {
      DrainLocked(box);
    } else {
      for (int i = 0; i < kMessagesPerLook && full_ == 0 && !lost_ &&
                      box->pending() == 0 && !box->ended;
           ++i) {
        if (!ReceiveLocked(false)) break;
      }
    }
    if (MoveLocked(box, in)) return Io::kOk;
  }
  if (box->pending() > 0) return Io::kAgain;
  if (box->ended) return Io::kEnd;
  return box->gone.load() && box->drained ? Io::kBroken : Io::kAgain;
}

void SysvInbox::Poll() {
  MutexLock lock(&mutex_);
  for (int i = 0; i < kMessagesPerLook && !receiving_ && !lost_; ++i) {
    if (!ReceiveLocked(false)) return;
  }
}

// --- Waking ---

void SysvInbox::WakeLocked() {
  if (receiving_ && !wake_sent_) {
    // No room for it: then there is something to receive.
    wake_sent_ = SysvSendEmpty(queue_->id(), kSysvWake) == 0;
  }
  if (followers_ > 0) changed_.SignalAll();
}

void SysvInbox::Ring(SysvMailbox* box) {
  MutexLock lock(&mutex_);
  ListLocked(box);
  WakeLocked();
}

void SysvInbox::OnAlarm() {
  if (generation_ != ForkGeneration()) return;
  MutexLock lock(&mutex_);
  alarm_at_ = Deadline::Never();
  WakeLocked();
}

// --- Ends ---

void SysvInbox::LoseLocked(SysvMailbox* box, std::string_view reason) {
  if (box->reason.empty()) box->reason = std::string(reason);
  box->gone.store(true);
  box->fresh.store(true);
  if (box->death) {
    const uint64_t one = 1;
    (void)!write(box->death.get(), &one, sizeof one);
  }
  if (!box->confirmed) listener_news_ = true;
  ListLocked(box);
  WakeLocked();
}

void SysvInbox::Lose(SysvMailbox* box, std::string_view reason) {
  MutexLock lock(&mutex_);
  LoseLocked(box, reason);
}

void SysvInbox::Discard(SysvMailbox* box, std::string_view reason) {
  MutexLock lock(&mutex_);
  EmptyLocked(box);
  box->drained = true;
  LoseLocked(box, reason);
}

std::string SysvInbox::ReasonOf(const SysvMailbox* box) const {
  MutexLock lock(&mutex_);
  return box->reason;
}

void SysvInbox::OnPeer(long base, SysvWatch::Event event) {
  MutexLock lock(&mutex_);
  const auto found = boxes_.find(base);
  if (found == boxes_.end()) return;
  SysvMailbox* const box = found->second.get();
  if (event == SysvWatch::Event::kDied) {
    LoseLocked(box, "the process of the peer has ended");
    return;
  }
  box->fresh.store(true);
  if (box->death) {
    const uint64_t one = 1;
    (void)!write(box->death.get(), &one, sizeof one);
  }
}

void SysvInbox::LoseQueueLocked(int error) {
  lost_ = true;
  wake_sent_ = false;
  const std::string reason =
      absl::StrCat("message queue ", queue_->id(),
                   " was removed by another process: ", strerror(error));
  for (const auto& [base, box] : boxes_) {
    box->drained = true;
    LoseLocked(box.get(), reason);
  }
  if (serves_) ReplaceQueueLocked();
}

void SysvInbox::ReplaceQueueLocked() {
  absl::StatusOr<std::unique_ptr<SysvQueue>> queue =
      SysvQueue::Make(name_path_);
  if (!queue.ok()) return;
  queue_ = *std::move(queue);
  lost_ = false;
  listener_news_ = true;
}

}  // namespace nearcall::internal
