// Immutable bytes that several owners share: gRPC's Slice.
#ifndef NEARCALL_SLICE_H_
#define NEARCALL_SLICE_H_

#include <nearcall/impl/buffer.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace nearcall {

/// Copying shares the bytes. Thread-safe as a shared_ptr is.
class Slice {
 public:
  enum StaticSlice { STATIC_SLICE };

  Slice() = default;
  /// Copies the bytes.
  Slice(const void* bytes, size_t size) {
    internal::Buffer buffer;
    buffer.assign(bytes, size);
    *this = Slice(std::move(buffer), 0, size);
  }
  Slice(const std::string& bytes)  // NOLINT: implicit, as in gRPC
      : Slice(bytes.data(), bytes.size()) {}
  /// Refers to bytes that live for ever.
  Slice(const void* bytes, size_t size, StaticSlice)
      : data_(static_cast<const uint8_t*>(bytes)), size_(size) {}
  /// Takes the buffer; the slice is `size` bytes of it from `offset`.
  Slice(internal::Buffer buffer, size_t offset, size_t size)
      : owner_(std::make_shared<const internal::Buffer>(std::move(buffer))),
        data_(owner_->data() + offset),
        size_(size) {}

  size_t size() const { return size_; }
  const uint8_t* begin() const { return data_; }
  const uint8_t* end() const { return data_ + size_; }
  /// The bytes [begin, end) of this one, shared.
  Slice sub(size_t begin, size_t end) const {
    Slice part = *this;
    part.data_ += begin;
    part.size_ = end - begin;
    return part;
  }

 private:
  std::shared_ptr<const internal::Buffer> owner_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace nearcall

#endif  // NEARCALL_SLICE_H_
