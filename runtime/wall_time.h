// The one place where the public API's deadlines, points on the wall clock as
// in gRPC, become time remaining on the monotonic clock, and back. A jump of
// the wall clock in between changes nothing.
#ifndef NEARCALL_RUNTIME_WALL_TIME_H_
#define NEARCALL_RUNTIME_WALL_TIME_H_

#include <chrono>
#include <cstdint>

#include "runtime/deadline.h"

namespace nearcall::internal {

using WallTime = std::chrono::system_clock::time_point;

/// Negative when it has passed; the largest int64_t for WallTime::max().
inline int64_t NanosUntil(WallTime wall) {
  if (wall == WallTime::max()) return INT64_MAX;
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             wall - std::chrono::system_clock::now())
      .count();
}

inline Deadline DeadlineAt(WallTime wall) {
  return wall == WallTime::max() ? Deadline::Never()
                                 : Deadline::After(NanosUntil(wall));
}

inline WallTime WallTimeOf(Deadline deadline) {
  if (deadline.never()) return WallTime::max();
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<WallTime::duration>(
             std::chrono::nanoseconds(deadline.nanos() - MonotonicNanos()));
}

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_WALL_TIME_H_
