#include "tests/support/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

// Bodies of forked children start threads of the library, which
// ThreadSanitizer allows only when asked.
#ifdef NEARCALL_SANITIZE_thread
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }
#endif

namespace nearcall::internal {
namespace {

[[noreturn]] void Die(const char* call) {
  perror(call);
  abort();
}

pid_t WaitForState(pid_t pid, int* state, int flags) {
  pid_t result;
  do {
    result = waitpid(pid, state, flags);
  } while (result < 0 && errno == EINTR);
  return result;
}

}  // namespace

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    if (reap_) Kill();
    pid_ = std::exchange(other.pid_, -1);
    reap_ = other.reap_;
  }
  return *this;
}

ChildProcess::~ChildProcess() {
  if (reap_) Kill();
}

ChildProcess ChildProcess::Fork(const std::function<int()>& body) {
  fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) Die("fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);
    const int code = body();
    fflush(nullptr);
    _exit(code);
  }
  return ChildProcess(pid);
}

ChildProcess ChildProcess::Exec(const std::vector<std::string>& argv,
                                const std::vector<std::string>& environment) {
  return Fork([&] {
    for (const std::string& entry : environment) {
      const size_t equals = entry.find('=');
      setenv(entry.substr(0, equals).c_str(), entry.c_str() + equals + 1, 1);
    }
    std::vector<char*> arguments;
    for (const std::string& argument : argv) {
      arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    perror(arguments[0]);
    return 127;
  });
}

void ChildProcess::Signal(int number) const {
  if (running() && kill(pid_, number) != 0) Die("kill");
}

void ChildProcess::Kill() {
  if (!running()) return;
  Signal(SIGKILL);
  Wait();
}

void ChildProcess::Stop() const {
  Signal(SIGSTOP);
  int state;
  if (WaitForState(pid_, &state, WUNTRACED) < 0) Die("waitpid");
}

void ChildProcess::Continue() const { Signal(SIGCONT); }

int ChildProcess::Wait() {
  if (!reap_) {
    siginfo_t info = {};
    const auto id = static_cast<id_t>(std::exchange(pid_, -1));
    while (waitid(P_PID, id, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
    }
    return info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
  }
  int state;
  if (WaitForState(std::exchange(pid_, -1), &state, 0) < 0) Die("waitpid");
  return WIFSIGNALED(state) ? -WTERMSIG(state) : WEXITSTATUS(state);
}

Baton::Baton() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) Die("pipe2");
  read_ = ends[0];
  write_ = ends[1];
}

Baton::~Baton() {
  close(read_);
  if (write_ >= 0) close(write_);
}

void Baton::Pass() {
  if (write(write_, "", 1) != 1) Die("write");
}

bool Baton::Await() {
  close(std::exchange(write_, -1));
  char byte;
  ssize_t got;
  do {
    got = read(read_, &byte, 1);
  } while (got < 0 && errno == EINTR);
  return got == 1;
}

}  // namespace nearcall::internal
