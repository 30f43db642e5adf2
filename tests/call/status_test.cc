// How calls end: statuses and metadata both ways, unknown methods, handlers
// that throw, requests that are not what they should be.
#include <nearcall/generic.h>

#include <functional>
#include <map>
#include <string>

#include "tests/call/call_test.h"

namespace nearcall::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Metadata = std::multimap<string_ref, string_ref>;

// gRPC's limit of metadata, and what an entry costs beyond key and value.
constexpr size_t kMaxBytes = 8192;
constexpr size_t kMaxEntries = 64;
constexpr size_t kEntryBytes = 6;

std::string ValueOf(const Metadata& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  return found == metadata.end()
             ? "(none)"
             : std::string(found->second.data(), found->second.size());
}

void AddEntry(google::protobuf::RepeatedPtrField<Entry>* to,
              const std::string& key, const std::string& value) {
  Entry* entry = to->Add();
  entry->set_key(key);
  entry->set_value(value);
}

// Each body over blocking handlers and over reactors.
class StatusTest : public CallTest {
 protected:
  void ForEachKind(const std::function<void(TestService::Stub* stub)>& body) {
    for (const bool callback : {false, true}) {
      SCOPED_TRACE(callback ? "reactors" : "blocking handlers");
      ServerSettings settings;
      settings.callback = callback;
      const std::string name = callback ? "reactors" : "handlers";
      const Served served = Serve(settings, name);
      const auto stub = TestService::NewStub(DefaultChannel(Target(name)));
      body(stub.get());
      // Whatever happened, the connection goes on.
      ClientContext context;
      Message reply;
      EXPECT_THAT(stub->Echo(&context, MakeMessage(10), &reply), IsOk());
    }
  }
};

TEST_P(StatusTest, AnUnknownServiceOrMethodIsUnimplementedAndNamed) {
  const Served served = Serve();
  GenericStub stub(DefaultChannel(Target()));
  for (int round = 0; round < 2; ++round) {  // The second time by its alias.
    ByteBuffer reply;
    ClientContext service;
    EXPECT_THAT(
        stub.UnaryCall(&service, "/no.such.Service/Do", ByteBuffer(), &reply),
        IsStatus(UNIMPLEMENTED, "unknown service: /no.such.Service/Do"));
    EXPECT_FALSE(service.maybe_sent());
    ClientContext method;
    EXPECT_THAT(
        stub.UnaryCall(&method, "/nearcall.test.TestService/NoSuchMethod",
                       ByteBuffer(), &reply),
        IsStatus(UNIMPLEMENTED,
                 "unknown method /nearcall.test.TestService/NoSuchMethod"));
    EXPECT_FALSE(method.maybe_sent());
  }
}

TEST_P(StatusTest, AMethodThatIsNotOverriddenIsUnimplemented) {
  ForEachKind([](TestService::Stub* stub) {
    ClientContext context;
    Message reply;
    EXPECT_THAT(stub->Unserved(&context, Message(), &reply),
                IsStatus(UNIMPLEMENTED, ""));
  });
}

TEST_P(StatusTest, AHandlerThatThrowsAnythingEndsItsCallOnly) {
  ForEachKind([](TestService::Stub* stub) {
    for (const int64_t thrown : {0, 1}) {  // A std::exception; an int64_t.
      ClientContext context;
      Message reply;
      const Status status =
          stub->Throw(&context, MakeMessage(1, thrown), &reply);
      EXPECT_THAT(status, IsStatus(UNKNOWN, "Unexpected error in RPC handling"))
          << thrown;
      EXPECT_THAT(status.error_message(), Not(HasSubstr("secret")));
      EXPECT_EQ(status.error_details(), "");
      EXPECT_TRUE(context.maybe_sent());
    }
  });
}

