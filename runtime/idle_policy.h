// How long a thread polls before it sleeps. One object per session, one policy
// for every transport: spin when the machine has a second core and spinning has
// paid lately, sleep otherwise.
#ifndef NEARCALL_RUNTIME_IDLE_POLICY_H_
#define NEARCALL_RUNTIME_IDLE_POLICY_H_

#include <cstdint>

namespace nearcall::internal {

inline void CpuRelax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Used by the reader role holder only.
class IdlePolicy {
 public:
  /// `spin_micros`: the most it may spin; 0 never.
  explicit IdlePolicy(int spin_micros);

  /// A wait begins: nanoseconds to poll before sleeping; 0: sleep at once.
  int64_t BeginWait();
  /// The wait ended: whether what it waited for came while it polled.
  void EndWait(bool paid);

 private:
  // Out of 16 recent waits; below a quarter spinning is tried now and then
  // only.
  static constexpr int kFull = 16;
  static constexpr int kProbeEvery = 16;

  const int64_t budget_nanos_;
  int paid_ = kFull;
  int skipped_ = 0;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_IDLE_POLICY_H_
