#include <nearcall/impl/buffer.h>

#include <cstdlib>
#include <new>

namespace nearcall::internal {

void Buffer::Grow(size_t least) {
  size_t capacity = capacity_ < 256 ? 256 : capacity_ + capacity_ / 2;
  if (capacity < least) capacity = least;
  void* grown = std::realloc(data_, capacity);
  if (grown == nullptr) throw std::bad_alloc();
  data_ = static_cast<uint8_t*>(grown);
  capacity_ = capacity;
}

}  // namespace nearcall::internal
