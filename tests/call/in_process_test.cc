// Servers without ports, reached by InProcessChannel: the fine rules of the
// server's callback API, and what builders offer.
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/call/call_test.h"

namespace nearcall::test {
namespace {

using ::testing::ElementsAre;

/// Thread-safe: what happened, in order.
class Events {
 public:
  void Add(const std::string& event) {
    const std::lock_guard<std::mutex> lock(mu_);
    events_.push_back(event);
    changed_.notify_all();
  }
  std::vector<std::string> Await(size_t count) {
    std::unique_lock<std::mutex> lock(mu_);
    changed_.wait(lock, [&] { return events_.size() >= count; });
    return events_;
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  std::vector<std::string> events_;
};

class InProcessTest : public ::testing::Test {
 protected:
  std::unique_ptr<TestService::Stub> Stub(Server* server) {
    return TestService::NewStub(server->InProcessChannel(ChannelArguments()));
  }
  Status Echo(Server* server, int64_t sequence, Message* reply) {
    ClientContext context;
    return Stub(server)->Echo(&context, MakeMessage(5, sequence), reply);
  }
  Watchdog watchdog_{60};
  Gates gates_;
  SyncService service_{&gates_};
};

TEST_F(InProcessTest, AServerWithoutPortsServes) {
  ServerBuilder builder;
  builder.RegisterService(&service_);
  const auto server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  EXPECT_THAT(server->addresses(), ElementsAre());
  Message reply;
  ASSERT_THAT(Echo(server.get(), 9, &reply), IsOk());
  EXPECT_EQ(reply.sequence(), 9);
  // Each server has its own.
  ServerBuilder other_builder;
  const auto other = other_builder.BuildAndStart();
  EXPECT_THAT(Echo(other.get(), 9, &reply), IsStatus(UNIMPLEMENTED, "Echo"));
}

TEST_F(InProcessTest, AfterTheEndOfTheServerCallsAreUnavailable) {
  ServerBuilder builder;
  builder.RegisterService(&service_);
  auto server = builder.BuildAndStart();
  const auto stub = Stub(server.get());
  Message reply;
  for (const bool alive : {true, false}) {
    if (!alive) server.reset();
    ClientContext context;
    const Status status = stub->Echo(&context, Message(), &reply);
    EXPECT_EQ(status.error_code(), alive ? OK : UNAVAILABLE);
  }
}

// --- Reactors ---

/// Says what happens to it.
class TellingReactor final : public ServerBidiReactor<Message, Message> {
 public:
  explicit TellingReactor(Events* events) : events_(*events) {
    StartSendInitialMetadata();
    StartRead(&in_);
  }
  ~TellingReactor() override { events_.Add("deleted"); }
  void OnSendInitialMetadataDone(bool) override { events_.Add("began"); }
  void OnReadDone(bool ok) override {
    if (!ok) Finish(Status(ABORTED, "no more"));
  }
  void OnCancel() override { events_.Add("cancelled"); }
  void OnDone() override {
    events_.Add("done");
    delete this;
  }

 private:
  Events& events_;
  Message in_;
};

class TellingService final : public TestService::CallbackService {
 public:
  ServerBidiReactor<Message, Message>* Bidi(CallbackServerContext*) override {
    return new TellingReactor(&events);
  }
  ServerUnaryReactor* Echo(CallbackServerContext* context, const Message*,
                           Message*) override {
    // Finished in the handler, before the library knows the reactor.
    auto* reactor = context->DefaultReactor();
    reactor->Finish(Status(OUT_OF_RANGE, "early"));
    return reactor;
  }
  Events events;
};

TEST_F(InProcessTest, OnCancelComesBeforeOnDoneAndEachOnce) {
  TellingService service;
  ServerBuilder builder;
  builder.RegisterService(&service);
  auto server = builder.BuildAndStart();
  {
    ClientContext context;
    const auto stream = Stub(server.get())->Bidi(&context);
    stream->WaitForInitialMetadata();
    service.events.Await(1);
    context.TryCancel();
    EXPECT_THAT(stream->Finish(), IsStatus(CANCELLED, ""));
  }
  service.events.Await(4);
  server.reset();  // Nothing can follow.
  EXPECT_THAT(service.events.Await(4),
              ElementsAre("began", "cancelled", "done", "deleted"));
}

TEST_F(InProcessTest, ACallThatEndsIsNotCancelled) {
  TellingService service;
  ServerBuilder builder;
  builder.RegisterService(&service);
  auto server = builder.BuildAndStart();
  ClientContext context;
  const auto stream = Stub(server.get())->Bidi(&context);
  stream->WaitForInitialMetadata();
  service.events.Await(1);
  stream->WritesDone();
  EXPECT_THAT(stream->Finish(), IsStatus(ABORTED, "no more"));
  server.reset();
  EXPECT_THAT(service.events.Await(3), ElementsAre("began", "done", "deleted"));
}

TEST_F(InProcessTest, AHandlerMayFinishAtOnce) {
  TellingService service;
  ServerBuilder builder;
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  Message reply;
  EXPECT_THAT(Echo(server.get(), 1, &reply), IsStatus(OUT_OF_RANGE, "early"));
}

// --- Messages of the user's ---

class Allocator final : public MessageAllocator<Message, Message> {
 public:
  MessageHolder<Message, Message>* AllocateMessages() override {
    events.Add("allocated");
    return new Holder(&events);
  }
  Events events;

