#include "transports/sysv_watch.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

#include "runtime/per_process.h"
#include "transports/rendezvous.h"

namespace nearcall::internal {
namespace {

constexpr uint64_t kWakeToken = 0;
constexpr uint64_t kInotifyToken = ~uint64_t{0};
constexpr int64_t kLookMillis = 100;
// The bits of a record's mode that say whether its link is open.
constexpr mode_t kOpenMode = 0600;
constexpr mode_t kClosedMode = 0400;

bool Add(int epoll, int fd, uint64_t token) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = token;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool ClosedSignalled(const std::string& record) {
  struct stat info;
  return lstat(record.c_str(), &info) != 0 ||
         (info.st_mode & kOpenMode) != kOpenMode;
}

bool LockDropped(const std::string& record) {
  const absl::StatusOr<bool> held = NameIsHeld(record);
  return held.ok() && !*held;
}

int EpollWait(int epoll, epoll_event* events, int max, Deadline until) {
  timespec storage;
  const timespec* timeout = until.RemainingTimespec(&storage);
  const int count = epoll_pwait2(epoll, events, max, timeout, nullptr);
  if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
  int millis = -1;
  if (timeout != nullptr) {
    millis = static_cast<int>(std::min<int64_t>(
        (until.remaining_nanos() + 999'999) / 1'000'000, 3'600'000));
  }
  return epoll_wait(epoll, events, max, millis);
}

}  // namespace

Fd OpenPidFd(int pid) {
  return Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

SysvWatch* SysvWatch::Process() {
  static constinit PerProcess<SysvWatch> process;
  SysvWatch& watch = process.Get();
  MutexLock lock(&watch.mutex_);
  return watch.started_ || watch.StartLocked() ? &watch : nullptr;
}

bool SysvWatch::StartLocked() {
  epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  wake_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  inotify_ = Fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!epoll_ || !wake_ || !Add(epoll_.get(), wake_.get(), kWakeToken)) {
    return false;
  }
  if (inotify_ && !Add(epoll_.get(), inotify_.get(), kInotifyToken)) {
    inotify_.reset();
  }
  try {
    std::thread([this] { Run(); }).detach();
  } catch (const std::system_error&) {
    return false;
  }
  started_ = true;
  return true;
}

void SysvWatch::Wake() {
  const uint64_t one = 1;
  (void)!write(wake_.get(), &one, sizeof one);
}

void SysvWatch::SetAlarm(const std::shared_ptr<SysvAlarmed>& who,
                         Deadline when) {
  MutexLock lock(&mutex_);
  const auto found = alarm_of_.find(who.get());
  if (found != alarm_of_.end()) alarms_.erase(found->second);
  alarm_of_[who.get()] = alarms_.emplace(when, Alarm{who, who.get()});
  if (when < sleeps_until_) Wake();
}

void SysvWatch::CancelAlarm(const SysvAlarmed* who) {
  MutexLock lock(&mutex_);
  const auto found = alarm_of_.find(who);
  if (found == alarm_of_.end()) return;
  alarms_.erase(found->second);
  alarm_of_.erase(found);
}

uint64_t SysvWatch::AddPeer(Peer peer) {
  MutexLock lock(&mutex_);
  const uint64_t token = ++last_token_;
  Watched& watched = peers_[token];
  watched.peer = std::move(peer);
  if (watched.peer.pidfd &&
      !Add(epoll_.get(), watched.peer.pidfd.get(), token)) {
    watched.peer.pidfd.reset();
  }
  watched.looked_at = !watched.peer.pidfd;
  if (const std::string& own = watched.peer.own_record; !own.empty()) {
    if (inotify_) {
      watched.inotify_watch =
          inotify_add_watch(inotify_.get(), own.c_str(), IN_ATTRIB);
    }
    if (watched.inotify_watch >= 0) {
      token_of_watch_[watched.inotify_watch] = token;
    }
    // It may have happened before the watch was there.
    if (watched.inotify_watch < 0 || ClosedSignalled(own)) {
      watched.looked_at = true;
    }
  }
  if (watched.looked_at && looked_at_++ == 0) {
    next_look_ = Deadline::AfterMillis(kLookMillis);
    Wake();
  }
  return token;
}

void SysvWatch::RemovePeer(uint64_t token) {
  MutexLock lock(&mutex_);
  const auto found = peers_.find(token);
  if (found == peers_.end()) return;
  Watched& watched = found->second;
  if (watched.looked_at) --looked_at_;
  if (watched.peer.pidfd && !watched.died) {
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watched.peer.pidfd.get(), nullptr);
  }
  if (watched.inotify_watch >= 0) {
    inotify_rm_watch(inotify_.get(), watched.inotify_watch);
    token_of_watch_.erase(watched.inotify_watch);
  }
  peers_.erase(found);
}

void SysvWatch::SignalClosed(const std::string& record) {
  // Not followed where it was replaced by a link: chmod would follow.
  const Fd fd(
      open(record.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (fd) fchmod(fd.get(), kClosedMode);
}

// --- The thread ---

Deadline SysvWatch::NextLocked() {
  Deadline next = alarms_.empty() ? Deadline::Never() : alarms_.begin()->first;
  if (looked_at_ > 0) next = std::min(next, next_look_);
  return next;
}

void SysvWatch::TakeAlarmsLocked(
    std::vector<std::shared_ptr<SysvAlarmed>>* due) {
  while (!alarms_.empty() && alarms_.begin()->first.passed()) {
    const Alarm& alarm = alarms_.begin()->second;
    if (std::shared_ptr<SysvAlarmed> who = alarm.who.lock()) {
      due->push_back(std::move(who));
    }
    alarm_of_.erase(alarm.key);
    alarms_.erase(alarms_.begin());
  }
}

void SysvWatch::Report(Watched* watched, Event event, Calls* calls) {
  bool& reported = event == Event::kDied ? watched->died : watched->closed;
  if (std::exchange(reported, true)) return;
  calls->push_back([notify = watched->peer.notify, event] { notify(event); });
}

void SysvWatch::LookLocked(Calls* calls) {
  if (looked_at_ == 0 || !next_look_.passed()) return;
  next_look_ = Deadline::AfterMillis(kLookMillis);
  for (auto& [token, watched] : peers_) {
    if (!watched.peer.pidfd && LockDropped(watched.peer.peer_record)) {
      Report(&watched, Event::kDied, calls);
    }
    if (!watched.peer.own_record.empty() &&
        ClosedSignalled(watched.peer.own_record)) {
      Report(&watched, Event::kClosed, calls);
    }
  }
}

void SysvWatch::ReadInotifyLocked(Calls* calls) {
  alignas(inotify_event) char events[4096];
  ssize_t size;
  while ((size = read(inotify_.get(), events, sizeof events)) > 0) {
    for (char* at = events; at < events + size;) {
      const auto* const event = reinterpret_cast<const inotify_event*>(at);
      at += sizeof(inotify_event) + event->len;
      const auto token = token_of_watch_.find(event->wd);
      if (token == token_of_watch_.end()) continue;
      Watched& watched = peers_.at(token->second);
      if (ClosedSignalled(watched.peer.own_record)) {
        Report(&watched, Event::kClosed, calls);
      }
    }
  }
}

void SysvWatch::Run() {
  std::array<epoll_event, 16> events;
  for (;;) {
    Deadline until;
    {
      MutexLock lock(&mutex_);
      until = sleeps_until_ = NextLocked();
    }
    const int count = EpollWait(epoll_.get(), events.data(),
                                static_cast<int>(events.size()), until);
    std::vector<std::shared_ptr<SysvAlarmed>> due;
    Calls calls;
    {
      MutexLock lock(&mutex_);
      // Awake: whoever changes what comes next need not wake it.
      sleeps_until_ = Deadline::AtNanos(0);
      for (int i = 0; i < count; ++i) {
        const uint64_t token = events[static_cast<size_t>(i)].data.u64;
        if (token == kWakeToken) {
          uint64_t drained;
          (void)!read(wake_.get(), &drained, sizeof drained);
        } else if (token == kInotifyToken) {
          ReadInotifyLocked(&calls);
        } else if (const auto peer = peers_.find(token); peer != peers_.end()) {
          epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, peer->second.peer.pidfd.get(),
                    nullptr);
          Report(&peer->second, Event::kDied, &calls);
        }
      }
      LookLocked(&calls);
      TakeAlarmsLocked(&due);
    }
    for (const std::function<void()>& call : calls) call();
    for (const auto& who : due) who->OnAlarm();
  }
}

}  // namespace nearcall::internal
