// What a process holds of the kernel's, before and after: the check that
// nothing is left behind.
#ifndef NEARCALL_TESTS_SUPPORT_LEAK_AUDIT_H_
#define NEARCALL_TESTS_SUPPORT_LEAK_AUDIT_H_

#include <sys/types.h>

#include <set>
#include <string>

namespace nearcall::internal {

/// What a process and the machine hold at a moment.
struct Holdings {
  static Holdings Of(pid_t pid);

  std::multiset<std::string> descriptors;  ///< "socket", "/path", ...
  std::multiset<std::string> threads;      ///< By name.
  /// /dev/shm, SysV, the runtime directory: but for SysV objects that other
  /// programs are using.
  std::set<std::string> machine;
};

/// Takes the baseline when made; Check waits, within a generous bound, until
/// the process holds no more than then, and fails the test with what is left
/// otherwise.
class LeakAudit {
 public:
  LeakAudit() : LeakAudit(0) {}
  /// Of another process; 0: this one.
  explicit LeakAudit(pid_t pid);
  /// So many threads more than at the beginning are no leak: those of
  /// executors and watchers that live as long as the process.
  void Check(int more_threads = 0) const;

 private:
  Holdings Now() const;
  const pid_t pid_;
  const Holdings before_;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TESTS_SUPPORT_LEAK_AUDIT_H_
