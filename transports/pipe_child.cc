#include "transports/pipe_child.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace nearcall::internal {
namespace {

// How long a child may take to end by itself, and then after SIGTERM.
constexpr int64_t kGraceMillis = 2000;
constexpr std::array kSignals = {SIGTERM, SIGKILL};
// Between the end of a process's descriptors and the end of the process.
constexpr int64_t kEndingMillis = 500;

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& string : strings) {
    pointers.push_back(const_cast<char*>(string.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

absl::Status StartError(int error, const std::string& program,
                        const std::string& command) {
  const std::string text =
      absl::StrCat("pipe: cannot start '", program, "': ", strerror(error),
                   " (command: ", command, ")");
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::FailedPreconditionError(absl::StrCat(
          text,
          absl::StrContains(program, '/')
              ? "; a relative path starts in the process's directory"
              : "; it is looked up in PATH",
          absl::StrContains(program, '?')
              ? "; pipe: takes no ?options, they go into the configuration"
              : ""));
    case ENOEXEC:
      return absl::FailedPreconditionError(
          absl::StrCat(text, "; a script needs a first line #!INTERPRETER"));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(
          absl::StrCat(text, "; it must be an executable file"));
    case E2BIG:
      return absl::InvalidArgumentError(text);
    default:
      return absl::ResourceExhaustedError(text);
  }
}

// posix_spawn is vfork-safe: in glibc the child shares the memory, runs on a
// stack of its own and with every signal blocked until it has been executed.
int Spawn(const std::vector<std::string>& argv,
          const std::vector<std::string>& environment,
          const std::vector<int>& inherited, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int error = posix_spawn_file_actions_init(&actions);
  if (error != 0) return error;
  const absl::Cleanup no_actions = [&actions] {
    posix_spawn_file_actions_destroy(&actions);
  };
  error = posix_spawnattr_init(&attributes);
  if (error != 0) return error;
  const absl::Cleanup no_attributes = [&attributes] {
    posix_spawnattr_destroy(&attributes);
  };
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  for (const int fd : inherited) {
    // Onto itself: that clears CLOEXEC, in the child only.
    error = posix_spawn_file_actions_adddup2(&actions, fd, fd);
    if (error != 0) return error;
  }
  return posix_spawnp(pid, argv[0].c_str(), &actions, &attributes,
                      Pointers(argv).data(), Pointers(environment).data());
}

}  // namespace

absl::StatusOr<std::shared_ptr<PipeChild>> PipeChild::Start(
    const std::vector<std::string>& argv,
    const std::vector<std::string>& environment,
    const std::vector<int>& inherited, std::string command) {
  pid_t pid;
  if (const int error = Spawn(argv, environment, inherited, &pid); error != 0) {
    return StartError(error, argv[0], command);
  }
  std::shared_ptr<PipeChild> child(new PipeChild(pid, std::move(command)));
  child->pidfd_ = Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!child->pidfd_ && errno != ESRCH) {
    const int error = errno;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    MutexLock lock(&child->mutex_);
    child->reaped_ = true;
    const std::string text =
        absl::StrCat("pipe: pidfd_open: ", strerror(error));
    if (error == EMFILE || error == ENFILE || error == ENOMEM) {
      return absl::ResourceExhaustedError(text);
    }
    return absl::UnimplementedError(absl::StrCat(
        text, "; the kernel (5.3 or later) or a sandbox refuses it"));
  }
  return child;
}

PipeChild::~PipeChild() {
  // A forked process has no business with its parent's children.
  if (generation_ == ForkGeneration()) End(Deadline::Never(), -1);
}

std::string PipeChild::Describe(const std::string& what) const {
  return absl::StrCat("the child '", command_, "' (pid ", pid_, ") ", what);
}

// False: neither ended nor reaped by then.
bool PipeChild::WaitUntil(Deadline deadline, int interrupt_fd) {
  {
    MutexLock lock(&mutex_);
    if (reaped_) return true;
  }
  // Without a pidfd it had been reaped before one could be had.
  while (pidfd_) {
    std::array<pollfd, 2> fds = {
        {{pidfd_.get(), POLLIN, 0}, {interrupt_fd, POLLIN, 0}}};
    timespec storage;
    const int ready = ppoll(fds.data(), fds.size(),
                            deadline.RemainingTimespec(&storage), nullptr);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0 || fds[0].revents == 0) return false;
    break;
  }
  Reap();
  return true;
}

void PipeChild::Reap() {
  MutexLock lock(&mutex_);
  if (std::exchange(reaped_, true)) return;
  siginfo_t info = {};
  int result = -1;
  if (pidfd_) {
    do {
      result = waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED);
    } while (result != 0 && errno == EINTR);
  }
  if (result != 0) {
    ending_ = Describe("ended; exit status taken by the application");
  } else if (info.si_code == CLD_EXITED) {
    ending_ = Describe(absl::StrCat("exited with status ", info.si_status));
  } else {
    const char* const name = sigabbrev_np(info.si_status);
    ending_ = Describe(
        absl::StrCat("was ended by signal ", info.si_status,
                     name != nullptr ? absl::StrCat(" (SIG", name, ")") : "",
                     info.si_code == CLD_DUMPED ? ", core dumped" : ""));
  }
}

std::string PipeChild::HowItEnded() {
  if (!WaitUntil(Deadline::AfterMillis(kEndingMillis), -1)) {
    return Describe("closed its end of the pipe, and still runs");
  }
  MutexLock lock(&mutex_);
  return ending_;
}

bool PipeChild::End(Deadline deadline, int interrupt_fd) {
  if (signals_sent_ == 0) {
    next_signal_ = std::min(next_signal_, Deadline::AfterMillis(kGraceMillis));
  }
  while (!WaitUntil(std::min(deadline, next_signal_), interrupt_fd)) {
    if (!next_signal_.passed()) return false;
    syscall(SYS_pidfd_send_signal, pidfd_.get(), kSignals[signals_sent_],
            nullptr, 0);
    next_signal_ = ++signals_sent_ < static_cast<int>(kSignals.size())
                       ? Deadline::AfterMillis(kGraceMillis)
                       : Deadline::Never();
  }
  return true;
}

}  // namespace nearcall::internal