 private:
  class Holder final : public MessageHolder<Message, Message> {
   public:
    explicit Holder(Events* events) : events_(*events) {
      set_request(&request_.emplace());
      set_response(&response_);
    }
    void FreeRequest() override {
      request_.reset();
      events_.Add("request freed");
    }
    void Release() override {
      events_.Add("released");
      delete this;
    }

   private:
    Events& events_;
    std::optional<Message> request_;
    Message response_;
  };
};

class FreeingService final
    : public TestService::WithCallbackMethod_Echo<TestService::Service> {
 public:
  ServerUnaryReactor* Echo(CallbackServerContext* context,
                           const Message* request, Message* reply) override {
    reply->set_sequence(request->sequence() + 1);
    context->GetRpcAllocatorState()->FreeRequest();
    auto* reactor = context->DefaultReactor();
    reactor->Finish(Status());
    return reactor;
  }
};

TEST_F(InProcessTest, AnAllocatorsMessagesAreUsedAndReleased) {
  Allocator allocator;
  FreeingService service;
  service.SetMessageAllocatorFor_Echo(&allocator);
  ServerBuilder builder;
  builder.RegisterService(&service);
  auto server = builder.BuildAndStart();
  Message reply;
  ASSERT_THAT(Echo(server.get(), 6, &reply), IsOk());
  EXPECT_EQ(reply.sequence(), 7);
  server.reset();
  EXPECT_THAT(allocator.events.Await(3),
              ElementsAre("allocated", "request freed", "released"));
}

// --- Any method ---

class EchoAnything final : public CallbackGenericService {
 public:
  ServerGenericBidiReactor* CreateReactor(
      GenericCallbackServerContext* context) override {
    if (context->method() == "/none.Such/Method") return nullptr;
    return new Echoing();
  }

 private:
  class Echoing final : public ServerGenericBidiReactor {
   public:
    Echoing() { StartRead(&bytes_); }
    void OnReadDone(bool ok) override {
      if (ok) {
        StartWrite(&bytes_);
      } else {
        Finish(Status());
      }
    }
    void OnWriteDone(bool ok) override {
      if (ok) StartRead(&bytes_);
    }
    void OnDone() override { delete this; }

