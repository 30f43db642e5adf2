// The memory that one side of a ring link writes and the other only reads:
//
//   page 0    RingHeader: the words of this side, each on lines of its own
//   page 1..  the records of the ring that this side fills
//   then the same records once more, so that a record never wraps
//
// Unmapped when the last reference goes; a forked child does not inherit the
// mapping (MADV_DONTFORK) and must not touch it.
#ifndef NEARCALL_TRANSPORTS_RING_REGION_H_
#define NEARCALL_TRANSPORTS_RING_REGION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "transports/ring/bell.h"
#include "transports/ring/ring.h"

namespace nearcall::internal {

/// Two cache lines: the second is what the hardware fetches along.
inline constexpr size_t kOwnLine = 128;
inline constexpr uint32_t kRingHeaderBytes = 4096;

/// How a side ended the link, in its header.
enum RingEnding : uint32_t {
  kRingOpen = 0,
  kRingClosed = 1,  ///< In order: what was published before is to be read.
  kRingGaveUp = 2,  ///< The other side broke a rule.
};

/// Words are little-endian, as the machine has them; see docs/wire.md.
struct RingHeader {
  /// Chosen by the server when the link is made, the same in both regions.
  alignas(kOwnLine) uint64_t epoch;
  /// A reader's bell: raised while this side sleeps for frames.
  alignas(kOwnLine) uint32_t reader_sleep;
  /// Beside it, as both are looked at together and hardly ever change.
  uint32_t ending;
  /// A writer's bell: raised while this side sleeps for space.
  alignas(kOwnLine) uint32_t writer_sleep;
  /// How far this side has read the other side's ring.
  alignas(kOwnLine) uint32_t consumed;
};
static_assert(sizeof(RingHeader) == 4 * kOwnLine);

/// A word in a region. The other side of the link changes its words whenever it
/// likes, and ours are loaded by nobody here but through this.
class RingWord {
 public:
  using Order = std::memory_order;
  static constexpr Order kRelaxed = std::memory_order_relaxed;
  static constexpr Order kAcquire = std::memory_order_acquire;
  static constexpr Order kRelease = std::memory_order_release;
  static constexpr Order kSeqCst = std::memory_order_seq_cst;

  explicit RingWord(uint32_t* word) : word_(word) {}

  uint32_t Load(Order order) const { return Ref(*word_).load(order); }
  void Store(uint32_t value, Order order) { Ref(*word_).store(value, order); }

 private:
  using Ref = std::atomic_ref<uint32_t>;
  static_assert(Ref::is_always_lock_free);

  uint32_t* word_;
};

/// One ring: the records of one side's region, the consumer index of the
/// other's. The Memory of ring.h.
class RingMemory {
 public:
  using Order = RingWord::Order;
  static constexpr Order kRelaxed = RingWord::kRelaxed;
  static constexpr Order kAcquire = RingWord::kAcquire;
  static constexpr Order kRelease = RingWord::kRelease;
  static constexpr Order kSeqCst = RingWord::kSeqCst;

  RingMemory(std::byte* records, uint32_t* consumed)
      : records_(records), consumed_(consumed) {}

  uint32_t LoadLength(uint32_t offset, Order order) const {
    return Length(offset).Load(order);
  }
  void StoreLength(uint32_t offset, uint32_t value, Order order) {
    Length(offset).Store(value, order);
  }
  uint32_t LoadIndex(Order order) const { return consumed_.Load(order); }
  void StoreIndex(uint32_t value, Order order) {
    consumed_.Store(value, order);
  }

 private:
  RingWord Length(uint32_t offset) const {
    return RingWord(reinterpret_cast<uint32_t*>(records_ + offset));
  }

  std::byte* records_;
  RingWord consumed_;
};

class RingRegion {
 public:
  enum class Access { kRead, kWrite };

  /// The bytes that the file behind a region with such a ring has.
  static constexpr size_t FileBytes(uint32_t ring_bytes) {
    return size_t{kRingHeaderBytes} + ring_bytes;
  }
  /// INVALID_ARGUMENT unless a power of two in kMinRingBytes..kMaxRingBytes.
  static absl::Status CheckRingBytes(uint64_t ring_bytes);

  /// Zeroed memory of this process, which both ends of a link in it share.
  static absl::StatusOr<std::shared_ptr<RingRegion>> MakePrivate(
      uint32_t ring_bytes);
  /// Maps `fd`, FileBytes long, which may be closed afterwards.
  static absl::StatusOr<std::shared_ptr<RingRegion>> Map(int fd,
                                                         uint32_t ring_bytes,
                                                         Access access);
  ~RingRegion();
  RingRegion(const RingRegion&) = delete;
  RingRegion& operator=(const RingRegion&) = delete;

  uint32_t ring_bytes() const { return ring_bytes_; }
  /// Not to be written, although the type allows it, where the access is kRead:
  /// std::atomic_ref has no form for constants.
  RingHeader* header() const { return reinterpret_cast<RingHeader*>(base_); }
  std::byte* records() const { return base_ + kRingHeaderBytes; }

 private:
  RingRegion(std::byte* base, uint32_t ring_bytes);
  static absl::StatusOr<std::shared_ptr<RingRegion>> AddressSpace(
      uint32_t ring_bytes);
  size_t mapped_bytes() const { return FileBytes(ring_bytes_) + ring_bytes_; }

  std::byte* const base_;
  const uint32_t ring_bytes_;
  const uint32_t generation_;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_RING_REGION_H_
