#include "transports/stream_buffers.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/base/internal/endian.h"

namespace nearcall::internal {
namespace {

// A small remainder is moved to the front, so that one receive can take more.
constexpr size_t kCheapMove = 512;
// Behind a large frame: a receive that also asks for what follows it comes back
// short when nothing does, and little has to be moved when something does.
constexpr size_t kSlack = 4096;
// Receives that keep filling the space make it larger, up to here.
constexpr size_t kBulkBlock = 65536;

constexpr size_t Align4(size_t offset) { return (offset + 3) & ~size_t{3}; }

}  // namespace

BlockPtr NewBlock(size_t capacity) {
  BlockPtr block(static_cast<Block*>(malloc(sizeof(Block) + capacity)));
  if (block) block->capacity = capacity;
  return block;
}

OutBuffer::OutBuffer(uint32_t max_frame)
    : limit_(std::max(Align4(kLengthBytes + max_frame), kKeptBlock)) {}

OutBuffer::~OutBuffer() { BlockPtr spare(spare_.load()); }

OutBuffer::Room OutBuffer::Reserve(uint32_t size, std::byte** data) {
  open_ = false;
  if (!block_) {
    block_.reset(spare_.exchange(nullptr, std::memory_order_acquire));
  }
  const size_t frame = kLengthBytes + size;
  if (!block_ || Align4(committed_) + frame > block_->capacity) {
    if (Align4(pending()) + frame > limit_) return Room::kFull;
    if (!MakeRoom(Align4(pending()) + frame)) return Room::kNoMemory;
  }
  reserved_ = Align4(committed_);
  open_ = true;
  *data = block_->data() + reserved_ + kLengthBytes;
  return Room::kOk;
}

// Moves what is pending to the front, of a larger block if need be.
bool OutBuffer::MakeRoom(size_t needed) {
  const size_t rest = pending();
  if (block_ && needed <= block_->capacity) {
    memmove(block_->data(), block_->data() + sent_, rest);
  } else {
    const size_t doubled = block_ ? 2 * block_->capacity : kSmallBlock;
    BlockPtr larger =
        NewBlock(std::min(limit_, std::max(doubled, Align4(needed))));
    if (!larger) return false;
    if (rest > 0) memcpy(larger->data(), block_->data() + sent_, rest);
    block_ = std::move(larger);
  }
  sent_ = 0;
  committed_ = rest;
  return true;
}

void OutBuffer::Commit(uint32_t size) {
  if (!std::exchange(open_, false)) return;
  if (size == 0) {
    Sent(0);
    return;
  }
  if (pending() == 0) {
    sent_ = committed_ = reserved_;
  }
  std::byte* const at = block_->data() + reserved_;
  absl::little_endian::Store32(at, size);
  // The stream has no padding: close the gap that the alignment left.
  if (reserved_ != committed_) {
    memmove(block_->data() + committed_, at, kLengthBytes + size);
  }
  committed_ += kLengthBytes + size;
}

void OutBuffer::Sent(size_t size) {
  sent_ += size;
  if (pending() > 0 || open_ || !block_) return;
  sent_ = committed_ = 0;
  spare_is_large_.store(block_->capacity > kKeptBlock,
                        std::memory_order_relaxed);
  BlockPtr replaced(
      spare_.exchange(block_.release(), std::memory_order_acq_rel));
}

void OutBuffer::GiveBack() {
  if (!spare_is_large_.load(std::memory_order_relaxed)) return;
  BlockPtr taken(spare_.exchange(nullptr, std::memory_order_acquire));
  if (!taken || taken->capacity > kKeptBlock) return;
  // The writer had replaced it by a small one, which is worth keeping.
  Block* none = nullptr;
  if (spare_.compare_exchange_strong(none, taken.get(),
                                     std::memory_order_acq_rel)) {
    (void)taken.release();
  }
}

uint32_t InBuffer::length() const {
  return absl::little_endian::Load32(front());
}

std::span<std::byte> InBuffer::Space() {
  const size_t have = size();
  const size_t needed = has_length() ? kLengthBytes + length() : kLengthBytes;
  if (have == 0) begin_ = end_ = 0;
  const size_t capacity = block_ ? block_->capacity : 0;
  size_t wanted = capacity;
  if (needed > capacity) {
    wanted = needed <= kSmallBlock ? kSmallBlock : needed + kSlack;
  } else if (filled_ && capacity < kBulkBlock) {
    wanted = 2 * capacity;
  }
  filled_ = false;
  if (wanted != capacity) {
    BlockPtr larger = NewBlock(wanted);
    if (!larger) return {};
    if (have > 0) memcpy(larger->data(), front(), have);
    block_ = std::move(larger);
    begin_ = 0;
  } else if (begin_ > 0 && (have <= kCheapMove || begin_ + needed > capacity)) {
    memmove(block_->data(), front(), have);
    begin_ = 0;
  }
  end_ = begin_ + have;
  return {block_->data() + end_, block_->capacity - end_};
}

void InBuffer::GiveBack() {
  if (size() > 0 || !block_ || block_->capacity <= kKeptBlock) return;
  block_.reset();
  begin_ = end_ = 0;
}

}  // namespace nearcall::internal
