// How streams end before their time: early status, cancellation from either
// side, deadlines, streams that are let go of.
#include <string>
#include <thread>
#include <vector>

#include "tests/call/stream_test.h"

namespace nearcall::test {
namespace {

class StreamEndTest : public StreamTest {
 protected:
  /// A plan that waits at a gate of the shape's own.
  static Plan Waits(Shape shape) {
    Plan plan;
    plan.set_gate("gate" + std::to_string(static_cast<int>(shape)));
    plan.set_wait(true);
    return plan;
  }
};

TEST_P(StreamEndTest, AnEarlyStatusEndsAClientsWrites) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  for (const Shape shape : {Shape::kClientStream, Shape::kBidi}) {
    Plan plan;
    plan.set_stop_after(3);
    plan.set_code(RESOURCE_EXHAUSTED);
    plan.set_message("three are enough");
    ClientContext context;
    AddPlan(plan, &context);
    Summary summary;
    const auto stream = shape == Shape::kBidi
                            ? Bidi(stub.get(), &context)
                            : ClientStream(stub.get(), &context, &summary);
    // More than all buffers hold: it ends because the call has.
    int64_t sent = 0;
    while (stream->Write(MakeMessage(10'000, sent))) ++sent;
    EXPECT_GE(sent, 2);
    EXPECT_FALSE(stream->Write(MakeMessage(1, 0)));
    EXPECT_THAT(stream->Finish(),
                IsStatus(RESOURCE_EXHAUSTED, "three are enough"));
  }
  // Frames that came after the end were dropped without harm.
  ClientContext context;
  EXPECT_THAT(Run(Shape::kBidi, stub.get(), &context, Plan()), IsOk());
}

TEST_P(StreamEndTest, ACancelBeforeTheStartSendsNothing) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(ConnectedChannel(Target()));
  Gatekeeper gates(served);
  for (const Shape shape : kShapes) {
    const Plan plan = Waits(shape);
    ClientContext context;
    context.TryCancel();
    EXPECT_THAT(Run(shape, stub.get(), &context, plan),
                IsStatus(CANCELLED, "CANCELLED"));
    EXPECT_FALSE(context.maybe_sent());
    EXPECT_EQ(gates.AwaitEntered(plan.gate(), 0).entered(), 0);
  }
}

TEST_P(StreamEndTest, AClientsCancelReachesTheHandler) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Gatekeeper gates(served);
  for (const Shape shape : kShapes) {
    const Plan plan = Waits(shape);
    ClientContext context;
    std::thread canceller([&] {
      gates.AwaitEntered(plan.gate());
      context.TryCancel();
      context.TryCancel();
    });
    EXPECT_THAT(Run(shape, stub.get(), &context, plan),
                IsStatus(CANCELLED, "CANCELLED"));
    canceller.join();
    gates.AwaitCancelled(plan.gate());
  }
}

TEST_P(StreamEndTest, AServersCancelReachesTheClient) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  for (const Shape shape : kShapes) {
    SCOPED_TRACE(static_cast<int>(shape));
    Plan plan;
    plan.set_cancel(true);
    ClientContext context;
    EXPECT_THAT(Run(shape, stub.get(), &context, plan),
                IsStatus(CANCELLED, "CANCELLED"));
  }
}

TEST_P(StreamEndTest, AServersCancelAmidMessages) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Plan plan;
  plan.set_cancel(true);
  plan.set_cancel_after(5);
  {
    plan.set_count(100);
    plan.set_size(100);
    ClientContext context;
    EXPECT_THAT(Run(Shape::kServerStream, stub.get(), &context, plan),
                IsStatus(CANCELLED, "CANCELLED"));
  }
  plan.set_count(0);
  for (const Shape shape : {Shape::kClientStream, Shape::kBidi}) {
    ClientContext context;
    AddPlan(plan, &context);
    Summary summary;
    const auto stream = shape == Shape::kBidi
                            ? Bidi(stub.get(), &context)
                            : ClientStream(stub.get(), &context, &summary);
    while (stream->Write(MakeMessage(10'000, 0))) {
    }
    EXPECT_THAT(stream->Finish(), IsStatus(CANCELLED, "CANCELLED"));
  }
}

TEST_P(StreamEndTest, ACancelBetweenTwoChunksOfAMessage) {
  ServerSettings settings;
  settings.max_receive = -1;
  const Served served = Serve(settings);
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Gatekeeper gates(served);
  // Nobody reads: the message stops when its window is full.
  for (const Shape shape : {Shape::kClientStream, Shape::kBidi}) {
    const Plan plan = Waits(shape);
    ClientContext context;
    AddPlan(plan, &context);
    Summary summary;
    const auto stream = shape == Shape::kBidi
                            ? Bidi(stub.get(), &context)
                            : ClientStream(stub.get(), &context, &summary);
    std::thread canceller([&] {
      gates.AwaitEntered(plan.gate());
      context.TryCancel();
    });
    EXPECT_FALSE(stream->Write(MakeMessage(1'000'000, 0)));
    canceller.join();
    EXPECT_THAT(stream->Finish(), IsStatus(CANCELLED, "CANCELLED"));
    gates.AwaitCancelled(plan.gate());
  }
  // The same from the server: its message waits for a client that reads none.
  Plan plan;
  plan.set_gate("reply");
  plan.set_count(1);
  plan.set_size(1'000'000);
  ClientContext context;
  const auto stream = ServerStream(stub.get(), &context, plan);
  gates.AwaitEntered("reply");
  context.TryCancel();
  Message message;
  EXPECT_FALSE(stream->Read(&message));
  EXPECT_THAT(stream->Finish(), IsStatus(CANCELLED, "CANCELLED"));
  gates.AwaitCancelled("reply");
  ClientContext again;
  EXPECT_THAT(Run(Shape::kServerStream, stub.get(), &again, Plan()), IsOk());
}

TEST_P(StreamEndTest, ADeadlineEndsEachShape) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Gatekeeper gates(served);
  for (const Shape shape : kShapes) {
    SCOPED_TRACE(static_cast<int>(shape));
    const Plan plan = Waits(shape);
    ClientContext context;
    context.set_deadline(In(std::chrono::milliseconds(60)));
    EXPECT_THAT(Run(shape, stub.get(), &context, plan),
                IsStatus(DEADLINE_EXCEEDED, "Deadline Exceeded"));
    // Entered in time or not, no handler is left behind.
    const GateState state = gates.AwaitEntered(plan.gate(), 0);
    gates.AwaitCancelled(plan.gate(), state.entered());
  }
}

TEST_P(StreamEndTest, ADeadlineThatHasPassedSendsNothing) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  for (const Shape shape : kShapes) {
    ClientContext context;
    context.set_deadline(In(std::chrono::seconds(-1)));
    EXPECT_THAT(Run(shape, stub.get(), &context, Waits(shape)),
                IsStatus(DEADLINE_EXCEEDED, "Deadline Exceeded"));
    EXPECT_FALSE(context.maybe_sent());
  }
}

