// The Waiter over epoll, for links and listeners that have descriptors.
//
// A registration persists and links are edge-triggered, so that a server's
// cycle is epoll_wait, recv, send and nothing else: Add with the want bits that
// are set already makes no system call. The edges of a link speak to whoever is
// in Wait: if another thread holds the link's reader role at that moment, the
// waiting thread must tell it to Peek once more before it parks the link.
//
// Listeners are level-triggered.
#ifndef NEARCALL_RUNTIME_EPOLL_WAITER_H_
#define NEARCALL_RUNTIME_EPOLL_WAITER_H_

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "runtime/fd.h"
#include "runtime/sync.h"
#include "runtime/waiter.h"

namespace nearcall::internal {

class EpollWaiter final : public Waiter {
 public:
  /// RESOURCE_EXHAUSTED when there are no descriptors left.
  static absl::StatusOr<std::unique_ptr<EpollWaiter>> Create();

  bool Add(Link* link, unsigned want, void* tag) override;
  bool AddDeath(Link* link, void* tag) override;
  bool Add(Listener* listener, void* tag) override;
  void Remove(Link* link) override;
  void Remove(Listener* listener) override;
  size_t Wait(Deadline deadline, std::span<void*> ready) override;
  void Interrupt() override;

 private:
  /// At most two descriptors a link: a pipe pair has one each way.
  struct Entry {
    const void* key = nullptr;  ///< Null: the slot is free.
    Link* link = nullptr;       ///< Null: a listener.
    bool death = false;         ///< Whatever it reports is a hang-up.
    void* tag = nullptr;
    std::array<Pollable, 2> watched;
    uint32_t generation = 0;  ///< Tells a reused slot from the one before.
    uint64_t last_wait = 0;   ///< The Wait that reported it last.
  };

  EpollWaiter() = default;
  bool Set(const void* key, Link* link, void* tag,
           std::array<Pollable, 2> wanted, bool death = false);
  bool Watch(uint32_t slot, const std::array<Pollable, 2>& wanted)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(const void* key);
  size_t Collect(std::span<const epoll_event> events, std::span<void*> ready);

  Fd epoll_;
  Fd wake_;
  Mutex mutex_;
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint32_t> free_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<const void*, uint32_t> slots_ ABSL_GUARDED_BY(mutex_);
  uint64_t waits_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_EPOLL_WAITER_H_
