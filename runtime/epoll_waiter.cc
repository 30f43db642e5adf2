#include "runtime/epoll_waiter.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "runtime/transport.h"

namespace nearcall::internal {
namespace {

// No entry has it.
constexpr uint64_t kWakeToken = std::numeric_limits<uint64_t>::max();
// More stay in the kernel's list for the next Wait.
constexpr size_t kMaxEvents = 64;

uint64_t Token(uint32_t slot, uint32_t generation) {
  return uint64_t{generation} << 32 | slot;
}

// With a deadline in nanoseconds where the kernel can; a kernel or a sandbox
// without the call rounds up to milliseconds.
int EpollWait(int epoll, epoll_event* events, int max, Deadline deadline) {
  timespec storage;
  const timespec* timeout = deadline.RemainingTimespec(&storage);
  const int count = epoll_pwait2(epoll, events, max, timeout, nullptr);
  if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
  int millis = -1;
  if (timeout != nullptr) {
    millis = static_cast<int>(
        std::min<int64_t>((deadline.remaining_nanos() + 999'999) / 1'000'000,
                          std::numeric_limits<int>::max()));
  }
  return epoll_wait(epoll, events, max, millis);
}

bool SamePollables(const std::array<Pollable, 2>& a,
                   const std::array<Pollable, 2>& b) {
  return a[0].fd == b[0].fd && a[0].events == b[0].events &&
         a[1].fd == b[1].fd && a[1].events == b[1].events;
}

// 0 when `fd` is not among them.
uint32_t EventsOf(const std::array<Pollable, 2>& set, int fd) {
  for (const Pollable& pollable : set) {
    if (pollable.fd == fd) return pollable.events;
  }
  return 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EpollWaiter>> EpollWaiter::Create() {
  std::unique_ptr<EpollWaiter> waiter(new EpollWaiter);
  waiter->epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  waiter->wake_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  // Edge-triggered: each write is an edge, so nobody has to read it empty.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = kWakeToken;
  if (!waiter->epoll_ || !waiter->wake_ ||
      epoll_ctl(waiter->epoll_.get(), EPOLL_CTL_ADD, waiter->wake_.get(),
                &event) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot make an epoll set: ", strerror(errno)));
  }
  return waiter;
}

bool EpollWaiter::Add(Link* link, unsigned want, void* tag) {
  std::array<Pollable, 2> wanted;
  if ((want & kReadable) != 0) wanted[0] = link->PollFd(kReadable);
  if ((want & kWritable) != 0) wanted[1] = link->PollFd(kWritable);
  if (wanted[0].fd == wanted[1].fd) {
    wanted[0].events |= wanted[1].events;
    wanted[1] = Pollable();
  }
  for (Pollable& pollable : wanted) {
    if (pollable.fd >= 0) pollable.events |= EPOLLET;
  }
  return Set(link, link, tag, wanted);
}

bool EpollWaiter::AddDeath(Link* link, void* tag) {
  std::array<Pollable, 2> wanted;
  wanted[0] = link->DeathFd();
  if (wanted[0].fd >= 0) wanted[0].events |= EPOLLET;
  return Set(link, link, tag, wanted, /*death=*/true);
}

bool EpollWaiter::Add(Listener* listener, void* tag) {
  std::array<Pollable, 2> wanted;
  wanted[0] = listener->incoming();
  return Set(listener, nullptr, tag, wanted);
}

void EpollWaiter::Remove(Link* link) { Forget(link); }
void EpollWaiter::Remove(Listener* listener) { Forget(listener); }

bool EpollWaiter::Set(const void* key, Link* link, void* tag,
                      std::array<Pollable, 2> wanted, bool death) {
  MutexLock lock(&mutex_);
  auto found = slots_.find(key);
  if (found == slots_.end()) {
    uint32_t slot;
    if (free_.empty()) {
      slot = static_cast<uint32_t>(entries_.size());
      entries_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    entries_[slot].key = key;
    entries_[slot].link = link;
    found = slots_.emplace(key, slot).first;
  }
  entries_[found->second].tag = tag;
  entries_[found->second].death = death;
  return Watch(found->second, wanted);
}

// The difference between what is registered and what is wanted. Changing a
// registration makes the kernel look at the descriptor afresh, so readiness
// from before is reported, too.
bool EpollWaiter::Watch(uint32_t slot, const std::array<Pollable, 2>& wanted) {
  Entry& entry = entries_[slot];
  if (SamePollables(entry.watched, wanted)) return true;
  for (const Pollable& old : entry.watched) {
    if (old.fd >= 0 && EventsOf(wanted, old.fd) == 0) {
      epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, old.fd, nullptr);
    }
  }
  std::array<Pollable, 2> now;
  bool ok = true;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const Pollable& pollable = wanted[i];
    if (pollable.fd < 0) continue;
    const uint32_t before = EventsOf(entry.watched, pollable.fd);
    epoll_event event{};
    event.events = pollable.events;
    event.data.u64 = Token(slot, entry.generation);
    if (before != pollable.events &&
        epoll_ctl(epoll_.get(), before == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD,
                  pollable.fd, &event) != 0) {
      ok = false;
      continue;
    }
    now[i] = pollable;
  }
  entry.watched = now;
  return ok;
}

void EpollWaiter::Forget(const void* key) {
  MutexLock lock(&mutex_);
  const auto found = slots_.find(key);
  if (found == slots_.end()) return;
  const uint32_t slot = found->second;
  Watch(slot, {});
  slots_.erase(found);
  const uint32_t next = entries_[slot].generation + 1;
  entries_[slot] = Entry();
  entries_[slot].generation = next;
  free_.push_back(slot);
}

size_t EpollWaiter::Wait(Deadline deadline, std::span<void*> ready) {
  std::array<epoll_event, kMaxEvents> events;
  const int max = static_cast<int>(std::min(ready.size(), kMaxEvents));
  for (;;) {
    const int count = EpollWait(epoll_.get(), events.data(), max, deadline);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return 0;
    const std::span<const epoll_event> seen(events.data(),
                                            static_cast<size_t>(count));
    const size_t stored = Collect(seen, ready);
    if (stored > 0) return stored;
    for (const epoll_event& event : seen) {
      if (event.data.u64 == kWakeToken) return 0;
    }
    // All were of entries removed meanwhile.
  }
}

size_t EpollWaiter::Collect(std::span<const epoll_event> events,
                            std::span<void*> ready) {
  size_t stored = 0;
  MutexLock lock(&mutex_);
  ++waits_;
  for (const epoll_event& event : events) {
    if (event.data.u64 == kWakeToken) continue;
    const auto slot = static_cast<uint32_t>(event.data.u64);
    const auto generation = static_cast<uint32_t>(event.data.u64 >> 32);
    Entry& entry = entries_[slot];
    if (entry.key == nullptr || entry.generation != generation) continue;
    // Under the mutex, so that Remove, which comes before the link's end,
    // waits.
    if (entry.link != nullptr &&
        (entry.death ||
         (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)) {
      entry.link->HungUp();
    }
    if (entry.last_wait == waits_) continue;
    entry.last_wait = waits_;
    ready[stored++] = entry.tag;
  }
  return stored;
}

void EpollWaiter::Interrupt() {
  const uint64_t one = 1;
  // EAGAIN: the counter is full of interrupts that nobody has to read.
  (void)!write(wake_.get(), &one, sizeof one);
}

}  // namespace nearcall::internal
