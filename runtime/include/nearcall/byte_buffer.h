// A message as bytes, for generic services and stubs: gRPC's ByteBuffer.
#ifndef NEARCALL_BYTE_BUFFER_H_
#define NEARCALL_BYTE_BUFFER_H_

#include <nearcall/impl/message.h>
#include <nearcall/slice.h>
#include <nearcall/status.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace nearcall {

/// A sequence of slices. Copying shares them. A received one is the very memory
/// that the frame reader copied the message into. One thread at a time.
class ByteBuffer {
 public:
  /// Not Valid().
  ByteBuffer() = default;
  ByteBuffer(const Slice* slices, size_t count)
      : slices_(slices, slices + count), valid_(true) {}

  /// The bytes of all slices.
  size_t Length() const {
    size_t length = 0;
    for (const Slice& slice : slices_) length += slice.size();
    return length;
  }
  bool Valid() const { return valid_; }

  Status Dump(std::vector<Slice>* slices) const {
    if (!valid_) return Status(FAILED_PRECONDITION, "Buffer not initialized");
    *slices = slices_;
    return Status();
  }
  /// The only slice; an error when there is another number of them.
  Status TrySingleSlice(Slice* slice) const {
    if (!valid_) return Status(FAILED_PRECONDITION, "Buffer not initialized");
    if (slices_.size() != 1) {
      return Status(FAILED_PRECONDITION,
                    "Buffer isn't made up of a single uncompressed slice.");
    }
    *slice = slices_.front();
    return Status();
  }
  /// One slice with all bytes, copied where there were several.
  Status DumpToSingleSlice(Slice* slice) const {
    if (!valid_) return Status(FAILED_PRECONDITION, "Buffer not initialized");
    if (slices_.size() == 1) {
      *slice = slices_.front();
      return Status();
    }
    internal::Buffer all;
    all.reserve(Length());
    for (const Slice& part : slices_) all.append(part.begin(), part.size());
    const size_t size = all.size();
    *slice = Slice(std::move(all), 0, size);
    return Status();
  }

  void Clear() { *this = ByteBuffer(); }
  /// The copy shares the slices already.
  void Duplicate() {}
  void Release() { Clear(); }
  void Swap(ByteBuffer* other) { std::swap(*this, *other); }

 private:
  std::vector<Slice> slices_;
  bool valid_ = false;
};

namespace internal {

template <>
struct MessageTraits<ByteBuffer> {
  static OutMessage Out(const ByteBuffer& message) {
    return {&message,
            [](const void* m) {
              return static_cast<const ByteBuffer*>(m)->Length();
            },
            [](const void* m, uint8_t* to, size_t) {
              std::vector<Slice> slices;
              static_cast<const ByteBuffer*>(m)->Dump(&slices).IgnoreError();
              for (const Slice& slice : slices) {
                if (slice.size() == 0) continue;
                std::memcpy(to, slice.begin(), slice.size());
                to += slice.size();
              }
            }};
  }
  static InMessage In(ByteBuffer* message) {
    return {message, [](void* m, Buffer* buffer, size_t offset, size_t size) {
              const Slice slice(std::move(*buffer), offset, size);
              *static_cast<ByteBuffer*>(m) = ByteBuffer(&slice, 1);
              return true;
            }};
  }
};

}  // namespace internal
}  // namespace nearcall

#endif  // NEARCALL_BYTE_BUFFER_H_
