// The memory of a byte-stream link: what is committed and not yet sent, what
// was received and not yet released. No I/O here. Both buffers keep a block for
// reuse, so that a steady link allocates nothing.
#ifndef NEARCALL_TRANSPORTS_STREAM_BUFFERS_H_
#define NEARCALL_TRANSPORTS_STREAM_BUFFERS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

namespace nearcall::internal {

/// The length that precedes a frame, a little-endian u32.
inline constexpr size_t kLengthBytes = 4;
/// A first block; large enough for most calls.
inline constexpr size_t kSmallBlock = 4096;
/// What a parked link may keep of each buffer.
inline constexpr size_t kKeptBlock = 16384;

/// Uninitialised memory that knows its size; its bytes follow it.
struct alignas(16) Block {
  size_t capacity;
  std::byte* data() { return reinterpret_cast<std::byte*>(this + 1); }
};
struct FreeBlock {
  void operator()(Block* block) const { free(block); }
};
using BlockPtr = std::unique_ptr<Block, FreeBlock>;
/// Null when there is no memory.
BlockPtr NewBlock(size_t capacity);

/// Used by the writer, but for GiveBack.
class OutBuffer {
 public:
  enum class Room { kOk, kFull, kNoMemory };

  explicit OutBuffer(uint32_t max_frame);
  ~OutBuffer();
  OutBuffer(const OutBuffer&) = delete;
  OutBuffer& operator=(const OutBuffer&) = delete;

  /// kFull: send some and try again; never when nothing is pending.
  Room Reserve(uint32_t size, std::byte** data);
  void Commit(uint32_t size);

  size_t pending() const { return committed_ - sent_; }
  const std::byte* data() const { return block_->data() + sent_; }
  void Sent(size_t size);
  /// Frees a block that was large and is not in use. Any thread.
  void GiveBack();

 private:
  bool MakeRoom(size_t needed);

  const size_t limit_;
  BlockPtr block_;
  size_t sent_ = 0;       ///< Bytes of block_ that are out.
  size_t committed_ = 0;  ///< Where the next length goes, before alignment.
  size_t reserved_ = 0;   ///< Where the open reservation's length goes.
  bool open_ = false;
  /// The block while nothing is pending: the writer takes it back from here.
  std::atomic<Block*> spare_{nullptr};
  std::atomic<bool> spare_is_large_{false};
};

/// Used by the reader only.
class InBuffer {
 public:
  size_t size() const { return end_ - begin_; }
  bool has_length() const { return size() >= kLengthBytes; }
  /// Of the frame at the front; only when has_length().
  uint32_t length() const;
  bool has_frame() const {
    return has_length() && size() - kLengthBytes >= length();
  }
  const std::byte* front() const { return block_->data() + begin_; }
  const std::byte* frame() const { return front() + kLengthBytes; }
  void PopFrame() { begin_ += kLengthBytes + length(); }

  /// Where to receive, with room for at least the rest of the frame at the
  /// front (whose length the caller has checked). Empty: no memory.
  std::span<std::byte> Space();
  void Received(size_t size, bool filled) {
    end_ += size;
    filled_ = filled;
  }
  /// Frees a large block that holds nothing.
  void GiveBack();

 private:
  BlockPtr block_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool filled_ = false;  ///< The last receive used all the space.
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_STREAM_BUFFERS_H_