   private:
    ByteBuffer bytes_;
  };
};

TEST_F(InProcessTest, AGenericServiceAnswersWhatNobodyElseDoes) {
  EchoAnything generic;
  ServerBuilder builder;
  builder.RegisterCallbackGenericService(&generic);
  const auto server = builder.BuildAndStart();
  Message reply;
  ASSERT_THAT(Echo(server.get(), 12, &reply), IsOk());
  EXPECT_EQ(reply.sequence(), 12);
  ClientContext context;
  const auto stream = Stub(server.get())->Bidi(&context);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(stream->Write(MakeMessage(100, i)));
    ASSERT_TRUE(stream->Read(&reply));
    EXPECT_EQ(reply.sequence(), i);
  }
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_THAT(stream->Finish(), IsOk());
  GenericStub anything(server->InProcessChannel(ChannelArguments()));
  ClientContext refused;
  ByteBuffer none;
  EXPECT_THAT(
      anything.UnaryCall(&refused, "/none.Such/Method", ByteBuffer(), &none),
      IsStatus(UNIMPLEMENTED, ""));
}

TEST_F(InProcessTest, MessagesBecomeBytesAndBack) {
  ByteBuffer bytes;
  bool own = false;
  ASSERT_THAT(
      SerializationTraits<Message>::Serialize(MakeMessage(50, 3), &bytes, &own),
      IsOk());
  EXPECT_TRUE(own);
  Message message;
  ASSERT_THAT(SerializationTraits<Message>::Deserialize(&bytes, &message),
              IsOk());
  EXPECT_EQ(message.sequence(), 3);
  EXPECT_FALSE(bytes.Valid());
  const Slice slice(std::string("\xff\xff\xff"));
  bytes = ByteBuffer(&slice, 1);
  EXPECT_THAT(SerializationTraits<Message>::Deserialize(&bytes, &message),
              IsStatus(INTERNAL, "type"));
}

// --- What a builder takes ---

class Observer final : public ConnectionObserver {
 public:
  void OnConnect(const Connection& connection) override {
    EXPECT_EQ(connection.credentials.pid, getpid());
    events.Add("connected " + connection.transport);
  }
  void OnDisconnect(const Connection&, const std::string& reason) override {
    EXPECT_NE(reason, "");
    events.Add("gone");
  }
  Events events;
};

TEST_F(InProcessTest, ConnectionsAreTold) {
  Observer observer;
  ServerBuilder builder;
  builder.RegisterService(&service_).SetConnectionObserver(&observer);
  const auto server = builder.BuildAndStart();
  Message reply;
  ASSERT_THAT(Echo(server.get(), 1, &reply), IsOk());
  EXPECT_THAT(observer.events.Await(2),
              ElementsAre("connected inproc", "gone"));
}

class Plugin final : public ServerBuilderPlugin {
 public:
  Plugin(std::shared_ptr<Service> service, Events* events)
      : service_(std::move(service)), events_(*events) {}
  std::string name() override { return "test"; }
  void UpdateServerBuilder(ServerBuilder* builder) override {
    events_.Add("builder");
    builder->SetMaxThreads(8);
  }
  void UpdateChannelArguments(ChannelArguments* arguments) override {
    events_.Add("arguments");
    arguments->SetMaxReceiveMessageSize(1000);
  }
  void InitServer(ServerInitializer* initializer) override {
    events_.Add("init");
    EXPECT_TRUE(initializer->RegisterService(service_));
  }
  void Finish(ServerInitializer*) override { events_.Add("finish"); }
  void ChangeArguments(const std::string&, void*) override {}

 private:
  const std::shared_ptr<Service> service_;
  Events& events_;
};

class Option final : public ServerBuilderOption {
 public:
  Option(std::shared_ptr<Service> service, Events* events)
      : service_(std::move(service)), events_(events) {}
  void UpdateArguments(ChannelArguments* arguments) override {
    arguments->SetMaxSendMessageSize(500);
  }
  void UpdatePlugins(
      std::vector<std::unique_ptr<ServerBuilderPlugin>>* plugins) override {
    plugins->push_back(std::make_unique<Plugin>(service_, events_));
  }

 private:
  const std::shared_ptr<Service> service_;
  Events* const events_;
};

TEST_F(InProcessTest, APluginAddsServicesAndArguments) {
  Events events;
  std::weak_ptr<Service> kept;
  std::unique_ptr<Server> server;
  {
    auto service = std::make_shared<SyncService>(&gates_);
    kept = service;
    ServerBuilder builder;
    builder.SetOption(std::make_unique<Option>(std::move(service), &events));
    server = builder.BuildAndStart();
  }
  ASSERT_NE(server, nullptr);
  EXPECT_THAT(events.Await(4),
              ElementsAre("builder", "arguments", "init", "finish"));
  EXPECT_FALSE(kept.expired());
  Message reply;
  EXPECT_THAT(Echo(server.get(), 2, &reply), IsOk());
  const auto stub = Stub(server.get());
  for (const size_t size : {size_t{2000}, size_t{700}}) {
    ClientContext context;
    EXPECT_THAT(stub->Echo(&context, MakeMessage(size), &reply),
                IsStatus(RESOURCE_EXHAUSTED,
                         size == 2000 ? "Received message" : "Sent message"));
  }
  server.reset();
  EXPECT_TRUE(kept.expired());
}

TEST_F(InProcessTest, ArgumentsOfGrpcsAreTaken) {
  ServerBuilder builder;
  const auto server =
      builder.RegisterService(&service_)
          .AddChannelArgument("grpc.max_receive_message_length", 1000)
          .AddChannelArgument("grpc.of_no_effect", std::string("text"))
          .SetResourceQuota(ResourceQuota("q").Resize(1 << 20).SetMaxThreads(4))
          .SetSyncServerOption(ServerBuilder::MAX_POLLERS, 2)
          .SetDefaultCompressionLevel(1)
          .BuildAndStart();
  ASSERT_NE(server, nullptr);
  const auto stub = Stub(server.get());
  ClientContext context;
  Message reply;
  EXPECT_THAT(stub->Echo(&context, MakeMessage(2000), &reply),
              IsStatus(RESOURCE_EXHAUSTED, "Received message"));
}

}  // namespace
}  // namespace nearcall::test
