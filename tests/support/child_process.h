// A child process of a test, ended for certain when the object goes.
#ifndef NEARCALL_TESTS_SUPPORT_CHILD_PROCESS_H_
#define NEARCALL_TESTS_SUPPORT_CHILD_PROCESS_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace nearcall::internal {

class ChildProcess {
 public:
  ChildProcess() = default;
  ChildProcess(ChildProcess&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)), reap_(other.reap_) {}
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  /// Kills it if it still runs, and reaps it; not one of another's.
  ~ChildProcess();

  /// Forks; the child runs `body` and exits with its result, without running
  /// destructors or exit handlers. It dies with the parent.
  static ChildProcess Fork(const std::function<int()>& body);
  /// Forks and executes argv[0], looked up in PATH, with `environment`
  /// ("NAME=value") added. Exit code 127: it could not be executed.
  static ChildProcess Exec(const std::vector<std::string>& argv,
                           const std::vector<std::string>& environment = {});

  /// A child of this process that something else in it started and reaps.
  static ChildProcess OfAnother(pid_t pid) { return ChildProcess(pid, false); }

  pid_t pid() const { return pid_; }
  bool running() const { return pid_ > 0; }
  void Signal(int number) const;
  /// SIGKILL, then reaps it: afterwards the kernel has closed its descriptors.
  void Kill();
  /// SIGSTOP, and returns once it is stopped.
  void Stop() const;
  void Continue() const;
  /// Waits for its end: the exit code, or -N after signal N. Another's: 0 if
  /// that one was faster.
  int Wait();

 private:
  explicit ChildProcess(pid_t pid, bool reap = true) : pid_(pid), reap_(reap) {}
  pid_t pid_ = -1;
  bool reap_ = true;
};

/// A one-shot event between processes related by fork: a pipe.
class Baton {
 public:
  Baton();
  ~Baton();
  Baton(const Baton&) = delete;
  Baton& operator=(const Baton&) = delete;
  void Pass();
  /// False when every other holder is gone without passing it. The waiter gives
  /// up its own passing end first, so each process waits at most once.
  bool Await();

 private:
  int read_;
  int write_;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TESTS_SUPPORT_CHILD_PROCESS_H_
