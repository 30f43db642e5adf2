// How the runtime, which knows no message type, writes and parses one.
#ifndef NEARCALL_IMPL_MESSAGE_H_
#define NEARCALL_IMPL_MESSAGE_H_

#include <google/protobuf/message_lite.h>
#include <nearcall/impl/buffer.h>

#include <cstddef>
#include <cstdint>

namespace nearcall::internal {

/// A message to send. `size` is called first, then, with the message unchanged,
/// `write` at most once.
struct OutMessage {
  const void* message = nullptr;
  size_t (*size)(const void* message) = nullptr;
  void (*write)(const void* message, uint8_t* to, size_t size) = nullptr;

  explicit operator bool() const { return message != nullptr; }
};

/// Where to put a message received. `parse` may take the buffer's memory; the
/// message is `size` bytes from `offset`. False: not a message of this type.
struct InMessage {
  void* message = nullptr;
  bool (*parse)(void* message, Buffer* buffer, size_t offset,
                size_t size) = nullptr;

  explicit operator bool() const { return message != nullptr; }
};

/// Specialised for message types that are not protobuf's.
template <typename M>
struct MessageTraits {
  static OutMessage Out(const M& message) {
    return {static_cast<const google::protobuf::MessageLite*>(&message),
            [](const void* m) -> size_t {
              return static_cast<const google::protobuf::MessageLite*>(m)
                  ->ByteSizeLong();
            },
            [](const void* m, uint8_t* to, size_t) {
              static_cast<const google::protobuf::MessageLite*>(m)
                  ->SerializeWithCachedSizesToArray(to);
            }};
  }
  static InMessage In(M* message) {
    return {
        static_cast<google::protobuf::MessageLite*>(message),
        [](void* m, Buffer* buffer, size_t offset, size_t size) {
          return static_cast<google::protobuf::MessageLite*>(m)->ParseFromArray(
              buffer->data() + offset, static_cast<int>(size));
        }};
  }
};

}  // namespace nearcall::internal

#endif  // NEARCALL_IMPL_MESSAGE_H_
