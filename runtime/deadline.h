// A point on the monotonic clock, or never. The library measures no time on
// any other clock: the wall clock appears only where the public API's deadlines
// are converted (client_context, server_context).
#ifndef NEARCALL_RUNTIME_DEADLINE_H_
#define NEARCALL_RUNTIME_DEADLINE_H_

#include <time.h>

#include <cstdint>
#include <limits>

namespace nearcall::internal {

/// Nanoseconds on CLOCK_MONOTONIC.
inline int64_t MonotonicNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

class Deadline {
 public:
  /// Never passes.
  constexpr Deadline() = default;

  static constexpr Deadline Never() { return Deadline(); }
  static constexpr Deadline AtNanos(int64_t monotonic_nanos) {
    Deadline deadline;
    deadline.nanos_ = monotonic_nanos;
    return deadline;
  }
  /// `nanos` from now; a value too large for the clock is Never().
  static Deadline After(int64_t nanos) {
    const int64_t now = MonotonicNanos();
    if (nanos > kNever - now) return Never();
    return AtNanos(now + nanos);
  }
  static Deadline AfterMillis(int64_t millis) {
    return After(millis * 1'000'000);
  }
  static Deadline Now() { return AtNanos(MonotonicNanos()); }

  constexpr bool never() const { return nanos_ == kNever; }
  constexpr int64_t nanos() const { return nanos_; }
  bool passed() const { return !never() && MonotonicNanos() >= nanos_; }
  /// 0 when it has passed; the largest int64_t when it never does.
  int64_t remaining_nanos() const {
    if (never()) return kNever;
    const int64_t left = nanos_ - MonotonicNanos();
    return left > 0 ? left : 0;
  }
  /// For ppoll and its like: the remaining time, or nullptr for never.
  const timespec* RemainingTimespec(timespec* storage) const {
    if (never()) return nullptr;
    const int64_t left = remaining_nanos();
    storage->tv_sec = static_cast<time_t>(left / 1'000'000'000);
    storage->tv_nsec = static_cast<long>(left % 1'000'000'000);
    return storage;
  }

  friend constexpr auto operator<=>(Deadline, Deadline) = default;

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  int64_t nanos_ = kNever;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_DEADLINE_H_
