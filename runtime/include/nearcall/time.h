// Deadlines as programs write them.
#ifndef NEARCALL_TIME_H_
#define NEARCALL_TIME_H_

#include <chrono>
#include <cstdint>
#include <limits>

namespace nearcall {

/// Turns a T into a point on the wall clock, as gRPC's deadlines are.
/// Specialise it to use an own type as a deadline. The library converts it at
/// once into time remaining and measures that on the monotonic clock.
template <typename T>
class TimePoint;

template <>
class TimePoint<std::chrono::system_clock::time_point> {
 public:
  TimePoint(std::chrono::system_clock::time_point time)  // NOLINT: implicit
      : time_(time) {}
  std::chrono::system_clock::time_point time() const { return time_; }

 private:
  std::chrono::system_clock::time_point time_;
};

template <>
class TimePoint<std::chrono::steady_clock::time_point> {
 public:
  TimePoint(std::chrono::steady_clock::time_point time)  // NOLINT: implicit
      : time_(time) {}
  std::chrono::system_clock::time_point time() const {
    using std::chrono::system_clock;
    if (time_ == std::chrono::steady_clock::time_point::max()) {
      return system_clock::time_point::max();
    }
    return system_clock::now() +
           std::chrono::duration_cast<system_clock::duration>(
               time_ - std::chrono::steady_clock::now());
  }

 private:
  std::chrono::steady_clock::time_point time_;
};

}  // namespace nearcall

#endif  // NEARCALL_TIME_H_