TEST_P(StatusTest, AStatusCarriesMessageDetailsAndMetadata) {
  ForEachKind([](TestService::Stub* stub) {
    const std::string bytes("\0\1\xff bytes\n", 10);
    Plan plan;
    plan.set_code(FAILED_PRECONDITION);
    plan.set_message("not now: \xc3\xa4\n");
    plan.set_details(bytes);
    AddEntry(plan.mutable_initial_metadata(), "first", "1");
    AddEntry(plan.mutable_initial_metadata(), "first", "2");
    AddEntry(plan.mutable_initial_metadata(), "first-bin", bytes);
    AddEntry(plan.mutable_trailing_metadata(), "last", "~ !");
    AddEntry(plan.mutable_trailing_metadata(), "last-bin", bytes);
    ClientContext context;
    Message reply;
    const Status status = stub->Fail(&context, plan, &reply);
    EXPECT_THAT(status, IsStatus(FAILED_PRECONDITION, "not now: \xc3\xa4\n"));
    EXPECT_EQ(status.error_details(), bytes);
    EXPECT_TRUE(context.maybe_sent());
    const Metadata& initial = context.GetServerInitialMetadata();
    const Metadata& trailing = context.GetServerTrailingMetadata();
    EXPECT_EQ(initial.count("first"), 2u);
    EXPECT_EQ(ValueOf(initial, "first-bin"), bytes);
    EXPECT_EQ(initial.count("last"), 0u);
    EXPECT_EQ(ValueOf(trailing, "last"), "~ !");
    EXPECT_EQ(ValueOf(trailing, "last-bin"), bytes);
    EXPECT_EQ(trailing.count("first"), 0u);
  });
}

TEST_P(StatusTest, ASuccessCarriesBothMetadataToo) {
  ForEachKind([](TestService::Stub* stub) {
    Plan plan;
    AddEntry(plan.mutable_initial_metadata(), "first", "1");
    AddEntry(plan.mutable_trailing_metadata(), "last", "2");
    ClientContext context;
    Message reply;
    ASSERT_THAT(stub->Fail(&context, plan, &reply), IsOk());
    EXPECT_EQ(ValueOf(context.GetServerInitialMetadata(), "first"), "1");
    EXPECT_EQ(ValueOf(context.GetServerTrailingMetadata(), "last"), "2");
  });
}

TEST_P(StatusTest, EveryCodeTravels) {
  ForEachKind([](TestService::Stub* stub) {
    for (int code = CANCELLED; code <= UNAUTHENTICATED; ++code) {
      Plan plan;
      plan.set_code(code);
      plan.set_message("as planned");
      ClientContext context;
      Message reply;
      EXPECT_THAT(stub->Fail(&context, plan, &reply),
                  IsStatus(static_cast<StatusCode>(code), "as planned"));
    }
  });
}

TEST_P(StatusTest, ClientMetadataArrivesUpToTheLimit) {
  ForEachKind([](TestService::Stub* stub) {
    const std::string bytes("\0\xff\n", 3);
    ClientContext context;
    context.AddMetadata("twice", "a");
    context.AddMetadata("twice", "b");
    context.AddMetadata("raw-bin", bytes);
    const size_t used = (kEntryBytes + 6) * 2 + kEntryBytes + 10;
    const std::string large(kMaxBytes - used - kEntryBytes - 5, 'x');
    context.AddMetadata("large", large);
    InfoReply reply;
    ASSERT_THAT(stub->Info(&context, Message(), &reply), IsOk());
    std::multimap<std::string, std::string> got;
    for (const Entry& entry : reply.metadata()) {
      got.emplace(entry.key(), entry.value());
    }
    EXPECT_EQ(got.count("twice"), 2u);
    EXPECT_EQ(got.find("raw-bin")->second, bytes);
    EXPECT_EQ(got.find("large")->second, large);
  });
}

TEST_P(StatusTest, ClientMetadataBeyondALimitIsInternalAndNothingIsSent) {
  ForEachKind([](TestService::Stub* stub) {
    Message reply;
    ClientContext bytes;
    bytes.AddMetadata("k", std::string(kMaxBytes - kEntryBytes, 'x'));
    EXPECT_THAT(stub->Echo(&bytes, Message(), &reply),
                IsStatus(INTERNAL, "metadata of 8193 bytes; the limit is"));
    EXPECT_FALSE(bytes.maybe_sent());
    ClientContext entries;
    for (size_t i = 0; i <= kMaxEntries; ++i) entries.AddMetadata("k", "v");
    EXPECT_THAT(stub->Echo(&entries, Message(), &reply),
                IsStatus(INTERNAL, "65 metadata entries; the limit is 64"));
    ClientContext key;
    key.AddMetadata("Upper", "v");
    EXPECT_THAT(stub->Echo(&key, Message(), &reply),
                IsStatus(INTERNAL, "metadata key 'Upper'"));
    ClientContext value;
    value.AddMetadata("text", "\x01");
    EXPECT_THAT(stub->Echo(&value, Message(), &reply),
                IsStatus(INTERNAL, "'text-bin'"));
  });
}

