// Server reflection as the library answers it, by gRPC's own description.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "grpc/reflection/v1/reflection.nearcall.pb.h"
#include "tests/call/call_test.h"

namespace nearcall::test {
namespace {

using ::google::protobuf::DescriptorPool;
using ::google::protobuf::FileDescriptorProto;
using ::grpc::reflection::v1::ServerReflection;
using Request = ::grpc::reflection::v1::ServerReflectionRequest;
using Response = ::grpc::reflection::v1::ServerReflectionResponse;
using Stream = std::unique_ptr<ClientReaderWriter<Request, Response>>;
using ::testing::ElementsAre;

constexpr char kMethod[] =
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
// Its messages have other names and the same fields.
constexpr char kAlphaMethod[] =
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
// A type with extensions, and the file that has them.
constexpr char kExtended[] = "google.protobuf.FieldOptions";
constexpr char kExtending[] = "nearcall/config.proto";

class ReflectionTest : public CallTest {
 protected:
  void Start(Reflection reflection) {
    ServerSettings settings;
    settings.health = true;
    settings.reflection = reflection;
    served_ = Serve(std::move(settings));
    channel_ = MakeChannel(Target());
  }
  /// Open to this test, however little the transport says of it.
  void Start() {
    Start(transport().tells_uid ? Reflection::kSameUser
                                : Reflection::kEverybody);
  }
  Stream Open(ClientContext* context, const char* method = kMethod) {
    return TemplatedGenericStub<Request, Response>(channel_).BidiStreamingCall(
        context, method);
  }
  Response Ask(const Request& request, const char* method = kMethod) {
    ClientContext context;
    const Stream stream = Open(&context, method);
    Response response;
    EXPECT_TRUE(stream->Write(request));
    EXPECT_TRUE(stream->Read(&response));
    EXPECT_TRUE(stream->WritesDone());
    EXPECT_THAT(stream->Finish(), IsOk());
    return response;
  }
  Response AskSymbol(const std::string& symbol) {
    Request request;
    request.set_file_containing_symbol(symbol);
    return Ask(request);
  }
  Response AskExtension(const std::string& type, int number) {
    Request request;
    request.mutable_file_containing_extension()->set_containing_type(type);
    request.mutable_file_containing_extension()->set_extension_number(number);
    return Ask(request);
  }
  /// How the stream ends for a client that asks one question.
  Status EndOf(const char* method = kMethod) {
    ClientContext context;
    const Stream stream = Open(&context, method);
    Request request;
    request.set_list_services("");
    stream->Write(request);
    Response response;
    EXPECT_FALSE(stream->Read(&response));
    return stream->Finish();
  }

