#include "runtime/wire.h"

#include "runtime/metadata.h"

namespace nearcall::internal::wire {
namespace {

bool ReadMetadata(Reader* reader, std::string_view* block) {
  const uint32_t size = reader->Number<uint32_t>();
  *block = reader->Bytes(size);
  return reader->ok() && CheckMetadata(*block);
}

// A message that begins here: whole, or its first chunk after its whole size.
bool ReadMessage(uint8_t flags, Reader* reader, std::string_view* chunk,
                 uint32_t* size) {
  if (flags & kMore) {
    *size = reader->Number<uint32_t>();
    *chunk = reader->rest();
    return reader->ok() && chunk->size() < *size;
  }
  *chunk = reader->rest();
  *size = static_cast<uint32_t>(chunk->size());
  return true;
}

}  // namespace

bool ParseOpen(uint8_t flags, std::string_view body, Open* open) {
  Reader reader(body);
  open->buffering = reader.Number<uint8_t>();
  if (flags & kOpenTimeout) open->timeout_ns = reader.Number<uint64_t>();
  if (flags & kOpenPath) {
    open->path = reader.Bytes(reader.Number<uint16_t>());
    if (open->path.empty() || open->path.size() > kMaxPath) return false;
  }
  if ((flags & kMetadata) && !ReadMetadata(&reader, &open->metadata)) {
    return false;
  }
  if (!reader.ok()) return false;
  if ((flags & kMessage) == 0) {
    return reader.rest().empty() && (flags & kMore) == 0;
  }
  return ReadMessage(flags, &reader, &open->message, &open->message_size);
}

bool ParseStatus(uint8_t flags, std::string_view body, StatusBody* status) {
  Reader reader(body);
  if ((flags & kStatusInitial) &&
      !ReadMetadata(&reader, &status->initial_metadata)) {
    return false;
  }
  if (flags & kStatusText) {
    status->text = reader.Bytes(reader.Number<uint32_t>());
    status->details = reader.Bytes(reader.Number<uint32_t>());
  }
  if ((flags & kMetadata) &&
      !ReadMetadata(&reader, &status->trailing_metadata)) {
    return false;
  }
  if (!reader.ok() || (flags & kMore)) return false;
  status->message = reader.rest();
  return (flags & kMessage) != 0 || status->message.empty();
}

bool ParseHeaders(std::string_view body, std::string_view* metadata) {
  *metadata = {};
  if (body.empty()) return true;
  Reader reader(body);
  return ReadMetadata(&reader, metadata) && reader.rest().empty();
}

}  // namespace nearcall::internal::wire
