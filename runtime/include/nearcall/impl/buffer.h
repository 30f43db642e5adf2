// Bytes that are owned once: what a frame was copied into, or what a message
// was serialized into. Unlike std::string it does not clear what it grows by.
#ifndef NEARCALL_IMPL_BUFFER_H_
#define NEARCALL_IMPL_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace nearcall::internal {

class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~Buffer() { std::free(data_); }

  uint8_t* data() { return data_; }
  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }

  /// Keeps the bytes up to min(old, new) size; what is new is not initialised.
  /// Throws std::bad_alloc.
  void resize(size_t size) {
    if (size > capacity_) Grow(size);
    size_ = size;
  }
  void reserve(size_t capacity) {
    if (capacity > capacity_) Grow(capacity);
  }
  void assign(const void* bytes, size_t size) {
    resize(size);
    if (size != 0) std::memcpy(data_, bytes, size);
  }
  void append(const void* bytes, size_t size) {
    const size_t old = size_;
    resize(old + size);
    if (size != 0) std::memcpy(data_ + old, bytes, size);
  }
  /// Keeps the memory for the next use, unless it is more than `keep` bytes.
  void clear(size_t keep = SIZE_MAX) {
    size_ = 0;
    if (capacity_ > keep) Buffer().swap(*this);
  }
  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

 private:
  // Not inline: it throws, and clients may be compiled without exceptions.
  void Grow(size_t least);

  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_IMPL_BUFFER_H_