TEST_P(StreamEndTest, AStreamThatIsLetGoOfIsCancelled) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Gatekeeper gates(served);
  for (const Shape shape :
       {Shape::kClientStream, Shape::kServerStream, Shape::kBidi}) {
    const Plan plan = Waits(shape);
    ClientContext context;
    Summary summary;
    std::unique_ptr<Stream> stream;
    if (shape == Shape::kServerStream) {
      stream = ServerStream(stub.get(), &context, plan);
    } else {
      AddPlan(plan, &context);
      stream = shape == Shape::kBidi
                   ? Bidi(stub.get(), &context)
                   : ClientStream(stub.get(), &context, &summary);
    }
    gates.AwaitEntered(plan.gate());
    stream.reset();
    gates.AwaitCancelled(plan.gate());
  }
}

TEST_P(StreamEndTest, ACancelPropagatesToTheCallsOfAHandler) {
  const Served served = Serve();
  const Served other = Serve({}, "other");
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Gatekeeper gates(other);
  NestedRequest request;
  request.set_target(Target("other"));
  *request.mutable_plan() = Waits(Shape::kUnary);
  const std::string& gate = request.plan().gate();
  {
    ClientContext context;
    Message reply;
    std::thread canceller([&] {
      gates.AwaitEntered(gate);
      context.TryCancel();
    });
    EXPECT_THAT(stub->Nested(&context, request, &reply),
                IsStatus(CANCELLED, "CANCELLED"));
    canceller.join();
    gates.AwaitCancelled(gate, 1);
  }
  ClientContext context;
  context.set_deadline(In(std::chrono::milliseconds(200)));
  Message reply;
  EXPECT_THAT(stub->Nested(&context, request, &reply),
              IsStatus(DEADLINE_EXCEEDED, "Deadline Exceeded"));
  const GateState state = gates.AwaitEntered(gate, 0);
  gates.AwaitCancelled(gate, state.entered());
}

TEST_P(StreamEndTest, TheDeadlinePropagatesToTheCallsOfAHandler) {
  const Served served = Serve();
  const Served other = Serve({}, "other");
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  NestedRequest request;
  request.set_target(Target("other"));
  request.mutable_message()->set_sequence(5);
  request.set_ask_deadline(true);
  ClientContext context;
  context.set_deadline(In(std::chrono::hours(1)));
  Message reply;
  ASSERT_THAT(stub->Nested(&context, request, &reply), IsOk());
  // Milliseconds left, as the other server sees them.
  EXPECT_GT(reply.sequence(), 3'500'000);
  EXPECT_LE(reply.sequence(), 3'600'000);
}

INSTANTIATE_TEST_SUITE_P(All, StreamEndTest,
                         ::testing::ValuesIn(AllStreamCases()),
                         NameOfStreamCase);

}  // namespace
}  // namespace nearcall::test
