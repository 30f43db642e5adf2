#include "runtime/op_table.h"

namespace nearcall::internal {

OpTable::OpTable(Owner* owner) : owner_(owner) {
  for (int i = 0; i < kOps; ++i) {
    deliveries_[static_cast<size_t>(i)].table = this;
    deliveries_[static_cast<size_t>(i)].op = static_cast<Op>(i);
  }
}

void OpTable::Reset(OpSink* sink, Executor* executor) {
  sink_ = sink;
  executor_ = executor;
  pending_ = 0;
  done_.store(0, std::memory_order_relaxed);
}

void OpTable::Complete(Op op, bool ok) {
  if (!pending(op)) return;
  pending_ &= static_cast<uint8_t>(~Bit(op));
  if (sink_ != nullptr) {
    Delivery& delivery = deliveries_[static_cast<size_t>(op)];
    delivery.ok = ok;
    owner_->RefOwner();
    executor_->Submit(&delivery);
    return;
  }
  const auto bits =
      static_cast<uint16_t>(Bit(op) | (ok ? Bit(op) << kOkShift : 0));
  done_.fetch_or(bits, std::memory_order_release);
  changed_.SignalAll();
}

bool OpTable::TakeResult(Op op) {
  const int bits = Bit(op) | Bit(op) << kOkShift;
  const uint16_t before =
      done_.fetch_and(static_cast<uint16_t>(~bits), std::memory_order_acquire);
  return owner_->Settle(op, (before & (Bit(op) << kOkShift)) != 0);
}

void OpTable::Delivery::Run() {
  // The operation may begin, and this be submitted, again inside OnOp.
  OpTable* const owning = table;
  const Op what = op;
  const bool result = owning->owner_->Settle(what, ok);
  owning->sink_->OnOp(what, result);
  owning->owner_->UnrefOwner();
}

}  // namespace nearcall::internal
