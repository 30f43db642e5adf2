// The frames: their header, types, flags and bodies. docs/wire.md is the
// specification; the tests hold its byte examples.
//
// The first word of the 16-byte header, the length, is the link's; what a Link
// carries begins with the other twelve bytes.
#ifndef NEARCALL_RUNTIME_WIRE_H_
#define NEARCALL_RUNTIME_WIRE_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace nearcall::internal::wire {

static_assert(std::endian::native == std::endian::little,
              "the wire is little-endian; a big-endian port swaps in Put, Get");

template <typename T>
void Put(uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof value);
}
template <typename T>
T Get(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

enum class Type : uint8_t {
  kHello = 1,    ///< The session handshake: the first frame each way.
  kOpen = 2,     ///< Client: begins a call.
  kData = 3,     ///< Message bytes, or the end of them.
  kHeaders = 4,  ///< Server: initial metadata ahead of the first message.
  kStatus = 5,   ///< Server: ends a call.
  kReset = 6,    ///< Ends a call at any point.
  kCredit = 7,   ///< The receiver lets the sender send more message bytes.
  kGoaway = 8,   ///< No new calls; ids above the given one were not accepted.
  kPing = 9,
  kPong = 10,
};

// The low nibble means the same in every type.
inline constexpr uint8_t kMore = 0x01;      ///< The message goes on in kData.
inline constexpr uint8_t kMetadata = 0x02;  ///< Has a metadata block.
inline constexpr uint8_t kCritical = 0x04;  ///< Unknown type: close the link.
inline constexpr uint8_t kAttachments = 0x08;  ///< Reserved.
inline constexpr uint8_t kMessage = 0x10;  ///< A message begins in this frame.
inline constexpr uint8_t kEnd = 0x20;  ///< kOpen, kData: half-close after it.
// The high two bits are the type's own.
inline constexpr uint8_t kOpenPath = 0x40;     ///< Defines the method's alias.
inline constexpr uint8_t kOpenTimeout = 0x80;  ///< Has a timeout.
inline constexpr uint8_t kStatusInitial =
    0x40;                                     ///< Initial metadata comes along.
inline constexpr uint8_t kStatusText = 0x80;  ///< Status text and details.
inline constexpr uint8_t kResetRefused = 0x40;   ///< No handler saw the call.
inline constexpr uint8_t kCreditMessage = 0x40;  ///< Rendezvous: one message.
inline constexpr uint8_t kRendezvousToServer = 0x01;
inline constexpr uint8_t kRendezvousToClient = 0x02;

/// The header's twelve bytes behind the length.
struct Header {
  Type type = Type::kHello;
  uint8_t flags = 0;
  uint16_t code = 0;  ///< Method alias (kOpen) or status code.
  uint64_t call = 0;  ///< Call id; the last accepted one in kGoaway.

  static constexpr size_t kSize = 12;

  void Write(uint8_t* to) const {
    Put(to, static_cast<uint8_t>(type));
    Put(to + 1, flags);
    Put(to + 2, code);
    Put(to + 4, call);
  }
  static Header Read(const uint8_t* from) {
    return {static_cast<Type>(from[0]), from[1], Get<uint16_t>(from + 2),
            Get<uint64_t>(from + 4)};
  }
};

/// An alias that is not remembered: the path is in every kOpen of the method.
inline constexpr uint16_t kNoAlias = 0xffff;
/// Aliases a link remembers.
inline constexpr uint16_t kMaxAliases = 1024;
/// The longest method path.
inline constexpr size_t kMaxPath = 1024;
/// Bytes a message costs beyond its own, so that empty ones are not free.
inline constexpr uint32_t kMessageCharge = 32;

/// kOpen: u8 buffering, [u64 timeout in ns], [u16 n, path], [metadata],
/// [message]. Views point into the frame.
struct Open {
  uint8_t buffering = 0;               ///< kRendezvous* bits.
  std::optional<uint64_t> timeout_ns;  ///< What is left of the deadline.
  std::string_view path;               ///< With kOpenPath only.
  std::string_view metadata;           ///< A checked block.
  std::string_view message;            ///< The first chunk.
  uint32_t message_size = 0;           ///< Of the whole message.
};
/// kStatus: [initial metadata], [u32 n, text, u32 n, details], [trailing
/// metadata], [message].
struct StatusBody {
  std::string_view initial_metadata;
  std::string_view text;
  std::string_view details;
  std::string_view trailing_metadata;
  std::string_view message;
};

/// `body` is what follows the header, already private. False: malformed.
bool ParseOpen(uint8_t flags, std::string_view body, Open* open);
bool ParseStatus(uint8_t flags, std::string_view body, StatusBody* status);
bool ParseHeaders(std::string_view body, std::string_view* metadata);

/// Writes fields one after the other.
class Writer {
 public:
  explicit Writer(uint8_t* to) : to_(to) {}
  template <typename T>
  void Number(T value) {
    Put(to_, value);
    to_ += sizeof value;
  }
  void Bytes(std::string_view bytes) {
    if (!bytes.empty()) std::memcpy(to_, bytes.data(), bytes.size());
    to_ += bytes.size();
  }
  uint8_t* at() { return to_; }

 private:
  uint8_t* to_;
};

/// Reads fields one after the other; once one is missing, ok() stays false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}
  bool ok() const { return ok_; }
  std::string_view rest() const { return left_; }
  template <typename T>
  T Number() {
    if (left_.size() < sizeof(T)) {
      ok_ = false;
      left_ = {};
      return T{};
    }
    const T value = Get<T>(reinterpret_cast<const uint8_t*>(left_.data()));
    left_.remove_prefix(sizeof(T));
    return value;
  }
  std::string_view Bytes(size_t size) {
    if (left_.size() < size) {
      ok_ = false;
      left_ = {};
      return {};
    }
    const std::string_view bytes = left_.substr(0, size);
    left_.remove_prefix(size);
    return bytes;
  }

 private:
  std::string_view left_;
  bool ok_ = true;
};

}  // namespace nearcall::internal::wire

#endif  // NEARCALL_RUNTIME_WIRE_H_
