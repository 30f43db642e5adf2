// A client's interceptors: which hooks a call shows, in which order, and what
// changing them changes. (That calls behind interceptors keep their rules, the
// other call tests show, run with NEARCALL_TEST_INTERCEPTORS.)
#include "tests/call/interceptor_test.h"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/call/pending_call.h"

namespace nearcall::test {
namespace {

using experimental::ClientInterceptorFactoryInterface;
using experimental::ClientRpcInfo;
using experimental::InterceptionHookPoints;
using experimental::Interceptor;
using experimental::InterceptorBatchMethods;
using ::testing::ElementsAre;
using ::testing::IsSupersetOf;

/// Thread-safe.
class Log {
 public:
  void Add(const std::string& entry) {
    const std::lock_guard<std::mutex> lock(mu_);
    entries_.push_back(entry);
  }
  std::vector<std::string> Take() {
    const std::lock_guard<std::mutex> lock(mu_);
    return std::exchange(entries_, {});
  }

 private:
  std::mutex mu_;
  std::vector<std::string> entries_;
};

std::string Names(InterceptorBatchMethods* methods) {
  std::string names;
  for (const std::string& name : HookNames(methods)) {
    names += (names.empty() ? "" : " ") + name;
  }
  return names;
}

/// Interceptors made of a function, which goes on or hijacks itself.
class Factory final : public ClientInterceptorFactoryInterface {
 public:
  using Body = std::function<void(InterceptorBatchMethods*, ClientRpcInfo*)>;
  explicit Factory(Body body) : body_(std::move(body)) {}

  Interceptor* CreateClientInterceptor(ClientRpcInfo* info) override {
    if (body_ == nullptr) return nullptr;
    return new One(body_, info);
  }

 private:
  class One final : public Interceptor {
   public:
    One(const Body& body, ClientRpcInfo* info) : body_(body), info_(info) {}
    void Intercept(InterceptorBatchMethods* methods) override {
      body_(methods, info_);
    }

