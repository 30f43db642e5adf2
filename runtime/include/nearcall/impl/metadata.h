// Metadata as the wire has it: a block of entries, [u16 key length, u32 value
// length, key, value]. A context appends to a block and reads from one; the
// maps of the public API are built when somebody asks for them.
#ifndef NEARCALL_IMPL_METADATA_H_
#define NEARCALL_IMPL_METADATA_H_

#include <nearcall/impl/buffer.h>
#include <nearcall/string_ref.h>

#include <cstdint>
#include <map>
#include <string_view>

namespace nearcall::internal {

/// Limits of a block; gRPC's default is 8 KiB as well.
inline constexpr size_t kMaxMetadataBytes = 8192;
inline constexpr size_t kMaxMetadataEntries = 64;

/// Metadata to send. The first bytes need no heap.
class MetadataBlock {
 public:
  void Add(std::string_view key, std::string_view value);
  std::string_view bytes() const {
    return {
        reinterpret_cast<const char*>(large_.empty() ? small_ : large_.data()),
        size_};
  }
  bool empty() const { return size_ == 0; }
  /// Bytes on the wire: the block behind its u32 size; 0 when empty.
  size_t wire_size() const { return size_ == 0 ? 0 : size_ + 4; }
  void clear();
  /// Empty, or what is wrong with an entry or with the sum of them.
  std::string Problem() const;

 private:
  static constexpr size_t kSmall = 224;
  uint32_t size_ = 0;
  uint8_t small_[kSmall];
  Buffer large_;
};

using MetadataMap = std::multimap<string_ref, string_ref>;

/// Metadata received: bytes that the owner keeps, and the map once asked for.
class ReceivedMetadata {
 public:
  /// `block` must be checked (CheckMetadata) and outlive this or the next set.
  void set(std::string_view block) {
    block_ = block;
    built_ = false;
  }
  std::string_view block() const { return block_; }
  /// Not for several threads at once before the first call has returned.
  const MetadataMap& map() const;
  MetadataMap* mutable_map() {
    map();
    return &map_;
  }

 private:
  std::string_view block_;
  mutable bool built_ = true;
  mutable MetadataMap map_;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_IMPL_METADATA_H_
