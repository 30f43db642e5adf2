#include "runtime/idle_policy.h"

#include <sched.h>

namespace nearcall::internal {
namespace {

// What this process may run on, which a container may make less than what the
// machine has.
bool HasSecondCore() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) > 1;
}

}  // namespace

IdlePolicy::IdlePolicy(int spin_micros)
    : budget_nanos_(HasSecondCore() ? int64_t{spin_micros} * 1000 : 0) {}

int64_t IdlePolicy::BeginWait() {
  if (budget_nanos_ == 0) return 0;
  if (paid_ >= kFull / 4) return budget_nanos_;
  if (++skipped_ < kProbeEvery) return 0;
  skipped_ = 0;
  return budget_nanos_;
}

void IdlePolicy::EndWait(bool paid) {
  if (paid) {
    if (paid_ < kFull) paid_ += paid_ < kFull / 4 ? kFull / 4 : 1;
    if (paid_ > kFull) paid_ = kFull;
  } else if (paid_ > 0) {
    --paid_;
  }
}

}  // namespace nearcall::internal