   private:
    const Body& body_;
    ClientRpcInfo* const info_;
  };
  const Body body_;
};

/// Writes each batch down, and goes on.
Factory::Body Logging(Log* log, const std::string& name) {
  return [log, name](InterceptorBatchMethods* methods, ClientRpcInfo*) {
    log->Add(name + Names(methods));
    methods->Proceed();
  };
}

bool Has(InterceptorBatchMethods* methods, InterceptionHookPoints point) {
  return methods->QueryInterceptionHookPoint(point);
}

std::shared_ptr<Channel> ChannelWith(const std::string& target,
                                     std::vector<Factory::Body> bodies) {
  ClientFactories factories;
  for (Factory::Body& body : bodies) {
    factories.push_back(std::make_unique<Factory>(std::move(body)));
  }
  return experimental::CreateCustomChannelWithInterceptors(
      target, InsecureChannelCredentials(), ChannelArguments(),
      std::move(factories));
}

// A unary call's hooks, of interceptors that log as "first: " and "last: ".
void ExpectDownAndUp(Log* log) {
  const std::string down =
      "PRE_SEND_INITIAL_METADATA PRE_SEND_MESSAGE PRE_SEND_CLOSE";
  const std::string up =
      "POST_SEND_MESSAGE POST_RECV_INITIAL_METADATA POST_RECV_MESSAGE "
      "POST_RECV_STATUS";
  EXPECT_THAT(log->Take(), ElementsAre("first: " + down, "last: " + down,
                                       "last: " + up, "first: " + up));
}

TEST_P(InterceptorTest, AUnaryCallGoesDownAndUpThroughAll) {
  const Served served = Serve();
  Log log;
  const auto stub = TestService::NewStub(ChannelWith(
      Target(), {Logging(&log, "first: "), nullptr, Logging(&log, "last: ")}));
  ClientContext context;
  Message reply;
  ASSERT_THAT(Echo(stub.get(), &context, MakeMessage(10, 3), &reply), IsOk());
  EXPECT_EQ(reply.sequence(), 3);
  ExpectDownAndUp(&log);
}

TEST_P(InterceptorTest, ABidiStreamShowsEachOperation) {
  const Served served = Serve();
  Log log;
  ClientRpcInfo::Type type = ClientRpcInfo::Type::UNKNOWN;
  std::string method;
  std::once_flag once;  // Later hooks are other threads'.
  const auto stub = TestService::NewStub(ChannelWith(
      Target(), {[&](InterceptorBatchMethods* methods, ClientRpcInfo* info) {
        std::call_once(once, [&] {
          type = info->type();
          method = info->method();
        });
        for (const std::string& name : HookNames(methods)) log.Add(name);
        methods->Proceed();
      }}));
  ClientContext context;
  const auto stream = Bidi(stub.get(), &context);
  EXPECT_EQ(type, ClientRpcInfo::Type::BIDI_STREAMING);
  EXPECT_EQ(method, "/nearcall.test.TestService/Bidi");
  EXPECT_THAT(log.Take(), ElementsAre("PRE_SEND_INITIAL_METADATA"));
  Message reply;
  ASSERT_TRUE(stream->Write(MakeMessage(10, 1)));
  ASSERT_TRUE(stream->Read(&reply));
  // For reactors the initial metadata has an operation of its own.
  EXPECT_TRUE(stream->WaitForInitialMetadata());
  EXPECT_THAT(log.Take(),
              ::testing::UnorderedElementsAre(
                  "PRE_SEND_MESSAGE", "POST_SEND_MESSAGE",
                  "POST_RECV_INITIAL_METADATA", "POST_RECV_MESSAGE"));
  ASSERT_TRUE(
      stream->Write(MakeMessage(10, 2), WriteOptions().set_last_message()));
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_THAT(stream->Finish(), IsOk());
  // A read that fails is shown too. A reactor's status may come before it.
  EXPECT_THAT(log.Take(),
              IsSupersetOf({"PRE_SEND_MESSAGE", "PRE_SEND_CLOSE",
                            "POST_SEND_MESSAGE", "POST_RECV_MESSAGE",
                            "POST_RECV_MESSAGE", "POST_RECV_STATUS"}));
}

TEST_P(InterceptorTest, WhatIsSentCanBeChanged) {
  const Served served = Serve();
  Message other;
  bool bytes = false;
  const auto stub = TestService::NewStub(ChannelWith(
      Target(),
      {[&](InterceptorBatchMethods* methods, ClientRpcInfo*) {
         if (Has(methods, InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
           auto* metadata = methods->GetSendInitialMetadata();
           metadata->erase("removed");
           metadata->emplace("added", "by the first");
         }
         if (Has(methods, InterceptionHookPoints::PRE_SEND_MESSAGE)) {
           const auto* message =
               static_cast<const Message*>(methods->GetSendMessage());
           other.set_sequence(message->sequence() * 2);
           methods->ModifySendMessage(&other);
           if (bytes) {
             Message third;
             third.set_sequence(other.sequence() + 1);
             const Slice slice(third.SerializeAsString());
             *methods->GetSerializedSendMessage() = ByteBuffer(&slice, 1);
           }
         }
         methods->Proceed();
       },
       [&](InterceptorBatchMethods* methods, ClientRpcInfo*) {
         if (Has(methods, InterceptionHookPoints::PRE_SEND_MESSAGE)) {
           EXPECT_EQ(methods->GetSendMessage() == nullptr, bytes);
         } else {
           EXPECT_EQ(methods->GetSendMessage(), nullptr);
           EXPECT_EQ(methods->GetSerializedSendMessage(), nullptr);
         }
         methods->Proceed();
       }}));
  for (const bool serialized : {false, true}) {
    bytes = serialized;
    ClientContext context;
    Message reply;
    ASSERT_THAT(Echo(stub.get(), &context, MakeMessage(10, 21), &reply),
                IsOk());
    EXPECT_EQ(reply.sequence(), serialized ? 43 : 42);
    EXPECT_EQ(reply.payload(), "");
  }
  ClientContext context;
  context.AddMetadata("removed", "x");
  InfoReply info;
  bytes = false;
  ASSERT_THAT(stub->Info(&context, MakeMessage(1), &info), IsOk());
  std::string seen;
  for (const Entry& entry : info.metadata()) {
    if (entry.key() != "user-agent") seen += entry.key() + "=" + entry.value();
  }
  EXPECT_EQ(seen, "added=by the first");
}

TEST_P(InterceptorTest, WhatIsReceivedCanBeChanged) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(ChannelWith(
      Target(), {[](InterceptorBatchMethods* methods, ClientRpcInfo*) {
        if (Has(methods, InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
          methods->GetRecvInitialMetadata()->emplace("added", "initial");
        }
        if (Has(methods, InterceptionHookPoints::POST_RECV_MESSAGE) &&
            methods->GetRecvMessage() != nullptr) {
          static_cast<Message*>(methods->GetRecvMessage())->set_sequence(-1);
        }
        if (Has(methods, InterceptionHookPoints::POST_RECV_STATUS)) {
          methods->GetRecvTrailingMetadata()->emplace("added", "trailing");
          if (!methods->GetRecvStatus()->ok()) {
            *methods->GetRecvStatus() = Status(DATA_LOSS, "changed");
          }
        }
        methods->Proceed();
      }}));
  {
    ClientContext context;
    Message reply;
    ASSERT_THAT(Echo(stub.get(), &context, MakeMessage(1, 5), &reply), IsOk());
    EXPECT_EQ(reply.sequence(), -1);
    EXPECT_EQ(Value(context.GetServerInitialMetadata(), "added"), "initial");
    EXPECT_EQ(Value(context.GetServerTrailingMetadata(), "added"), "trailing");
  }
  Plan plan;
  plan.set_code(ABORTED);
  for (const Shape shape : kShapes) {
    ClientContext context;
    EXPECT_THAT(Run(shape, stub.get(), &context, plan),
                IsStatus(DATA_LOSS, "changed"));
  }
}

/// Answers a call in place of its server: echoes what is written, twice.
void HijackAndEcho(InterceptorBatchMethods* methods, std::string* written,
                   int* left) {
  if (Has(methods, InterceptionHookPoints::PRE_SEND_MESSAGE)) {
    const auto* message =
        static_cast<const Message*>(methods->GetSendMessage());
    *written = message->SerializeAsString();
    if (message->sequence() == 99) methods->FailHijackedSendMessage();
    *left = 2;
  }
  if (Has(methods, InterceptionHookPoints::PRE_RECV_INITIAL_METADATA)) {
    methods->GetRecvInitialMetadata()->emplace("from", "the hijacker");
  }
  if (Has(methods, InterceptionHookPoints::PRE_RECV_MESSAGE)) {
    if ((*left)-- > 0) {
      EXPECT_TRUE(static_cast<Message*>(methods->GetRecvMessage())
                      ->ParseFromString(*written));
    } else {
      methods->FailHijackedRecvMessage();
    }
  }
  if (Has(methods, InterceptionHookPoints::PRE_RECV_STATUS)) {
    methods->GetRecvTrailingMetadata()->emplace("also", "the hijacker");
    *methods->GetRecvStatus() = Status();
  }
  if (Has(methods, InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
    methods->Hijack();
  } else {
    methods->Proceed();
  }
}

TEST_P(InterceptorTest, AHijackedCallNeedsNoServer) {
  Log before;
  Log after;
  std::string written;
  int left = 0;
  const auto stub = TestService::NewStub(ChannelWith(
      Target("nobody"), {Logging(&before, ""),
                         [&](InterceptorBatchMethods* methods, ClientRpcInfo*) {
                           HijackAndEcho(methods, &written, &left);
                         },
                         Logging(&after, "")}));
  ClientContext context;
  Message reply;
  ASSERT_THAT(Echo(stub.get(), &context, MakeMessage(10, 8), &reply), IsOk());
  EXPECT_EQ(reply.sequence(), 8);
  EXPECT_EQ(Value(context.GetServerTrailingMetadata(), "also"), "the hijacker");
  EXPECT_FALSE(context.maybe_sent());
  EXPECT_THAT(
      before.Take(),
      ElementsAre("PRE_SEND_INITIAL_METADATA PRE_SEND_MESSAGE PRE_SEND_CLOSE",
                  "POST_SEND_MESSAGE POST_RECV_INITIAL_METADATA "
                  "POST_RECV_MESSAGE POST_RECV_STATUS"));

  ClientContext stream_context;
  const auto stream = Bidi(stub.get(), &stream_context);
  EXPECT_TRUE(stream->WaitForInitialMetadata());
  EXPECT_EQ(Value(stream_context.GetServerInitialMetadata(), "from"),
            "the hijacker");
  EXPECT_TRUE(stream->Write(MakeMessage(10, 7)));
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(stream->Read(&reply));
    EXPECT_EQ(reply.sequence(), 7);
  }
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_FALSE(stream->Write(MakeMessage(10, 99)));
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_THAT(stream->Finish(), IsOk());
  EXPECT_THAT(after.Take(), ElementsAre());
}

TEST_P(InterceptorTest, AHijackerMayCallPastItself) {
  const Served served = Serve();
  Log log;
  Message answer;
  const auto channel = ChannelWith(
      Target(),
      {Logging(&log, "first: "),
       [&](InterceptorBatchMethods* methods, ClientRpcInfo*) {
         if (Has(methods, InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
           const auto stub =
               TestService::NewStub(std::shared_ptr<ChannelInterface>(
                   methods->GetInterceptedChannel()));
           ClientContext context;
           EXPECT_THAT(stub->Echo(&context,
                                  *static_cast<const Message*>(
                                      methods->GetSendMessage()),
                                  &answer),
                       IsOk());
           methods->Hijack();
           return;
         }
         if (Has(methods, InterceptionHookPoints::PRE_RECV_MESSAGE)) {
           answer.set_sequence(answer.sequence() + 1);
           *static_cast<Message*>(methods->GetRecvMessage()) = answer;
         }
         methods->Proceed();
       },
       Logging(&log, "last: ")});
  const auto stub = TestService::NewStub(channel);
  ClientContext context;
  Message reply;
  ASSERT_THAT(Echo(stub.get(), &context, MakeMessage(5, 30), &reply), IsOk());
  EXPECT_EQ(reply.sequence(), 31);
  ExpectDownAndUp(&log);
}

TEST_P(InterceptorTest, TheGlobalOneIsTheLastOfEveryChannel) {
  const Served served = Serve();
  Log log;
  Factory global(Logging(&log, "global: "));
  experimental::RegisterGlobalClientInterceptorFactory(&global);
  for (const bool own : {true, false}) {
    const auto stub = TestService::NewStub(
        own ? ChannelWith(Target(), {Logging(&log, "own: ")})
            : CreateChannel(Target(), InsecureChannelCredentials()));
    ClientContext context;
    Message reply;
    EXPECT_THAT(Echo(stub.get(), &context, Message(), &reply), IsOk());
    const std::string down =
        "PRE_SEND_INITIAL_METADATA PRE_SEND_MESSAGE PRE_SEND_CLOSE";
    std::vector<std::string> seen = log.Take();
    ASSERT_EQ(seen.size(), own ? 4u : 2u);
    EXPECT_EQ(seen[own ? 1 : 0], "global: " + down);
  }
  experimental::TestOnlyResetGlobalClientInterceptorFactory();
  const auto plain = TestService::NewStub(DefaultChannel(Target()));
  ClientContext context;
  Message reply;
  EXPECT_THAT(Echo(plain.get(), &context, Message(), &reply), IsOk());
  EXPECT_THAT(log.Take(), ElementsAre());
}

TEST_P(InterceptorTest, ACancelIsShownOnceToAll) {
  const Served served = Serve();
  Gatekeeper gates(served);
  Log log;
  const auto note = [&log](const std::string& name) {
    return [&log, name](InterceptorBatchMethods* methods, ClientRpcInfo*) {
      if (Has(methods, InterceptionHookPoints::PRE_SEND_CANCEL)) log.Add(name);
      methods->Proceed();
    };
  };
  const auto stub = TestService::NewStub(
      ChannelWith(Target(), {note("first"), note("last")}));
  ClientContext context;
  AddPlan(WaitAt("cancelled"), &context);
  const auto stream = Bidi(stub.get(), &context);
  gates.AwaitEntered("cancelled");
  context.TryCancel();
  context.TryCancel();
  EXPECT_THAT(stream->Finish(), IsStatus(CANCELLED, ""));
  EXPECT_THAT(log.Take(), ElementsAre("first", "last"));
}

TEST_P(InterceptorTest, ACallThatIsHeldBackCanBeCancelled) {
  const Served served = Serve();
  std::mutex mu;
  std::condition_variable changed;
  InterceptorBatchMethods* held = nullptr;
  const auto stub = TestService::NewStub(ChannelWith(
      Target(), {[&](InterceptorBatchMethods* methods, ClientRpcInfo*) {
        if (Has(methods, InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
          const std::lock_guard<std::mutex> lock(mu);
          held = methods;
          changed.notify_all();
          return;
        }
        methods->Proceed();
      }}));
  PendingCall call(api() == Api::kSync ? Surface::kBlocking
                                       : Surface::kCallback);
  call.StartEcho(stub.get(), MakeMessage(3));
  {
    std::unique_lock<std::mutex> lock(mu);
    changed.wait(lock, [&] { return held != nullptr; });
  }
  call.context.TryCancel();
  held->Proceed();
  EXPECT_THAT(call.Await(), IsStatus(CANCELLED, ""));
}

TEST_P(InterceptorTest, WhatStandsBeforeAChannelKeepsItsInterceptors) {
  const Served served = Serve();
  Log log;
  const auto channel = std::make_shared<experimental::DelegatingChannel>(
      ChannelWith(Target(), {Logging(&log, "")}));
  EXPECT_TRUE(channel->WaitForConnected(In(std::chrono::seconds(30))));
  const auto stub = TestService::NewStub(channel);
  ClientContext context;
  Message reply;
  EXPECT_THAT(Echo(stub.get(), &context, Message(), &reply), IsOk());
  EXPECT_EQ(log.Take().size(), 2u);
}

INSTANTIATE_TEST_SUITE_P(All, InterceptorTest,
                         ::testing::ValuesIn(AllStreamCases()),
                         NameOfStreamCase);

}  // namespace
}  // namespace nearcall::test
