// Streams in ordinary use: messages, half-close, status, metadata, limits.
#include <string>
#include <thread>

#include "tests/call/stream_test.h"

namespace nearcall::test {
namespace {

class StreamCallTest : public StreamTest {};

Plan Sends(int64_t count, int64_t size) {
  Plan plan;
  plan.set_count(count);
  plan.set_size(size);
  return plan;
}

void AddEntry(const std::string& key, const std::string& value,
              google::protobuf::RepeatedPtrField<Entry>* to) {
  Entry* entry = to->Add();
  entry->set_key(key);
  entry->set_value(value);
}

std::string Value(const std::multimap<string_ref, string_ref>& metadata,
                  const std::string& key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return "(absent)";
  return std::string(found->second.data(), found->second.size());
}

TEST_P(StreamCallTest, AClientStreamIsSummedUp) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  ClientContext context;
  Summary summary;
  const auto stream = ClientStream(stub.get(), &context, &summary);
  int64_t bytes = 0;
  for (int64_t i = 0; i < 200; ++i) {
    // Empty ones, and some beyond a stream's first window.
    const size_t size = i % 50 == 49 ? 100'000 : static_cast<size_t>(i % 40);
    bytes += static_cast<int64_t>(size);
    ASSERT_TRUE(stream->Write(MakeMessage(size, i)));
  }
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_THAT(stream->Finish(), IsOk());
  EXPECT_EQ(summary.count(), 200);
  EXPECT_EQ(summary.bytes(), bytes);
  EXPECT_EQ(summary.out_of_order(), 0);
}

TEST_P(StreamCallTest, AServerStreamArrivesInOrder) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  for (const int64_t size : {0, 1, 1000, 65536, 300'000}) {
    SCOPED_TRACE(size);
    ClientContext context;
    const auto stream = ServerStream(stub.get(), &context, Sends(20, size));
    Message message;
    for (int64_t i = 0; i < 20; ++i) {
      ASSERT_TRUE(stream->Read(&message)) << i;
      ASSERT_EQ(message.sequence(), i);
      ASSERT_EQ(message.payload(), std::string(static_cast<size_t>(size),
                                               static_cast<char>('a' + i)));
    }
    // No more, now and for ever.
    EXPECT_FALSE(stream->Read(&message));
    EXPECT_FALSE(stream->Read(&message));
    EXPECT_THAT(stream->Finish(), IsOk());
  }
}

TEST_P(StreamCallTest, BidiAnswersEachMessage) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  ClientContext context;
  const auto stream = Bidi(stub.get(), &context);
  Message reply;
  for (int64_t i = 0; i < 100; ++i) {
    const Message message = MakeMessage(i % 20 == 7 ? 200'000 : 100, i);
    ASSERT_TRUE(stream->Write(message));
    ASSERT_TRUE(stream->Read(&reply));
    ASSERT_EQ(reply.sequence(), i);
    ASSERT_TRUE(reply.payload() == message.payload());
  }
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_THAT(stream->Finish(), IsOk());
}

TEST_P(StreamCallTest, StreamsWithoutMessagesEndOk) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  for (const Shape shape :
       {Shape::kClientStream, Shape::kServerStream, Shape::kBidi}) {
    ClientContext context;
    EXPECT_THAT(Run(shape, stub.get(), &context, Plan()), IsOk());
  }
}

TEST_P(StreamCallTest, TheStatusComesAfterAllMessages) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Plan plan = Sends(50, 5000);
  plan.set_code(ABORTED);
  plan.set_message("after all");
  plan.set_details(std::string("\0\xff", 2));
  ClientContext context;
  const auto stream = ServerStream(stub.get(), &context, plan);
  Message message;
  int64_t count = 0;
  while (stream->Read(&message)) ++count;
  EXPECT_EQ(count, 50);
  const Status status = stream->Finish();
  EXPECT_THAT(status, IsStatus(ABORTED, "after all"));
  EXPECT_EQ(status.error_details(), plan.details());
}