TEST_P(StatusTest, ServerMetadataHasTheSameLimits) {
  ForEachKind([](TestService::Stub* stub) {
    Message reply;
    {
      Plan plan;
      for (size_t i = 0; i < kMaxEntries; ++i) {
        AddEntry(plan.mutable_initial_metadata(), "i", "v");
      }
      const std::string large(kMaxBytes - kEntryBytes - 5, 'x');
      AddEntry(plan.mutable_trailing_metadata(), "large", large);
      ClientContext context;
      ASSERT_THAT(stub->Fail(&context, plan, &reply), IsOk());
      EXPECT_EQ(context.GetServerInitialMetadata().count("i"), kMaxEntries);
      EXPECT_EQ(ValueOf(context.GetServerTrailingMetadata(), "large"), large);
    }
    {
      Plan plan;
      plan.set_code(ABORTED);
      for (size_t i = 0; i <= kMaxEntries; ++i) {
        AddEntry(plan.mutable_trailing_metadata(), "i", "v");
      }
      ClientContext context;
      EXPECT_THAT(stub->Fail(&context, plan, &reply),
                  IsStatus(ABORTED, "65 metadata entries; the limit is 64"));
      EXPECT_TRUE(context.GetServerTrailingMetadata().empty());
    }
    {
      Plan plan;
      AddEntry(plan.mutable_initial_metadata(), "k",
               std::string(kMaxBytes - kEntryBytes, 'x'));
      ClientContext context;
      EXPECT_THAT(stub->Fail(&context, plan, &reply),
                  IsStatus(INTERNAL, "metadata of 8193 bytes"));
    }
  });
}

TEST_P(StatusTest, ARequestThatDoesNotParseEndsItsCallOnly) {
  for (const bool callback : {false, true}) {
    SCOPED_TRACE(callback ? "reactors" : "blocking handlers");
    ServerSettings settings;
    settings.callback = callback;
    const std::string name = callback ? "reactors" : "handlers";
    const Served served = Serve(settings, name);
    const std::shared_ptr<Channel> channel = DefaultChannel(Target(name));
    const auto stub = TestService::NewStub(channel);
    GenericStub generic(channel);
    // A length that promises more than follows.
    Slice slice(std::string("\x12\x7f short"));
    const ByteBuffer garbage(&slice, 1);
    for (int round = 0; round < 3; ++round) {
      ClientContext context;
      ByteBuffer reply;
      EXPECT_THAT(generic.UnaryCall(&context, "/nearcall.test.TestService/Echo",
                                    garbage, &reply),
                  IsStatus(INTERNAL, "not a message of the expected type"));
      ClientContext after;
      Message echoed;
      EXPECT_THAT(stub->Echo(&after, MakeMessage(10), &echoed), IsOk());
    }
  }
}

TEST_P(StatusTest, AReplyThatDoesNotParseIsInternal) {
  const Served served = Serve();
  // Echo's reply has bytes where this type has text.
  TemplatedGenericStub<Message, InfoReply> stub(DefaultChannel(Target()));
  Message request;
  request.set_payload("\xff");
  ClientContext context;
  InfoReply reply;
  EXPECT_THAT(
      stub.UnaryCall(&context, "/nearcall.test.TestService/Echo", request,
                     &reply),
      IsStatus(INTERNAL, "the reply is not a message of the expected type"));
}

INSTANTIATE_TEST_SUITE_P(
    All, StatusTest, ::testing::ValuesIn(AllTransports()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);

}  // namespace
}  // namespace nearcall::test
