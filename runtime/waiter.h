// A set of parked links and listeners that one thread waits for.
#ifndef NEARCALL_RUNTIME_WAITER_H_
#define NEARCALL_RUNTIME_WAITER_H_

#include <cstddef>
#include <span>

#include "runtime/deadline.h"
#include "runtime/link.h"

namespace nearcall::internal {

class Listener;

/// Add and Remove may be called from any thread; Wait by one at a time.
/// Readiness is edge-triggered: after a tag was reported the caller reads until
/// kAgain and arms the link again before it waits.
class Waiter {
 public:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  virtual ~Waiter() = default;

  /// Watches `link` for `want`; calling it again changes the want bits. `tag`
  /// comes back from Wait. False: the kernel refused (errno says why).
  virtual bool Add(Link* link, unsigned want, void* tag) = 0;
  /// Watches only for the link's death.
  virtual bool AddDeath(Link* link, void* tag) = 0;
  virtual bool Add(Listener* listener, void* tag) = 0;
  /// No tag of it is reported by a Wait that starts afterwards.
  virtual void Remove(Link* link) = 0;
  virtual void Remove(Listener* listener) = 0;

  /// Blocks until something is ready, the deadline, or an interrupt; returns
  /// how many tags it stored (0: neither). Tags may be spurious.
  virtual size_t Wait(Deadline deadline, std::span<void*> ready) = 0;
  /// Any thread; latched.
  virtual void Interrupt() = 0;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_WAITER_H_
