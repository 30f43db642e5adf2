// docs/wire.md against what the code writes: a real client and a real server,
// with the test as the other end. Each example that one side writes the other
// side is also given to read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nearcall/nearcall.h>

#include <thread>

#include "tests/call/call_test.h"
#include "tests/wire/examples.h"
#include "tests/wire/raw_peer.h"

namespace nearcall::test {
namespace {

MATCHER_P(IsExample, name, "") {
  const Example example = ExampleOf(name);
  *result_listener << example.Difference(arg);
  return example.Matches(arg);
}
std::string Text(const std::string& name) { return ExampleOf(name).Text(); }

Message Hi() {
  Message message;
  message.set_payload("hi");
  return message;
}

/// A client whose server is the test.
class GoldenClient : public ::testing::Test {
 protected:
  GoldenClient()
      : path_(directory_.File("peer")),
        listener_(path_),
        stub_(TestService::NewStub(DefaultChannel("unix:" + path_))) {}

  /// Runs `call` in a thread of its own; the test goes on as its server.
  template <typename Call>
  std::thread Start(Call call) {
    return std::thread(std::move(call));
  }
  RawPeer Accept(const RawHello& hello = {}) {
    RawPeer peer = listener_.Accept();
    EXPECT_THAT(peer.ReadFrame(), IsExample("hello"));
    EXPECT_TRUE(peer.Send(RawHelloFrame(hello)));
    return peer;
  }

  Watchdog watchdog_{60};
  internal::TempRuntimeDir directory_;
  const std::string path_;
  RawListener listener_;
  const std::unique_ptr<TestService::Stub> stub_;
};

TEST_F(GoldenClient, Unary) {
  const auto echo = [this](ClientContext* context) {
    Message reply;
    EXPECT_THAT(stub_->Echo(context, Hi(), &reply), IsOk());
    EXPECT_EQ(reply.payload(), "hi");
  };
  std::thread first = Start([&] {
    ClientContext context;
    context.AddMetadata("key", "value");
    context.set_deadline(In(std::chrono::seconds(30)));
    echo(&context);
  });
  RawPeer peer = Accept();
  EXPECT_THAT(peer.ReadFrame(), IsExample("open-first"));
  peer.Send(Text("status-ok"));
  first.join();
  std::thread second = Start([&] {
    ClientContext context;
    echo(&context);
  });
  EXPECT_THAT(peer.ReadFrame(), IsExample("open-again"));
  std::string reply = Text("status-ok");
  reply[8] = 3;
  peer.Send(reply);
  second.join();
}

TEST_F(GoldenClient, StatusWithEverything) {
  std::thread call = Start([&] {
    ClientContext context;
    Message reply;
    const Status status = stub_->Fail(&context, Plan(), &reply);
    EXPECT_EQ(status.error_code(), NOT_FOUND);
    EXPECT_EQ(status.error_message(), "text");
    EXPECT_EQ(status.error_details(), "de");
    EXPECT_EQ(context.GetServerInitialMetadata().find("i")->second, "1");
    EXPECT_EQ(context.GetServerTrailingMetadata().find("t")->second, "2");
  });
  RawPeer peer = Accept();
  peer.ReadFrame();
  peer.Send(Text("status-error"));
  call.join();
}

TEST_F(GoldenClient, Stream) {
  ClientContext context;
  std::unique_ptr<ClientReaderWriter<Message, Message>> stream;
  std::thread opening = Start([&] { stream = stub_->Bidi(&context); });
  RawPeer peer = Accept();
  EXPECT_THAT(peer.ReadFrame(), IsExample("open-stream"));
  opening.join();
  EXPECT_TRUE(stream->Write(Hi()));
  EXPECT_THAT(peer.ReadFrame(), IsExample("data"));
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_THAT(peer.ReadFrame(), IsExample("data-end"));
  peer.Send(Text("headers") + Text("data"));
  Message message;
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_EQ(message.payload(), "hi");
  EXPECT_EQ(context.GetServerInitialMetadata().find("i")->second, "1");
  // With its 32 it takes half of the window, which is then topped up.
  Message half;
  half.set_payload(std::string(32 * 1024 - 32 - 4 - 4 - 32, 'a'));
  peer.Send(RawFrame(internal::wire::Type::kData, internal::wire::kMessage, 0,
                     1, half.SerializeAsString()));
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_THAT(peer.ReadFrame(), IsExample("credit"));
  context.TryCancel();
  EXPECT_THAT(peer.ReadFrame(), IsExample("reset"));
  EXPECT_THAT(stream->Finish(), IsStatus(CANCELLED, ""));
}

TEST_F(GoldenClient, MessageInChunks) {
  ClientContext context;
  std::unique_ptr<ClientReaderWriter<Message, Message>> stream;
  std::thread opening = Start([&] { stream = stub_->Bidi(&context); });
  RawHello hello;
  hello.max_frame = 256;
  RawPeer peer = Accept(hello);
  peer.ReadFrame();
  opening.join();
  Message message;
  message.set_payload(std::string(300, 'a'));
  EXPECT_TRUE(stream->Write(message));
  EXPECT_THAT(peer.ReadFrame(), IsExample("data-first"));
  EXPECT_THAT(peer.ReadFrame(), IsExample("data-rest"));
  peer.Send(Text("data-first") + Text("data-rest"));
  Message reply;
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(reply.payload(), message.payload());
  // What the client does not know it skips; a PING it answers.
  peer.Send(Text("unknown") + Text("ping"));
  std::thread reading = Start([&] { EXPECT_FALSE(stream->Read(&reply)); });
  EXPECT_THAT(peer.ReadFrame(), IsExample("pong"));
  peer.Send(RawFrame(internal::wire::Type::kStatus, 0, 0, 1));
  reading.join();
  EXPECT_THAT(stream->Finish(), IsOk());
}

TEST_F(GoldenClient, Refused) {
  std::thread call = Start([&] {
    ClientContext context;
    Message reply;
    EXPECT_THAT(stub_->Echo(&context, Hi(), &reply),
                IsStatus(UNIMPLEMENTED, "unknown service: /a.B/C"));
  });
  RawPeer peer = Accept();
  peer.ReadFrame();
  peer.Send(Text("reset-refused"));
  call.join();
}

/// A server whose client is the test.
class GoldenServer : public ::testing::Test {
 protected:
  GoldenServer() : path_(directory_.File("server")), server_(Settings(path_)) {
    peer_ = RawPeer::Connect(path_);
    EXPECT_THAT(peer_.ReadFrame(), IsExample("hello"));
    EXPECT_TRUE(peer_.Send(Text("hello")));
  }
  static ServerSettings Settings(const std::string& path) {
    ServerSettings settings;
    settings.targets = {"unix:" + path};
    return settings;
  }
  /// An OPEN that names a method by its path, with a message or a plan.
  std::string Open(const std::string& method, const std::string& metadata,
                   uint8_t flags, const std::string& message) {
    using namespace internal::wire;
    const auto has = static_cast<uint8_t>(metadata.empty() ? 0 : kMetadata);
    return RawFrame(Type::kOpen, kOpenPath | has | flags, kNoAlias, 1,
                    Bytes(uint8_t{0}) +
                        PathField("/nearcall.test.TestService/" + method) +
                        (has ? BlockField(metadata) : "") + message);
  }