TEST_P(StreamCallTest, FinishDropsWhatWasNotRead) {
  if (api() == Api::kCallback) return;  // There OnDone follows no read.
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Plan plan = Sends(100, 50'000);
  plan.set_code(ABORTED);
  ClientContext context;
  const auto stream = ServerStream(stub.get(), &context, plan);
  EXPECT_THAT(stream->Finish(), IsStatus(ABORTED, ""));
}

TEST_P(StreamCallTest, WriteLastHalfCloses) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  for (const size_t size : {size_t{0}, size_t{10}, size_t{200'000}}) {
    SCOPED_TRACE(size);
    ClientContext context;
    Summary summary;
    const auto stream = ClientStream(stub.get(), &context, &summary);
    ASSERT_TRUE(stream->Write(MakeMessage(5, 0)));
    EXPECT_TRUE(
        stream->Write(MakeMessage(size, 1), WriteOptions().set_last_message()));
    EXPECT_THAT(stream->Finish(), IsOk());
    EXPECT_EQ(summary.count(), 2);
  }
}

TEST_P(StreamCallTest, TheServersLastMessageMayTravelWithTheStatus) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  for (const int64_t size : {10, 200'000}) {
    Plan plan = Sends(3, size);
    plan.set_write_last(true);
    plan.set_code(NOT_FOUND);
    ClientContext context;
    const auto stream = ServerStream(stub.get(), &context, plan);
    Message message;
    int count = 0;
    while (stream->Read(&message)) ++count;
    EXPECT_EQ(count, 3);
    EXPECT_THAT(stream->Finish(), IsStatus(NOT_FOUND, ""));
  }
}

TEST_P(StreamCallTest, CorkedMetadataWaitsForTheFirstMessage) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Gatekeeper gates(served);
  Plan plan;
  plan.set_gate("corked");
  ClientContext context;
  context.set_initial_metadata_corked(true);
  AddPlan(plan, &context);
  Summary summary;
  const auto stream = ClientStream(stub.get(), &context, &summary);
  // A call that began later has come and gone.
  ClientContext other;
  Message reply;
  ASSERT_THAT(stub->Echo(&other, Message(), &reply), IsOk());
  EXPECT_EQ(gates.AwaitEntered("corked", 0).entered(), 0);
  ASSERT_TRUE(stream->Write(MakeMessage(1, 0)));
  gates.AwaitEntered("corked");
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_THAT(stream->Finish(), IsOk());
  EXPECT_EQ(summary.count(), 1);
}

TEST_P(StreamCallTest, MessagesWithABufferHintArrive) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  ClientContext context;
  Summary summary;
  const auto stream = ClientStream(stub.get(), &context, &summary);
  for (int64_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(stream->Write(
        MakeMessage(10, i),
        WriteOptions().set_corked().set_no_compression().set_write_through()));
  }
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_THAT(stream->Finish(), IsOk());
  EXPECT_EQ(summary.count(), 1000);
}

TEST_P(StreamCallTest, TheNextMessageHasASize) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  ClientContext context;
  const auto reader = stub->ServerStream(&context, Sends(1, 1000));
  uint32_t size = 0;
  ASSERT_TRUE(reader->NextMessageSize(&size));
  EXPECT_GE(size, 1000u);
  Message message;
  EXPECT_TRUE(reader->Read(&message));
  EXPECT_FALSE(reader->Read(&message));
  EXPECT_THAT(reader->Finish(), IsOk());
}

