// Bytes that are a serialized message already.
#ifndef NEARCALL_RUNTIME_BUFFER_MESSAGE_H_
#define NEARCALL_RUNTIME_BUFFER_MESSAGE_H_

#include <nearcall/impl/buffer.h>
#include <nearcall/impl/message.h>

#include <cstring>

namespace nearcall::internal {

/// `buffer` must outlive the use of the result.
inline OutMessage BufferMessage(const Buffer& buffer) {
  return {&buffer,
          [](const void* b) { return static_cast<const Buffer*>(b)->size(); },
          [](const void* b, uint8_t* to, size_t size) {
            if (size != 0) {
              std::memcpy(to, static_cast<const Buffer*>(b)->data(), size);
            }
          }};
}

/// The buffer that `message` serializes to.
inline void SerializeTo(const OutMessage& message, Buffer* buffer) {
  buffer->resize(message.size(message.message));
  message.write(message.message, buffer->data(), buffer->size());
}

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_BUFFER_MESSAGE_H_
