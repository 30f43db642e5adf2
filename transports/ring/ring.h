// A single-producer single-consumer ring of frames, in memory that a peer may
// write at any time.
//
// A record is a little-endian u32 length and the frame, padded to kRecordAlign.
// The length word is also the publish flag: 0 means "not yet". The writer
// zeroes the length word of the next record before it publishes this one, so
// the reader always finds a 0 or a published record at its position and polls
// nothing but the line in which the frame begins.
//
// Each word has one writer. Lengths and frames belong to the ring's writer, the
// consumer index to its reader. Both sides keep their own position in private
// memory. What the other side wrote is loaded once, checked, then used: a
// length must be 1..max_frame, an index may only move forward and not past what
// was written. The ring is mapped twice in a row, so that a record never wraps
// and a checked length never leads out of the mapping. No loop here waits for
// the peer.
//
// The reader publishes its index once a quarter of the ring. A frame is no
// larger than a quarter, hence an empty ring always has room for any frame and
// the index needs no publication then.
//
// The store that publishes a record, or the index, is sequentially consistent:
// the load of the peer's sleep word that follows (bell.h) may not move before
// it.
//
// `Memory` is where the words live, and how: over std::atomic_ref in
// ring_region.h, over a model checker's atomics in tests/model.
//
//   using Order                          a memory order
//   static constexpr Order kRelaxed, kAcquire, kRelease, kSeqCst
//   uint32_t LoadLength(uint32_t offset, Order) const
//   void StoreLength(uint32_t offset, uint32_t value, Order)
//   uint32_t LoadIndex(Order) const
//   void StoreIndex(uint32_t value, Order)
#ifndef NEARCALL_TRANSPORTS_RING_RING_H_
#define NEARCALL_TRANSPORTS_RING_RING_H_

#include <cstdint>

namespace nearcall::internal {

/// Records begin at multiples of this.
inline constexpr uint32_t kRecordAlign = 8;
inline constexpr uint32_t kRecordHeader = 4;
inline constexpr uint32_t kMinRingBytes = 4096;
inline constexpr uint32_t kMaxRingBytes = 64u << 20;

/// What a record with a frame of `size` bytes takes; `size` at most 2^31.
constexpr uint32_t RecordBytes(uint32_t size) {
  return (kRecordHeader + size + kRecordAlign - 1) & ~(kRecordAlign - 1);
}

enum class RingState : uint8_t {
  kOk,
  kAgain,   ///< Empty, or full.
  kBroken,  ///< The peer broke a rule; the ring must not be used further.
};

template <class Memory>
class RingWriter {
 public:
  /// `capacity` is a power of two, `max_frame` at most a quarter of it.
  RingWriter(Memory memory, uint32_t capacity)
      : memory_(memory), capacity_(capacity) {}

  /// kOk: `size` bytes may be written at `*offset` of the ring (which may run
  /// on into its second mapping). Changes nothing that the peer sees.
  RingState Reserve(uint32_t size, uint32_t* offset) {
    if (!Fits(size)) {
      const RingState state = Refresh(Memory::kAcquire);
      if (state != RingState::kOk) return state;
      if (!Fits(size)) return RingState::kAgain;
    }
    *offset = (head_ & (capacity_ - 1)) + kRecordHeader;
    return RingState::kOk;
  }

  /// Publishes the first `size` bytes, 1..the size reserved.
  void Commit(uint32_t size) {
    const uint32_t mask = capacity_ - 1;
    const uint32_t next = head_ + RecordBytes(size);
    memory_.StoreLength(next & mask, 0, Memory::kRelaxed);
    memory_.StoreLength(head_ & mask, size, Memory::kSeqCst);
    head_ = next;
  }

  /// Any thread: whether the reader has moved on since the writer, finding no
  /// space, saw it at `index`. Ordered after a sleep word that was raised.
  bool MovedSince(uint32_t index) const {
    return memory_.LoadIndex(Memory::kSeqCst) != index;
  }
  /// Where the writer last saw the reader.
  uint32_t reader_seen_at() const { return consumed_; }

  /// Where the next record begins, for prefetching.
  uint32_t next_offset() const { return head_ & (capacity_ - 1); }

 private:
  // The length word after the record is zeroed with it, so it must be free too.
  bool Fits(uint32_t size) const {
    const uint32_t free = capacity_ - (head_ - consumed_);
    return RecordBytes(size) + kRecordAlign <= free;
  }

  RingState Refresh(typename Memory::Order order) {
    const uint32_t index = memory_.LoadIndex(order);
    const uint32_t advance = index - consumed_;
    if (advance > head_ - consumed_ || advance % kRecordAlign != 0) {
      return RingState::kBroken;
    }
    consumed_ = index;
    return RingState::kOk;
  }

  Memory memory_;
  const uint32_t capacity_;
  uint32_t head_ = 0;      // Bytes ever written, modulo 2^32.
  uint32_t consumed_ = 0;  // The peer's index as last seen and checked.
};

template <class Memory>
class RingReader {
 public:
  RingReader(Memory memory, uint32_t capacity, uint32_t max_frame)
      : memory_(memory), capacity_(capacity), max_frame_(max_frame) {}

  /// The oldest frame: the same one until Release.
  RingState Peek(uint32_t* offset, uint32_t* size) {
    if (length_ == 0) {
      const uint32_t length = memory_.LoadLength(tail(), Memory::kAcquire);
      if (length == 0) return RingState::kAgain;
      if (length > max_frame_) return RingState::kBroken;
      length_ = length;
    }
    *offset = tail() + kRecordHeader;
    *size = length_;
    return RingState::kOk;
  }

  /// Lets go of the frame that Peek showed. True: the index was published, so a
  /// writer that sleeps for space may have to be rung.
  bool Release() {
    tail_ += RecordBytes(length_);
    length_ = 0;
    if (tail_ - published_ < capacity_ / 4) return false;
    published_ = tail_;
    memory_.StoreIndex(tail_, Memory::kSeqCst);
    return true;
  }

  /// After the sleep word was raised: whether Peek would find something.
  /// Ordered after the raise.
  bool Recheck() const {
    return length_ != 0 || memory_.LoadLength(tail(), Memory::kSeqCst) != 0;
  }

 private:
  uint32_t tail() const { return tail_ & (capacity_ - 1); }

  Memory memory_;
  const uint32_t capacity_;
  const uint32_t max_frame_;
  uint32_t tail_ = 0;       // Bytes ever released, modulo 2^32.
  uint32_t published_ = 0;  // The index that the peer sees.
  uint32_t length_ = 0;     // Of the frame that is being looked at, or 0.
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_RING_RING_H_