TEST_P(StreamCallTest, InitialMetadataComesBeforeMessages) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Gatekeeper gates(served);
  for (const Shape shape :
       {Shape::kClientStream, Shape::kServerStream, Shape::kBidi}) {
    const std::string gate =
        "initial" + std::to_string(static_cast<int>(shape));
    Plan plan = Sends(shape == Shape::kServerStream ? 1 : 0, 10);
    plan.set_gate(gate);
    plan.set_wait(true);
    plan.set_send_initial_metadata(true);
    AddEntry("first", "one", plan.mutable_initial_metadata());
    AddEntry("raw-bin", std::string("\0\n\xff", 3),
             plan.mutable_initial_metadata());
    AddEntry("last", "two", plan.mutable_trailing_metadata());
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
    // The handler is at its gate, and has sent no message.
    EXPECT_TRUE(stream->WaitForInitialMetadata());
    EXPECT_EQ(Value(context.GetServerInitialMetadata(), "first"), "one");
    EXPECT_EQ(Value(context.GetServerInitialMetadata(), "raw-bin"),
              std::string("\0\n\xff", 3));
    EXPECT_EQ(Value(context.GetServerInitialMetadata(), "last"), "(absent)");
    gates.Open(gate);
    if (shape != Shape::kServerStream) {
      EXPECT_TRUE(stream->WritesDone());
    }
    Message message;
    if (shape == Shape::kServerStream) {
      EXPECT_TRUE(stream->Read(&message));
    }
    if (shape != Shape::kClientStream) {
      EXPECT_FALSE(stream->Read(&message));
    }
    EXPECT_THAT(stream->Finish(), IsOk());
    EXPECT_EQ(Value(context.GetServerTrailingMetadata(), "last"), "two");
  }
}

TEST_P(StreamCallTest, InitialMetadataComesWithTheFirstMessage) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Plan plan = Sends(2, 10);
  AddEntry("first", "one", plan.mutable_initial_metadata());
  ClientContext context;
  const auto stream = ServerStream(stub.get(), &context, plan);
  Message message;
  EXPECT_TRUE(stream->Read(&message));
  EXPECT_EQ(Value(context.GetServerInitialMetadata(), "first"), "one");
  while (stream->Read(&message)) {
  }
  EXPECT_THAT(stream->Finish(), IsOk());
}

TEST_P(StreamCallTest, AMessageEndsTheWaitForInitialMetadata) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  for (const bool read_first : {true, false}) {
    ClientContext context;
    const auto stream = Bidi(stub.get(), &context);
    Message message;
    ASSERT_TRUE(stream->Write(MakeMessage(10)));
    if (read_first) {
      ASSERT_TRUE(stream->Read(&message));
    }
    // The server has added none, and the stream is open.
    EXPECT_TRUE(stream->WaitForInitialMetadata());
    if (!read_first) {
      ASSERT_TRUE(stream->Read(&message));
    }
    EXPECT_TRUE(stream->WritesDone());
    EXPECT_FALSE(stream->Read(&message));
    EXPECT_THAT(stream->Finish(), IsOk());
  }
}

TEST_P(StreamCallTest, AStatusAloneBringsNoInitialMetadata) {
  if (api() == Api::kSync) return;  // Only OnReadInitialMetadataDone tells.
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Plan plan;
  plan.set_code(ABORTED);
  ClientContext context;
  const auto stream = ServerStream(stub.get(), &context, plan);
  EXPECT_FALSE(stream->WaitForInitialMetadata());
  EXPECT_THAT(stream->Finish(), IsStatus(ABORTED, ""));
}

TEST_P(StreamCallTest, InitialMetadataThatCannotBeSentEndsTheCallAlone) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Plan plan = Sends(1, 10);
  AddEntry("Capital", "x", plan.mutable_initial_metadata());
  for (const bool early : {true, false}) {
    plan.set_send_initial_metadata(early);
    ClientContext context;
    EXPECT_THAT(Run(Shape::kServerStream, stub.get(), &context, plan),
                IsStatus(INTERNAL, "metadata key 'Capital'"));
  }
  // The connection is as good as before.
  ClientContext context;
  EXPECT_THAT(Run(Shape::kServerStream, stub.get(), &context, Sends(1, 10)),
              IsOk());
}

