// The other end of a link, byte by byte: what a test says in place of nearcall.
#ifndef NEARCALL_TESTS_WIRE_RAW_PEER_H_
#define NEARCALL_TESTS_WIRE_RAW_PEER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/fd.h"
#include "runtime/handshake.h"
#include "runtime/wire.h"

namespace nearcall::test {

// --- Bytes ---

template <typename T>
std::string Bytes(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
/// A frame as it is on a byte stream, behind its length.
std::string RawFrame(internal::wire::Type type, uint8_t flags, uint16_t code,
                     uint64_t call, std::string_view body = {});
/// What a good peer says first, but for what the test changes.
struct RawHello {
  uint32_t magic = internal::Hello::kMagic;
  uint16_t major = internal::Hello::kMajor;
  uint64_t features = 0;
  uint64_t required = 0;
  uint32_t max_frame = 1 << 20;
  uint32_t window = 64 * 1024;
  uint32_t max_calls = 1024;
  std::string agent = "test/1";
};
std::string RawHelloFrame(const RawHello& hello = {});
/// u16 n and the path.
std::string PathField(std::string_view path);
/// One entry of a metadata block, and u32 n and a block.
std::string MetadataEntry(std::string_view key, std::string_view value);
std::string BlockField(std::string_view block);

// --- A byte stream ---

/// One end of a connected Unix socket. Waits are bounded by a watchdog.
class RawPeer {
 public:
  RawPeer() = default;
  explicit RawPeer(internal::Fd fd) : fd_(std::move(fd)) {}
  static RawPeer Connect(const std::string& path);

  int fd() const { return fd_.get(); }
  /// False: the other side has closed.
  bool Send(std::string_view bytes);
  /// A whole frame with its length; empty: the other side has closed.
  std::string ReadFrame();
  /// Reads until the other side has closed.
  void AwaitClosed();
  void Close() { fd_.reset(); }

 private:
  bool Read(size_t size, std::string* into);
  internal::Fd fd_;
};

/// A listening Unix socket at `path`.
class RawListener {
 public:
  explicit RawListener(const std::string& path);
  RawPeer Accept();

 private:
  internal::Fd fd_;
};

}  // namespace nearcall::test

#endif  // NEARCALL_TESTS_WIRE_RAW_PEER_H_
