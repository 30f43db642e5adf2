// Hostile clients against a real server and hostile servers against a real
// client: frames of the tables, over every transport; and byte streams that are
// no frames.
#include <sys/socket.h>

#include <thread>

#include "runtime/epoll_waiter.h"
#include "tests/hostile/bad_frames.h"
#include "tests/hostile/hostile_test.h"

namespace nearcall::test {
namespace {

using internal::Io;
using internal::Link;
using internal::wire::Type;

class BadClientTest : public HostileTest,
                      public ::testing::WithParamInterface<const char*> {
 protected:
  Watchdog watchdog_{120};
};

TEST_P(BadClientTest, Frames) {
  size_t count = 0;
  for (const BadClient& bad : BadClients()) {
    SCOPED_TRACE(bad.name);
    ++count;
    const std::unique_ptr<Link> link = DialHonestly(GetParam());
    Io io = Io::kOk;
    for (const std::string& frame : bad.frames) {
      ASSERT_LE(frame.size(), link->info().max_frame);
      io = internal::CommitFrame(link.get(), frame);
      if (io != Io::kOk) break;
    }
    if (io == Io::kOk) io = internal::FlushAll(link.get());
    switch (bad.outcome) {
      case Outcome::kClosed:
        ExpectClosed(link.get());
        break;
      case Outcome::kAnswered:
        EXPECT_EQ(CodeOfCall(link.get()), bad.code);
        ExpectAlive(link.get());
        break;
      case Outcome::kAlive:
        ExpectAlive(link.get());
        break;
      case Outcome::kEither:
        if (io == Io::kOk) CodeOfCall(link.get());
        break;
    }
    link->Close();
    ExpectUnharmed();
    if (HasFailure()) break;
  }
  EXPECT_GE(count, 60u);
  RecordProperty("rows", static_cast<int>(count));
}
INSTANTIATE_TEST_SUITE_P(Transports, BadClientTest,
                         ::testing::Values("unix", "shm"));

// --- Byte streams ---

using BadStreamTest = HostileTest;

std::string ValidSession() {
  using namespace internal::wire;
  return RawHelloFrame() +
         RawFrame(Type::kOpen, kOpenPath | kMessage | kEnd, 1, 1,
                  Bytes(uint8_t{0}) +
                      PathField("/nearcall.test.TestService/Echo") +
                      "\x12\x02hi");
}

TEST_F(BadStreamTest, Lengths) {
  const Watchdog watchdog(60);
  const std::string hello = RawHelloFrame();
  for (const uint32_t length :
       {0u, 1u, 11u, 0x10000u + 1, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    for (const std::string& first : {std::string(), hello}) {
      SCOPED_TRACE(length);
      RawPeer peer = RawPeer::Connect(Path("unix"));
      peer.Send(first + Bytes(length) + std::string(64, '\3'));
      peer.AwaitClosed();
      ExpectUnharmed();
    }
  }
}

TEST_F(BadStreamTest, OtherProtocols) {
  const Watchdog watchdog(60);
  for (const std::string text :
       {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\x02\x01\x01", "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"}) {
    RawPeer peer = RawPeer::Connect(Path("unix"));
    peer.Send(text);
    // What is no whole frame may only wait for the handshake's end.
    shutdown(peer.fd(), SHUT_WR);
    peer.AwaitClosed();
    ExpectUnharmed();
  }
}

TEST_F(BadStreamTest, CutAtEachByte) {
  const Watchdog watchdog(60);
  const std::string session = ValidSession();
  for (size_t size = 0; size < session.size(); ++size) {
    RawPeer peer = RawPeer::Connect(Path("unix"));
    peer.Send(session.substr(0, size));
    shutdown(peer.fd(), SHUT_WR);
    peer.AwaitClosed();
  }
  ExpectUnharmed();
}

TEST_F(BadStreamTest, ByteByByte) {
  const Watchdog watchdog(60);
  RawPeer peer = RawPeer::Connect(Path("unix"));
  for (const char c : ValidSession()) ASSERT_TRUE(peer.Send({&c, 1}));
  EXPECT_FALSE(peer.ReadFrame().empty());
  EXPECT_EQ(peer.ReadFrame().substr(16), "\x12\x02hi");
  peer.Close();
  ExpectUnharmed();
}

TEST_F(BadStreamTest, EachByteChanged) {
  const Watchdog watchdog(110);
  const std::string session = ValidSession();
  for (size_t at = 0; at < session.size(); ++at) {
    for (const char change : {'\x01', '\x80', '\xff'}) {
      std::string changed = session;
      changed[at] = static_cast<char>(changed[at] ^ change);
      RawPeer peer = RawPeer::Connect(Path("unix"));
      peer.Send(changed);
      shutdown(peer.fd(), SHUT_WR);
      peer.AwaitClosed();
    }
  }
  ExpectUnharmed();
}

// --- Servers ---

class BadServerTest : public ::testing::TestWithParam<const char*> {
 protected:
  Watchdog watchdog_{120};
  internal::TempRuntimeDir directory_;
};

std::unique_ptr<Link> AcceptOne(internal::Listener* listener) {
  auto epoll = internal::EpollWaiter::Create();
  EXPECT_TRUE(epoll.ok());
  (*epoll)->Add(listener, listener);
  std::unique_ptr<Link> link;
  while (link == nullptr) {
    auto accepted = listener->Accept();
    if (accepted.ok()) link = *std::move(accepted);
    void* ready[1];
    if (link == nullptr) (*epoll)->Wait(internal::Watchdog(), ready);
  }
  (*epoll)->Remove(listener);
  return link;
}

TEST_P(BadServerTest, Frames) {
  const std::string uri =
      std::string(GetParam()) + ":" + directory_.File("bad");
  const auto target = internal::ParseTarget(uri);
  ASSERT_TRUE(target.ok());
  for (const BadServer& bad : BadServers()) {
    SCOPED_TRACE(bad.name);
    auto listener = internal::FindTransport(GetParam())->listen(*target);
    ASSERT_TRUE(listener.ok()) << listener.status();
    std::thread call([&] {
      const auto stub = TestService::NewStub(DefaultChannel(uri));
      ClientContext context;
      Message reply;
      const Status status = stub->Echo(&context, MakeMessage(8), &reply);
      EXPECT_EQ(status.error_code(), bad.code) << status.ToString();
    });
    const std::unique_ptr<Link> link = AcceptOne(listener->get());
    // Where the client tries again, nobody is there any more.
    (*listener)->Close();
    internal::SendFrame(link.get(), RawHelloFrame().substr(4));
    EXPECT_EQ(internal::ReceiveFrame(link.get()).io, Io::kOk);
    EXPECT_EQ(internal::ReceiveFrame(link.get()).io, Io::kOk);
    for (const std::string& frame : bad.frames) {
      if (internal::SendFrame(link.get(), frame) != Io::kOk) break;
    }
    call.join();
  }
}
INSTANTIATE_TEST_SUITE_P(Transports, BadServerTest,
                         ::testing::Values("unix", "shm"));

}  // namespace
}  // namespace nearcall::test
