#include "tests/wire/raw_peer.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace nearcall::test {
namespace {

using internal::Fd;

constexpr int kWatchdogMillis = 20'000;
// Beyond every frame of the tests.
constexpr uint32_t kLargest = 64 << 20;

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  EXPECT_LT(path.size(), sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

bool WaitReadable(int fd) {
  pollfd poll_fd{fd, POLLIN, 0};
  int ready;
  do {
    ready = poll(&poll_fd, 1, kWatchdogMillis);
  } while (ready < 0 && errno == EINTR);
  EXPECT_GT(ready, 0) << "nothing comes";
  return ready > 0;
}

}  // namespace

std::string RawFrame(internal::wire::Type type, uint8_t flags, uint16_t code,
                     uint64_t call, std::string_view body) {
  return Bytes(static_cast<uint32_t>(internal::wire::Header::kSize +
                                     body.size())) +
         Bytes(type) + Bytes(flags) + Bytes(code) + Bytes(call) +
         std::string(body);
}

std::string RawHelloFrame(const RawHello& hello) {
  return RawFrame(internal::wire::Type::kHello, 0, 0, 0,
                  Bytes(hello.magic) + Bytes(hello.major) + Bytes(uint16_t{0}) +
                      Bytes(hello.features) + Bytes(hello.required) +
                      Bytes(hello.max_frame) + Bytes(hello.window) +
                      Bytes(hello.max_calls) + Bytes(uint64_t{7}) +
                      Bytes(static_cast<uint8_t>(hello.agent.size())) +
                      hello.agent);
}

std::string PathField(std::string_view path) {
  return Bytes(static_cast<uint16_t>(path.size())) + std::string(path);
}

std::string MetadataEntry(std::string_view key, std::string_view value) {
  return Bytes(static_cast<uint16_t>(key.size())) +
         Bytes(static_cast<uint32_t>(value.size())) + std::string(key) +
         std::string(value);
}

std::string BlockField(std::string_view block) {
  return Bytes(static_cast<uint32_t>(block.size())) + std::string(block);
}

RawPeer RawPeer::Connect(const std::string& path) {
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = AddressOf(path);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                    sizeof address),
            0)
      << path << ": " << strerror(errno);
  return RawPeer(std::move(fd));
}

bool RawPeer::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent =
        send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool RawPeer::Read(size_t size, std::string* into) {
  while (size > 0) {
    if (!WaitReadable(fd_.get())) return false;
    char buffer[65536];
    const ssize_t got =
        recv(fd_.get(), buffer, std::min(size, sizeof buffer), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    into->append(buffer, static_cast<size_t>(got));
    size -= static_cast<size_t>(got);
  }
  return true;
}

std::string RawPeer::ReadFrame() {
  std::string frame;
  if (!Read(sizeof(uint32_t), &frame)) return "";
  uint32_t length;
  std::memcpy(&length, frame.data(), sizeof length);
  EXPECT_LE(length, kLargest);
  if (length > kLargest || !Read(length, &frame)) return "";
  return frame;
}

void RawPeer::AwaitClosed() {
  std::string all;
  while (Read(1, &all)) {
  }
}

RawListener::RawListener(const std::string& path)
    : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const sockaddr_un address = AddressOf(path);
  EXPECT_EQ(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address),
                 sizeof address),
            0)
      << path << ": " << strerror(errno);
  EXPECT_EQ(listen(fd_.get(), 16), 0);
}

RawPeer RawListener::Accept() {
  if (!WaitReadable(fd_.get())) return RawPeer();
  return RawPeer(Fd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
}

}  // namespace nearcall::test
