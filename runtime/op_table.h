// The operations of one call that are under way, and how each ends: a waiting
// thread is woken, or a sink is called on the executor.
#ifndef NEARCALL_RUNTIME_OP_TABLE_H_
#define NEARCALL_RUNTIME_OP_TABLE_H_

#include <nearcall/impl/client_call.h>

#include <array>
#include <atomic>
#include <cstdint>

#include "runtime/executor.h"
#include "runtime/sync.h"

namespace nearcall::internal {

/// Guarded by the session's mutex (before there is one: by the only thread that
/// knows the call), but for done().
class OpTable {
 public:
  /// What a completion needs of its call.
  class Owner {
   public:
    virtual void RefOwner() = 0;
    virtual void UnrefOwner() = 0;
    /// On the thread that gets the completion, without locks, before it is
    /// told: parses the message of a kRead. Returns the final ok.
    virtual bool Settle(Op op, bool ok) = 0;

   protected:
    ~Owner() = default;
  };

  explicit OpTable(Owner* owner);

  void Reset(OpSink* sink, Executor* executor);
  void SetSink(OpSink* sink, Executor* executor) {
    sink_ = sink;
    executor_ = executor;
  }
  bool has_sink() const { return sink_ != nullptr; }

  void Begin(Op op) { pending_ |= Bit(op); }
  bool pending(Op op) const { return (pending_ & Bit(op)) != 0; }
  /// Ends a pending operation; no effect on others.
  void Complete(Op op, bool ok);

  /// Any thread: whether a waited-for operation has ended.
  bool done(Op op) const {
    return (done_.load(std::memory_order_acquire) & Bit(op)) != 0;
  }
  /// After done(): its result, once.
  bool TakeResult(Op op);

  /// Signalled with each completion that is waited for.
  CondVar& changed() { return changed_; }

 private:
  struct Delivery final : Executor::Task {
    OpTable* table = nullptr;
    Op op = Op::kRead;
    bool ok = false;
    void Run() override;
  };
  static uint8_t Bit(Op op) {
    return static_cast<uint8_t>(1u << static_cast<int>(op));
  }
  // done_: the low byte says which operations are done, the high byte which of
  // them were ok.
  static constexpr int kOkShift = 8;

  Owner* const owner_;
  OpSink* sink_ = nullptr;
  Executor* executor_ = nullptr;
  uint8_t pending_ = 0;
  std::atomic<uint16_t> done_{0};
  CondVar changed_;
  std::array<Delivery, kOps> deliveries_;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_OP_TABLE_H_
