// Messages to bytes and back, for code that has them as ByteBuffers
// (interceptors, generic services): gRPC's traits.
#ifndef NEARCALL_SERIALIZATION_TRAITS_H_
#define NEARCALL_SERIALIZATION_TRAITS_H_

#include <nearcall/byte_buffer.h>
#include <nearcall/impl/message.h>
#include <nearcall/status.h>

#include <utility>

namespace nearcall {

/// For every message type that methods may have.
template <typename Message>
class SerializationTraits {
 public:
  /// `*own_buffer`: whether `buffer` is the caller's alone; always.
  static Status Serialize(const Message& message, ByteBuffer* buffer,
                          bool* own_buffer) {
    *own_buffer = true;
    const internal::OutMessage out =
        internal::MessageTraits<Message>::Out(message);
    internal::Buffer bytes;
    const size_t size = out.size(out.message);
    bytes.resize(size);
    out.write(out.message, bytes.data(), size);
    const Slice slice(std::move(bytes), 0, size);
    *buffer = ByteBuffer(&slice, 1);
    return Status();
  }

  /// `buffer` is empty afterwards. INTERNAL: it is not a message of this type.
  static Status Deserialize(ByteBuffer* buffer, Message* message) {
    Slice slice;
    Status status = buffer->DumpToSingleSlice(&slice);
    buffer->Clear();
    if (!status.ok()) return status;
    internal::Buffer bytes;
    bytes.assign(slice.begin(), slice.size());
    const internal::InMessage in =
        internal::MessageTraits<Message>::In(message);
    if (in.parse(in.message, &bytes, 0, slice.size())) return Status();
    return Status(INTERNAL, "the bytes are not a message of the expected type");
  }
};

}  // namespace nearcall

#endif  // NEARCALL_SERIALIZATION_TRAITS_H_
