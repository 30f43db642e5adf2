// The server process of a bench: this program again, with --serve.
#ifndef NEARCALL_BENCH_CHILD_H_
#define NEARCALL_BENCH_CHILD_H_

#include <sys/types.h>
#include <time.h>

#include <cstdint>
#include <string>

namespace bench {

/// Starts /proc/self/exe with `--serve --target=TARGET` and waits until it says
/// that it serves. It ends when this object, or this process, does.
class Child {
 public:
  /// Ends the process with a message when the server does not come up.
  explicit Child(const std::string& target);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// CPU time that the server has used, in nanoseconds.
  int64_t CpuNanos() const;

 private:
  pid_t pid_ = -1;
  int lifeline_ = -1;
  clockid_t cpu_clock_ = 0;
};

/// CPU time, in nanoseconds, of the one child that this thread has, however it
/// was started; 0 while there is none.
int64_t OnlyChildCpuNanos();

/// The path of this program.
std::string ThisProgram();

/// The server's side: says that it serves, then blocks until the client's
/// process lets go.
void ServeUntilParentLetsGo();

/// CPU time that this process has used, in nanoseconds.
int64_t OwnCpuNanos();

}  // namespace bench

#endif  // NEARCALL_BENCH_CHILD_H_