TEST_P(StreamCallTest, MetadataBeyondAFrameEndsTheCallAlone) {
  ServerSettings settings;
  settings.options = "?frame_bytes=256";
  const Served served = Serve(settings);
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  for (const Shape shape : kShapes) {
    ClientContext context;
    context.AddMetadata("long", std::string(300, 'x'));
    EXPECT_THAT(Run(shape, stub.get(), &context, Plan()),
                IsStatus(RESOURCE_EXHAUSTED, "frame_bytes"));
  }
  Plan plan = Sends(1, 10);
  AddEntry("long", std::string(300, 'x'), plan.mutable_initial_metadata());
  ClientContext context;
  EXPECT_THAT(Run(Shape::kServerStream, stub.get(), &context, plan),
              IsStatus(INTERNAL, "frame_bytes"));
  ClientContext again;
  EXPECT_THAT(Run(Shape::kServerStream, stub.get(), &again, Sends(9, 1000)),
              IsOk());
}

TEST_P(StreamCallTest, AMessageAboveTheClientsLimitEndsTheCall) {
  const Served served = Serve();
  ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(1000);
  const auto stub = TestService::NewStub(
      CreateCustomChannel(Target(), InsecureChannelCredentials(), arguments));
  for (const int64_t size : {2000, 500'000}) {
    ClientContext context;
    EXPECT_THAT(
        Run(Shape::kServerStream, stub.get(), &context, Sends(3, size)),
        IsStatus(RESOURCE_EXHAUSTED, "Received message larger than max ("));
  }
  ClientContext context;
  EXPECT_THAT(Run(Shape::kServerStream, stub.get(), &context, Sends(3, 900)),
              IsOk());
}

TEST_P(StreamCallTest, AMessageAboveTheServersLimitEndsTheCall) {
  ServerSettings settings;
  settings.max_receive = 1000;
  const Served served = Serve(settings);
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  for (const size_t size : {size_t{2000}, size_t{500'000}}) {
    ClientContext context;
    Summary summary;
    const auto stream = ClientStream(stub.get(), &context, &summary);
    stream->Write(MakeMessage(size, 0));
    stream->WritesDone();
    EXPECT_THAT(
        stream->Finish(),
        IsStatus(RESOURCE_EXHAUSTED, "Received message larger than max ("));
  }
}

TEST_P(StreamCallTest, AMessageAboveTheSendLimitEndsTheCall) {
  ServerSettings settings;
  settings.max_send = 1000;
  const Served served = Serve(settings);
  ChannelArguments arguments;
  arguments.SetMaxSendMessageSize(1000);
  const auto stub = TestService::NewStub(
      CreateCustomChannel(Target(), InsecureChannelCredentials(), arguments));
  constexpr char kText[] = "Sent message larger than max (";
  {
    ClientContext context;
    Summary summary;
    const auto stream = ClientStream(stub.get(), &context, &summary);
    EXPECT_FALSE(stream->Write(MakeMessage(2000, 0)));
    EXPECT_THAT(stream->Finish(), IsStatus(RESOURCE_EXHAUSTED, kText));
  }
  ClientContext context;
  EXPECT_THAT(Run(Shape::kServerStream, stub.get(), &context, Sends(3, 2000)),
              IsStatus(RESOURCE_EXHAUSTED, kText));
}

TEST_P(StreamCallTest, OneThreadReadsWhileAnotherWrites) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  ClientContext context;
  const auto stream = Bidi(stub.get(), &context);
  std::thread writer([&] {
    for (int64_t i = 0; i < 2000; ++i) {
      ASSERT_TRUE(stream->Write(MakeMessage(500, i)));
    }
    EXPECT_TRUE(stream->WritesDone());
  });
  Message message;
  int64_t count = 0;
  while (stream->Read(&message)) {
    ASSERT_EQ(message.sequence(), count);
    ++count;
  }
  writer.join();
  EXPECT_EQ(count, 2000);
  EXPECT_THAT(stream->Finish(), IsOk());
}

INSTANTIATE_TEST_SUITE_P(All, StreamCallTest,
                         ::testing::ValuesIn(AllStreamCases()),
                         NameOfStreamCase);

}  // namespace
}  // namespace nearcall::test