  Watchdog watchdog_{60};
  internal::TempRuntimeDir directory_;
  const std::string path_;
  TestServer server_;
  RawPeer peer_;
};

TEST_F(GoldenServer, Unary) {
  // The timeout of the example has bytes of its own: some 72 million seconds.
  peer_.Send(Text("open-first"));
  EXPECT_THAT(peer_.ReadFrame(), IsExample("status-ok"));
  peer_.Send(Text("unknown") + Text("open-again"));
  std::string reply = peer_.ReadFrame();
  ASSERT_GT(reply.size(), 8u);
  reply[8] = 1;
  EXPECT_THAT(reply, IsExample("status-ok"));
}

TEST_F(GoldenServer, StatusWithEverything) {
  Plan plan;
  plan.set_code(NOT_FOUND);
  plan.set_message("text");
  plan.set_details("de");
  Entry* entry = plan.add_initial_metadata();
  entry->set_key("i");
  entry->set_value("1");
  entry = plan.add_trailing_metadata();
  entry->set_key("t");
  entry->set_value("2");
  peer_.Send(Open("Fail", "", internal::wire::kMessage | internal::wire::kEnd,
                  plan.SerializeAsString()));
  EXPECT_THAT(peer_.ReadFrame(), IsExample("status-error"));
}

TEST_F(GoldenServer, Stream) {
  Plan plan;
  plan.set_send_initial_metadata(true);
  Entry* entry = plan.add_initial_metadata();
  entry->set_key("i");
  entry->set_value("1");
  peer_.Send(
      Open("Bidi", MetadataEntry("plan-bin", plan.SerializeAsString()), 0, ""));
  EXPECT_THAT(peer_.ReadFrame(), IsExample("headers"));
  peer_.Send(Text("data"));
  EXPECT_THAT(peer_.ReadFrame(), IsExample("data"));
  peer_.Send(Text("ping"));
  EXPECT_THAT(peer_.ReadFrame(), IsExample("pong"));
  peer_.Send(Text("credit") + Text("data-first") + Text("data-rest"));
  Message whole;
  ASSERT_GT(peer_.ReadFrame().size(), 300u);
  peer_.Send(Text("reset"));
  peer_.Send(Text("ping"));
  EXPECT_THAT(peer_.ReadFrame(), IsExample("pong"));
}

TEST_F(GoldenServer, Refuses) {
  using namespace internal::wire;
  peer_.Send(RawFrame(Type::kOpen, kOpenPath | kMessage | kEnd, 1, 1,
                      Bytes(uint8_t{0}) + PathField("/a.B/C")));
  EXPECT_THAT(peer_.ReadFrame(), IsExample("reset-refused"));
}

TEST_F(GoldenServer, Leaves) {
  peer_.Send(Text("open-first"));
  peer_.ReadFrame();
  std::thread leaving([&] { server_.server()->Shutdown(); });
  EXPECT_THAT(peer_.ReadFrame(), IsExample("goaway"));
  peer_.AwaitClosed();
  leaving.join();
}

/// A client or a server of another kind, and the text that tells of it.
TEST_F(GoldenClient, GoesAwayFromALeavingServer) {
  std::thread call = Start([&] {
    ClientContext context;
    Message reply;
    EXPECT_THAT(stub_->Echo(&context, Hi(), &reply), IsOk());
  });
  RawPeer peer = Accept();
  peer.ReadFrame();
  peer.Send(Text("goaway") + Text("status-ok"));
  call.join();
}

class AfterAll : public ::testing::Environment {
 public:
  void TearDown() override {
    // Only a run of everything uses everything.
    if (::testing::GTEST_FLAG(filter) != "*") return;
    EXPECT_THAT(UnusedExamples(), ::testing::IsEmpty())
        << "examples of docs/wire.md that no test compares";
  }
};
const auto* const kAfterAll =
    ::testing::AddGlobalTestEnvironment(new AfterAll());

}  // namespace
}  // namespace nearcall::test
