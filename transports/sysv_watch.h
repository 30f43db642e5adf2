// What a thread asleep in msgrcv does not notice: that time passes, and that a
// peer has died. One thread a process looks after both, for all links; it
// sleeps in the kernel, and a call within its deadline does not wake it.
#ifndef NEARCALL_TRANSPORTS_SYSV_WATCH_H_
#define NEARCALL_TRANSPORTS_SYSV_WATCH_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "runtime/deadline.h"
#include "runtime/fd.h"
#include "runtime/sync.h"

namespace nearcall::internal {

/// A pidfd of the process, which then is what it was when this returned. None
/// (errno says why): it does not exist, or pidfds are refused.
Fd OpenPidFd(int pid);

class SysvAlarmed {
 public:
  virtual ~SysvAlarmed() = default;
  virtual void OnAlarm() = 0;
};

class SysvWatch {
 public:
  enum class Event {
    kDied,    ///< The peer's process is gone.
    kClosed,  ///< The peer has ended the link: SignalClosed.
  };
  struct Peer {
    /// Without one the lock of the record is looked at each 100 ms.
    Fd pidfd;
    std::string peer_record;
    /// Where SignalClosed shows; empty: nobody signals.
    std::string own_record;
    /// Called by the watching thread, perhaps once more after RemovePeer, and
    /// each event once.
    std::function<void(Event)> notify;
  };

  /// Without a thread yet: use Process().
  SysvWatch() = default;
  /// The process's. Null: there is no thread or no descriptor for it.
  static SysvWatch* Process();

  /// At most one alarm each: another call replaces the time.
  void SetAlarm(const std::shared_ptr<SysvAlarmed>& who, Deadline when);
  void CancelAlarm(const SysvAlarmed* who);

  uint64_t AddPeer(Peer peer);
  void RemovePeer(uint64_t token);

  /// Tells the process that recorded its queue at `record`, and whoever watches
  /// it there, that its link has been closed. Its record remains.
  static void SignalClosed(const std::string& record);

 private:
  struct Watched {
    Peer peer;
    int inotify_watch = -1;
    bool looked_at = false;  ///< The kernel does not announce all of it.
    bool died = false;
    bool closed = false;
  };
  struct Alarm {
    std::weak_ptr<SysvAlarmed> who;
    const SysvAlarmed* key;
  };
  using Alarms = std::multimap<Deadline, Alarm>;
  using Calls = std::vector<std::function<void()>>;

  bool StartLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run();
  Deadline NextLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeAlarmsLocked(std::vector<std::shared_ptr<SysvAlarmed>>* due)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LookLocked(Calls* calls) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReadInotifyLocked(Calls* calls) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Report(Watched* watched, Event event, Calls* calls);
  void Wake();

  Fd epoll_;
  Fd wake_;
  Fd inotify_;  ///< None: own records are looked at like peers' without pidfd.

  Mutex mutex_;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  Deadline sleeps_until_ ABSL_GUARDED_BY(mutex_);
  Alarms alarms_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<const SysvAlarmed*, Alarms::iterator> alarm_of_
      ABSL_GUARDED_BY(mutex_);
  uint64_t last_token_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<uint64_t, Watched> peers_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<int, uint64_t> token_of_watch_ ABSL_GUARDED_BY(mutex_);
  int looked_at_ ABSL_GUARDED_BY(mutex_) =
      0;  ///< Peers that nothing announces.
  Deadline next_look_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_SYSV_WATCH_H_