  Served served_;
  std::shared_ptr<Channel> channel_;
};

std::vector<FileDescriptorProto> FilesOf(const Response& response) {
  std::vector<FileDescriptorProto> files;
  for (const std::string& bytes :
       response.file_descriptor_response().file_descriptor_proto()) {
    EXPECT_TRUE(files.emplace_back().ParseFromString(bytes));
  }
  return files;
}

std::string FirstFile(const Response& response) {
  const std::vector<FileDescriptorProto> files = FilesOf(response);
  return files.empty() ? response.ShortDebugString() : files[0].name();
}

Status ErrorOf(const Response& response) {
  return Status(static_cast<StatusCode>(response.error_response().error_code()),
                response.error_response().error_message());
}

TEST_P(ReflectionTest, BothVersionsListTheServices) {
  Start();
  Request request;
  request.set_host("somebody");
  request.set_list_services("*");
  for (const char* method : {kMethod, kAlphaMethod}) {
    const Response response = Ask(request, method);
    std::vector<std::string> names;
    for (const auto& service : response.list_services_response().service()) {
      names.push_back(service.name());
    }
    EXPECT_THAT(names,
                ElementsAre("grpc.health.v1.Health",
                            "grpc.reflection.v1.ServerReflection",
                            "grpc.reflection.v1alpha.ServerReflection",
                            "nearcall.test.Control", "nearcall.test.Operator",
                            "nearcall.test.TestService"));
    EXPECT_EQ(response.valid_host(), "somebody");
    EXPECT_EQ(response.original_request().SerializeAsString(),
              request.SerializeAsString());
  }
}

TEST_P(ReflectionTest, AFileComesWithAllItsImports) {
  Start();
  Request request;
  request.set_file_by_filename(kExtending);
  const std::vector<FileDescriptorProto> files = FilesOf(Ask(request));
  ASSERT_GE(files.size(), 2u);
  EXPECT_EQ(files[0].name(), kExtending);
  // As a client does, which knows nothing else: imports first.
  DescriptorPool pool;
  for (size_t i = files.size(); i-- > 0;) {
    EXPECT_NE(pool.BuildFile(files[i]), nullptr) << files[i].name();
  }
}

TEST_P(ReflectionTest, SymbolsOfEachKindAreFound) {
  Start();
  for (const char* symbol :
       {"nearcall.test.TestService", "nearcall.test.TestService.Echo",
        "nearcall.test.Message", "nearcall.test.Message.payload"}) {
    EXPECT_EQ(FirstFile(AskSymbol(symbol)), "test.proto") << symbol;
  }
}

TEST_P(ReflectionTest, WhatIsNotThereIsAnErrorThatNamesIt) {
  Start();
  EXPECT_THAT(ErrorOf(AskSymbol("no.Such")),
              IsStatus(NOT_FOUND, "symbol 'no.Such'"));
  Request request;
  request.set_file_by_filename("no/such.proto");
  EXPECT_THAT(ErrorOf(Ask(request)),
              IsStatus(NOT_FOUND, "file 'no/such.proto'"));
  request.set_all_extension_numbers_of_type("no.Type");
  EXPECT_THAT(ErrorOf(Ask(request)), IsStatus(NOT_FOUND, "type 'no.Type'"));
  EXPECT_THAT(ErrorOf(AskExtension("no.Type", 1)),
              IsStatus(NOT_FOUND, "type 'no.Type'"));
  EXPECT_THAT(
      ErrorOf(AskExtension(kExtended, 99)),
      IsStatus(NOT_FOUND, "extension 'google.protobuf.FieldOptions 99'"));
  EXPECT_THAT(ErrorOf(Ask(Request())), IsStatus(UNIMPLEMENTED, ""));
}

TEST_P(ReflectionTest, AServiceWithoutDescriptionIsKnownByNameOnly) {
  Start();
  EXPECT_THAT(ErrorOf(AskSymbol("grpc.health.v1.Health")),
              IsStatus(NOT_FOUND, "no description of it"));
}

TEST_P(ReflectionTest, ExtensionsAreFound) {
  Start();
  Request request;
  request.set_all_extension_numbers_of_type(kExtended);
  const Response response = Ask(request);
  const auto& answer = response.all_extension_numbers_response();
  EXPECT_EQ(answer.base_type_name(), kExtended);
  ASSERT_GT(answer.extension_number_size(), 0);
  for (const int number : answer.extension_number()) {
    EXPECT_EQ(FirstFile(AskExtension(kExtended, number)), kExtending);
  }
}

TEST_P(ReflectionTest, AStreamAnswersUntilItsClientIsDone) {
  Start();
  ClientContext context;
  const Stream stream = Open(&context);
  Request request;
  Response response;
  for (const char* symbol :
       {"no.Such", "nearcall.test.Message", "no.Such.Either"}) {
    request.set_file_containing_symbol(symbol);
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.original_request().file_containing_symbol(), symbol);
  }
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_THAT(stream->Finish(), IsOk());
}

TEST_P(ReflectionTest, AnOpenStreamDoesNotHoldUpTheServersShutdown) {
  Start();
  ClientContext context;
  const Stream stream = Open(&context);
  Request request;
  request.set_list_services("");
  Response response;
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  ClientContext operating;
  ServingState reply;
  EXPECT_THAT(Operator::NewStub(channel_)->Shutdown(&operating, {}, &reply),
              IsOk());
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_THAT(stream->Finish(), IsStatus(UNAVAILABLE, "shutting down"));
}

TEST_P(ReflectionTest, ByDefaultItIsForTheServersUser) {
  Start(Reflection::kSameUser);
  if (transport().tells_uid) {
    EXPECT_EQ(FirstFile(AskSymbol("nearcall.test.Message")), "test.proto");
  } else {
    EXPECT_THAT(EndOf(), IsStatus(PERMISSION_DENIED, "SetReflection"));
  }
}

TEST_P(ReflectionTest, ItCanBeOff) {
  Start(Reflection::kOff);
  for (const char* method : {kMethod, kAlphaMethod}) {
    EXPECT_THAT(EndOf(method), IsStatus(UNIMPLEMENTED, "unknown service"));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Transports, ReflectionTest, ::testing::ValuesIn(AllTransports()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);

class OwnReflection final : public ServerReflection::Service {
  Status ServerReflectionInfo(ServerContext*,
                              ServerReaderWriter<Response, Request>*) override {
    return Status(ABORTED, "the program's own");
  }
};

TEST(OwnReflectionTest, AServiceOfTheProgramsOwnAnswers) {
  OwnReflection service;
  ServerBuilder builder;
  builder.AddListeningPort("inproc:own", InsecureServerCredentials());
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  const auto channel = MakeChannel("inproc:own");
  ClientContext context;
  EXPECT_THAT(ServerReflection::NewStub(channel)
                  ->ServerReflectionInfo(&context)
                  ->Finish(),
              IsStatus(ABORTED, "the program's own"));
}

// Over TCP, where the kernel does not tell the user.
TEST(DefaultReflectionTest, GrpcsCallOpensItToEverybody) {
  const internal::TempRuntimeDir directory;
  const auto list = [] {
    ServerBuilder builder;
    builder.AddListeningPort("tcp:localhost:0", InsecureServerCredentials());
    const auto server = builder.BuildAndStart();
    ClientContext context;
    const auto stream =
        ServerReflection::NewStub(MakeChannel(server->addresses().front()))
            ->ServerReflectionInfo(&context);
    stream->WritesDone();
    return stream->Finish();
  };
  EXPECT_THAT(list(), IsStatus(PERMISSION_DENIED, "SetReflection"));
  reflection::InitProtoReflectionServerBuilderPlugin();
  EXPECT_THAT(list(), IsOk());
}

}  // namespace
}  // namespace nearcall::test
