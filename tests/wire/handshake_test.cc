// What either side does about a peer of another kind: the client's status tells
// why, the server closes the link and serves others.
#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "tests/call/call_test.h"
#include "tests/wire/raw_peer.h"

namespace nearcall::test {
namespace {

using internal::wire::Type;

struct Odd {
  const char* name;
  std::string bytes;
  StatusCode code;   ///< OK: it must work all the same.
  const char* text;  ///< In the client's status.
};

std::ostream& operator<<(std::ostream& out, const Odd& odd) {
  return out << odd.name;
}

std::string With(const std::function<void(RawHello*)>& change) {
  RawHello hello;
  change(&hello);
  return RawHelloFrame(hello);
}

std::vector<Odd> OddHellos() {
  const std::string good = RawHelloFrame();
  std::string short_hello = good.substr(0, good.size() - 10);
  short_hello[0] = static_cast<char>(short_hello[0] - 10);
  return {
      {"good", good, OK, ""},
      {"unknown_feature", With([](RawHello* h) { h->features = 1ull << 63; }),
       OK, ""},
      {"required_feature", With([](RawHello* h) { h->required = 0x10; }),
       UNAVAILABLE, "requires features 0x10"},
      {"magic", With([](RawHello* h) { h->magic = 0x50545448; }), INTERNAL,
       "wrong magic"},
      {"major", With([](RawHello* h) { h->major = 2; }), UNAVAILABLE,
       "the peer speaks wire version 2"},
      {"max_frame_0", With([](RawHello* h) { h->max_frame = 0; }), INTERNAL,
       "limits out of range"},
      {"max_frame_255", With([](RawHello* h) { h->max_frame = 255; }), INTERNAL,
       "limits out of range"},
      {"max_frame_huge", With([](RawHello* h) { h->max_frame = 0xffffffff; }),
       OK, ""},
      {"window_255", With([](RawHello* h) { h->window = 255; }), INTERNAL,
       "limits out of range"},
      {"window_huge", With([](RawHello* h) { h->window = 0xffffffff; }), OK,
       ""},
      {"no_calls", With([](RawHello* h) { h->max_calls = 0; }), INTERNAL,
       "limits out of range"},
      {"short", short_hello, INTERNAL, "malformed handshake"},
      {"other_frame", RawFrame(Type::kPing, 0, 0, 0), INTERNAL,
       "not a handshake"},
      {"again", good + good, UNAVAILABLE, "misplaced frame of type 1"},
      {"unknown_critical_frame",
       good + RawFrame(Type{77}, internal::wire::kCritical, 0, 0), UNAVAILABLE,
       "misplaced frame of type 77"},
      {"unknown_frame", good + RawFrame(Type{77}, 0xfb, 9, 12345, "body"), OK,
       ""},
  };
}

class HandshakeTest : public ::testing::TestWithParam<Odd> {
 protected:
  Watchdog watchdog_{60};
  internal::TempRuntimeDir directory_;
};

TEST_P(HandshakeTest, Client) {
  const std::string path = directory_.File("peer");
  RawListener listener(path);
  std::thread call([&] {
    const auto stub = TestService::NewStub(DefaultChannel("unix:" + path));
    ClientContext context;
    Message reply;
    const Status status = stub->Echo(&context, MakeMessage(1), &reply);
    EXPECT_EQ(status.error_code(), GetParam().code) << status.ToString();
    EXPECT_NE(status.error_message().find(GetParam().text), std::string::npos)
        << status.ToString();
  });
  RawPeer peer = listener.Accept();
  peer.ReadFrame();
  peer.Send(GetParam().bytes);
  const std::string open = peer.ReadFrame();
  if (GetParam().code == OK) {
    EXPECT_FALSE(open.empty());
    peer.Send(RawFrame(Type::kStatus, internal::wire::kMessage, 0, 1));
  } else if (!open.empty()) {
    peer.AwaitClosed();
  }
  call.join();
}

TEST_P(HandshakeTest, Server) {
  const std::string path = directory_.File("server");
  ServerSettings settings;
  settings.targets = {"unix:" + path};
  TestServer server(settings);
  RawPeer peer = RawPeer::Connect(path);
  peer.ReadFrame();
  peer.Send(GetParam().bytes);
  if (GetParam().code == OK) {
    peer.Send(RawFrame(Type::kPing, 0, 0, 5));
    EXPECT_EQ(peer.ReadFrame(), RawFrame(Type::kPong, 0, 0, 5));
  } else {
    peer.AwaitClosed();
  }
  const auto stub = TestService::NewStub(DefaultChannel("unix:" + path));
  ClientContext context;
  Message reply;
  EXPECT_THAT(stub->Echo(&context, MakeMessage(1), &reply), IsOk());
}

INSTANTIATE_TEST_SUITE_P(Peers, HandshakeTest, ::testing::ValuesIn(OddHellos()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace nearcall::test
