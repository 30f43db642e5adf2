// What a process has one of. A forked child gets another one: the parent's
// threads are not there, and what one of them had locked stays locked for ever.
// So it is found without a lock.
#ifndef NEARCALL_RUNTIME_PER_PROCESS_H_
#define NEARCALL_RUNTIME_PER_PROCESS_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "runtime/fd.h"

namespace nearcall::internal {

/// For variables of namespace scope, constinit. The object is made when it is
/// first asked for, by a constructor without effects (where several threads ask
/// first, all but one are thrown away), and is never destroyed.
template <typename T>
class PerProcess {
 public:
  constexpr PerProcess() = default;

  T& Get() {
    Node* node = newest_.load(std::memory_order_acquire);
    const uint32_t generation = ForkGeneration();
    if (node != nullptr && node->generation == generation) return node->object;
    auto made = std::make_unique<Node>(generation, node);
    if (newest_.compare_exchange_strong(node, made.get(),
                                        std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
      node = made.release();
    }
    return node->object;
  }

 private:
  struct Node {
    Node(uint32_t of, Node* parents) : generation(of), older(parents) {}
    const uint32_t generation;
    Node* const older;  ///< Kept: what points into it remains valid.
    T object;
  };
  std::atomic<Node*> newest_{nullptr};
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_PER_PROCESS_H_
