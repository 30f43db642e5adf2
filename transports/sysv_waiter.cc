// SysvInbox as the Waiter of a server's links, and as its listener's gate.
#include <algorithm>
#include <utility>

#include "transports/sysv_inbox.h"
#include "transports/sysv_link.h"

namespace nearcall::internal {
namespace {

// Only links of this inbox come here.
SysvMailbox* BoxOf(Link* link) {
  return static_cast<SysvLink*>(link)->mailbox();
}

// Messages that a Wait with no time takes at most.
constexpr int kMessagesPerPoll = 64;

}  // namespace

bool SysvInbox::Arm(SysvMailbox* box, unsigned want) {
  MutexLock lock(&mutex_);
  if ((want & kReadable) != 0 && box->readable()) return false;
  if ((want & kWritable) != 0 &&
      (!box->wants_space.load() || box->gone.load())) {
    return false;
  }
  if (box->arrived.capacity() > kKeptBlock) {
    box->arrived = std::vector<std::byte>();
    box->taken = 0;
  }
  const unsigned before = std::exchange(box->armed, want);
  if ((want & kWritable) != 0 && (before & kWritable) == 0) {
    if (parked_writers_++ == 0) {
      retry_at_ = Deadline::AfterMillis(kSysvRetryMillis);
    }
  } else if ((want & kWritable) == 0 && (before & kWritable) != 0) {
    --parked_writers_;
  }
  return true;
}

void SysvInbox::Disarm(SysvMailbox* box) {
  MutexLock lock(&mutex_);
  if ((std::exchange(box->armed, 0) & kWritable) != 0) --parked_writers_;
}

void SysvInbox::ListLocked(SysvMailbox* box) {
  if (!box->watched || box->listed) return;
  box->listed = true;
  ready_.push_back(box);
}

bool SysvInbox::Add(Link* link, unsigned, void* tag) {
  MutexLock lock(&mutex_);
  SysvMailbox* const box = BoxOf(link);
  box->tag = tag;
  box->watched = true;
  if (box->readable()) ListLocked(box);
  return true;
}

bool SysvInbox::AddDeath(Link* link, void* tag) { return Add(link, 0, tag); }

void SysvInbox::Remove(Link* link) {
  MutexLock lock(&mutex_);
  SysvMailbox* const box = BoxOf(link);
  box->watched = false;
  if (std::exchange(box->listed, false)) std::erase(ready_, box);
}

bool SysvInbox::Add(Listener*, void* tag) {
  MutexLock lock(&mutex_);
  listener_tag_ = tag;
  return true;
}

void SysvInbox::Remove(Listener*) {
  MutexLock lock(&mutex_);
  listener_tag_ = nullptr;
}

std::shared_ptr<SysvMailbox> SysvInbox::TakeConfirmed() {
  MutexLock lock(&mutex_);
  listener_news_ = false;
  if (confirmed_.empty()) return nullptr;
  std::shared_ptr<SysvMailbox> box = std::move(confirmed_.front());
  confirmed_.pop_front();
  return box;
}

void SysvInbox::StopListening() {
  MutexLock lock(&mutex_);
  listening_ = false;
  controls_.clear();
  confirmed_.clear();
}

size_t SysvInbox::CollectLocked(std::span<void*> ready) {
  size_t count = 0;
  if (listener_tag_ != nullptr &&
      (!controls_.empty() || !confirmed_.empty() || listener_news_)) {
    ready[count++] = listener_tag_;
  }
  while (count < ready.size() && !ready_.empty()) {
    SysvMailbox* const box = ready_.back();
    ready_.pop_back();
    box->listed = false;
    ready[count++] = box->tag;
  }
  return count;
}

void SysvInbox::RetryWritersLocked() {
  if (parked_writers_ == 0 || !retry_at_.passed()) return;
  retry_at_ = Deadline::AfterMillis(kSysvRetryMillis);
  for (const auto& [base, box] : boxes_) {
    if ((box->armed & kWritable) != 0) ListLocked(box.get());
  }
}

size_t SysvInbox::Wait(Deadline deadline, std::span<void*> ready) {
  MutexLock lock(&mutex_);
  bool looked = false;
  for (;;) {
    RetryWritersLocked();
    if (const size_t count = CollectLocked(ready); count > 0) return count;
    if (std::exchange(interrupted_, false)) return 0;
    if (deadline.passed()) {
      if (std::exchange(looked, true)) return 0;
      for (int i = 0; i < kMessagesPerPoll; ++i) {
        if (receiving_ || lost_ || full_ > 0 || !ReceiveLocked(false)) break;
      }
      continue;
    }
    BlockLocked(parked_writers_ > 0 ? std::min(deadline, retry_at_) : deadline);
  }
}

void SysvInbox::Interrupt() {
  MutexLock lock(&mutex_);
  interrupted_ = true;
  WakeLocked();
}

}  // namespace nearcall::internal
