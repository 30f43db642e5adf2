// A server's interceptors: which hooks its calls show, and what changing them
// changes.
#include <string>

#include "tests/call/interceptor_test.h"
#include "tests/call/pending_call.h"

namespace nearcall::test {
namespace {

class ServerInterceptorTest : public InterceptorTest {};

TEST_P(ServerInterceptorTest, AServersHooksOfEachShape) {
  const Served served = ServeRecording();
  Gatekeeper gates(served);
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  const std::string request = "POST_RECV_INITIAL_METADATA POST_RECV_MESSAGE ";
  Plan plan;
  int closed = 0;
  for (const Shape shape : kShapes) {
    SCOPED_TRACE(static_cast<int>(shape));
    ClientContext context;
    EXPECT_THAT(Run(shape, stub.get(), &context, plan), IsOk());
    const std::string hooks =
        Value(context.GetServerTrailingMetadata(), "hooks");
    switch (shape) {
      case Shape::kUnary:
        EXPECT_EQ(hooks, request +
                             "PRE_SEND_INITIAL_METADATA "
                             "PRE_SEND_MESSAGE PRE_SEND_STATUS");
        break;
      case Shape::kClientStream:  // One read, that finds the end.
        EXPECT_EQ(hooks, request +
                             "PRE_SEND_INITIAL_METADATA "
                             "PRE_SEND_MESSAGE PRE_SEND_STATUS");
        break;
      case Shape::kServerStream:
        EXPECT_EQ(hooks, request + "PRE_SEND_INITIAL_METADATA PRE_SEND_STATUS");
        break;
      case Shape::kBidi:
        EXPECT_EQ(hooks, request + "PRE_SEND_INITIAL_METADATA PRE_SEND_STATUS");
        break;
    }
    gates.AwaitEntered("hook/POST_RECV_CLOSE", ++closed);
  }
  EXPECT_EQ(gates.AwaitEntered("hook/POST_RECV_CLOSE").entered(), closed);
}

TEST_P(ServerInterceptorTest, EachMessageOfAStreamIsShownToTheServer) {
  const Served served = ServeRecording();
  Gatekeeper gates(served);
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  ClientContext context;
  const auto stream = Bidi(stub.get(), &context);
  Message reply;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(stream->Write(MakeMessage(10, i)));
    ASSERT_TRUE(stream->Read(&reply));
  }
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_THAT(stream->Finish(), IsOk());
  const std::string message =
      " POST_RECV_MESSAGE PRE_SEND_MESSAGE POST_SEND_MESSAGE";
  EXPECT_EQ(Value(context.GetServerTrailingMetadata(), "hooks"),
            "POST_RECV_INITIAL_METADATA POST_RECV_MESSAGE "
            "PRE_SEND_INITIAL_METADATA PRE_SEND_MESSAGE POST_SEND_MESSAGE" +
                message + message + " POST_RECV_MESSAGE PRE_SEND_STATUS");
}

TEST_P(ServerInterceptorTest, AServersInterceptorChangesWhatPasses) {
  const Served served = ServeRecording();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  const auto call = [&](const std::string& what, ClientContext* context,
                        Message* reply) {
    context->AddMetadata("intercept", what);
    return Echo(stub.get(), context, MakeMessage(1, 20), reply);
  };
  Message reply;
  {
    ClientContext context;
    EXPECT_THAT(call("request", &context, &reply), IsOk());
    EXPECT_EQ(reply.sequence(), 1000);
  }
  {
    ClientContext context;
    EXPECT_THAT(call("reply", &context, &reply), IsOk());
    EXPECT_EQ(reply.sequence(), 25);
  }
  {
    ClientContext context;
    EXPECT_THAT(call("bytes", &context, &reply), IsOk());
    EXPECT_EQ(reply.sequence(), 77);
  }
  {
    ClientContext context;
    EXPECT_THAT(call("metadata", &context, &reply), IsOk());
    EXPECT_EQ(Value(context.GetServerInitialMetadata(), "added"), "initial");
    EXPECT_EQ(Value(context.GetServerTrailingMetadata(), "added"), "trailing");
  }
  {
    ClientContext context;
    EXPECT_THAT(call("status", &context, &reply), IsStatus(ABORTED, "not OK"));
  }
}

TEST_P(ServerInterceptorTest, ACancelledCallClosesOnce) {
  const Served served = ServeRecording();
  Gatekeeper gates(served);
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Plan plan = WaitAt("left");
  ClientContext context;
  AddPlan(plan, &context);
  const auto stream = Bidi(stub.get(), &context);
  gates.AwaitEntered("left");
  context.TryCancel();
  EXPECT_THAT(stream->Finish(), IsStatus(CANCELLED, ""));
  gates.AwaitCancelled("left");
  EXPECT_EQ(gates.AwaitEntered("hook/POST_RECV_CLOSE").entered(), 1);
}

TEST_P(ServerInterceptorTest, TheServersOwnCancelIsShown) {
  const Served served = ServeRecording();
  Gatekeeper gates(served);
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Plan plan;
  plan.set_cancel(true);
  ClientContext context;
  EXPECT_THAT(Run(Shape::kBidi, stub.get(), &context, plan),
              IsStatus(CANCELLED, ""));
  EXPECT_EQ(gates.AwaitEntered("hook/PRE_SEND_CANCEL").entered(), 1);
  gates.AwaitEntered("hook/POST_RECV_CLOSE");
}

INSTANTIATE_TEST_SUITE_P(All, ServerInterceptorTest,
                         ::testing::ValuesIn(AllStreamCases()),
                         NameOfStreamCase);

}  // namespace
}  // namespace nearcall::test
