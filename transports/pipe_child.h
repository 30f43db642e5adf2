// The process behind a pipe: channel: started, watched through a pidfd, ended.
//
// The application's handling of SIGCHLD is left alone: nothing here waits for a
// child other than its own, and nothing needs the signal. If the application
// reaps the child itself (waitpid(-1, ...), or SIGCHLD ignored) only the exit
// status is lost.
#ifndef NEARCALL_TRANSPORTS_PIPE_CHILD_H_
#define NEARCALL_TRANSPORTS_PIPE_CHILD_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/deadline.h"
#include "runtime/fd.h"
#include "runtime/sync.h"

namespace nearcall::internal {

/// Thread-safe but for End and the destructor.
class PipeChild {
 public:
  /// Starts `argv`, looked up in PATH, with `environment`; the descriptors in
  /// `inherited` keep their numbers in it. It begins with no signal blocked or
  /// ignored. `command` is what messages call it.
  ///
  /// FAILED_PRECONDITION: there is no such program, or it is none.
  /// PERMISSION_DENIED, RESOURCE_EXHAUSTED, INVALID_ARGUMENT (too long).
  /// UNIMPLEMENTED: no pidfds here.
  static absl::StatusOr<std::shared_ptr<PipeChild>> Start(
      const std::vector<std::string>& argv,
      const std::vector<std::string>& environment,
      const std::vector<int>& inherited, std::string command);
  /// End, without a deadline. By then it should have been told, by the end of
  /// its pipes.
  ~PipeChild();
  PipeChild(const PipeChild&) = delete;
  PipeChild& operator=(const PipeChild&) = delete;

  pid_t pid() const { return pid_; }
  /// Readable once it has ended; -1: it ended before one could be had.
  int pidfd() const { return pidfd_.get(); }
  bool ended() { return WaitUntil(Deadline::Now(), -1); }
  /// What became of it, for a status text. Waits up to half a second for a
  /// child that is just ending.
  std::string HowItEnded();

  /// Waits a grace period, then SIGTERM, another, then SIGKILL, until it is
  /// gone and reaped. False: the deadline, or `interrupt_fd` (-1: none) was
  /// readable; call it again to go on.
  bool End(Deadline deadline, int interrupt_fd);

 private:
  PipeChild(pid_t pid, std::string command)
      : pid_(pid), command_(std::move(command)) {}
  bool WaitUntil(Deadline deadline, int interrupt_fd);
  void Reap();
  std::string Describe(const std::string& what) const;

  const pid_t pid_;
  const std::string command_;
  const uint32_t generation_ = ForkGeneration();
  Fd pidfd_;

  Mutex mutex_;
  bool reaped_ ABSL_GUARDED_BY(mutex_) = false;
  std::string ending_ ABSL_GUARDED_BY(mutex_);

  // End's.
  int signals_sent_ = 0;
  Deadline next_signal_ = Deadline::Never();
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_PIPE_CHILD_H_
