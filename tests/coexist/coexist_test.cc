// gRPC and nearcall in one program, each with its standard services. That it
// starts at all is half of the test: two descriptors of one name would end it.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <gtest/gtest.h>
#include <nearcall/nearcall.h>

#include <memory>
#include <string>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/support/temp_runtime_dir.h"

namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

class CoexistTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    nearcall::EnableDefaultHealthCheckService(true);
  }

  nearcall::internal::TempRuntimeDir directory_;
};

TEST_F(CoexistTest, TheDescriptorsAreGrpcsAndTheProgramsOwn) {
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  for (const char* name :
       {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}) {
    EXPECT_NE(pool->FindServiceByName(name), nullptr) << name;
  }
}

TEST_F(CoexistTest, BothAnswerHealthChecks) {
  const std::string target = "unix:" + directory_.path() + "/grpc.sock";
  grpc::ServerBuilder grpc_builder;
  grpc_builder.AddListeningPort(target, grpc::InsecureServerCredentials());
  const std::unique_ptr<grpc::Server> grpc_server =
      grpc_builder.BuildAndStart();
  ASSERT_NE(grpc_server, nullptr);
  grpc_server->GetHealthCheckService()->SetServingStatus("disk", false);

  nearcall::ServerBuilder builder;
  builder.AddListeningPort("unix:near", nearcall::InsecureServerCredentials());
  const std::unique_ptr<nearcall::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  // docs:begin health
  server->GetHealthCheckService()->SetServingStatus("disk", false);
  // docs:end health

  HealthCheckRequest request;
  request.set_service("disk");
  HealthCheckResponse grpc_response;
  grpc::ClientContext grpc_context;
  EXPECT_TRUE(
      grpc::health::v1::Health::NewStub(
          grpc::CreateChannel(target, grpc::InsecureChannelCredentials()))
          ->Check(&grpc_context, request, &grpc_response)
          .ok());
  EXPECT_EQ(grpc_response.status(), HealthCheckResponse::NOT_SERVING);

  nearcall::TemplatedGenericStub<HealthCheckRequest, HealthCheckResponse> stub(
      nearcall::CreateChannel("unix:near",
                              nearcall::InsecureChannelCredentials()));
  HealthCheckResponse response;
  nearcall::ClientContext context;
  const nearcall::Status status = stub.UnaryCall(
      &context, "/grpc.health.v1.Health/Check", request, &response);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
}

// The bytes of a request with one field, which is below 16 and short.
std::string Question(int field, const std::string& name) {
  return std::string{static_cast<char>(field << 3 | 2),
                     static_cast<char>(name.size())} +
         name;
}

nearcall::Status Reflect(const std::string& question, std::string* answer) {
  using nearcall::ByteBuffer;
  nearcall::TemplatedGenericStub<ByteBuffer, ByteBuffer> stub(
      nearcall::CreateChannel("unix:near",
                              nearcall::InsecureChannelCredentials()));
  nearcall::ClientContext context;
  const auto stream = stub.BidiStreamingCall(
      &context,
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
  const nearcall::Slice slice(question);
  stream->Write(ByteBuffer(&slice, 1));
  stream->WritesDone();
  ByteBuffer bytes;
  nearcall::Slice whole;
  while (stream->Read(&bytes)) {
    if (!bytes.DumpToSingleSlice(&whole).ok()) break;
    answer->assign(reinterpret_cast<const char*>(whole.begin()), whole.size());
  }
  return stream->Finish();
}

TEST_F(CoexistTest, ReflectionDescribesTheProgramsOwnCopy) {
  nearcall::ServerBuilder builder;
  builder.AddListeningPort("unix:near", nearcall::InsecureServerCredentials());
  const std::unique_ptr<nearcall::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  constexpr int kFileContainingSymbol = 4;
  std::string answer;
  const nearcall::Status status = Reflect(
      Question(kFileContainingSymbol, "grpc.health.v1.Health"), &answer);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_THAT(answer, ::testing::HasSubstr("grpc/health/v1/health.proto"));
}

TEST_F(CoexistTest, ReflectionCanBeOff) {
  nearcall::ServerBuilder builder;
  builder.AddListeningPort("unix:near", nearcall::InsecureServerCredentials());
  // docs:begin reflection
  builder.SetReflection(nearcall::Reflection::kOff);
  // docs:end reflection
  const std::unique_ptr<nearcall::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  std::string answer;
  EXPECT_EQ(Reflect(Question(7, "*"), &answer).error_code(),
            nearcall::UNIMPLEMENTED);
}

}  // namespace
