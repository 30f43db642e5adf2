#include "codegen/model.h"

#include <gmock/gmock.h>
#include <google/protobuf/compiler/cpp/names.h>
#include <gtest/gtest.h>

#include "codegen/names.h"
#include "tests/codegen/parse.h"

namespace nearcall::codegen {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ModelTest : public ::testing::Test {
 protected:
  // The model of `text`, a proto3 file of `package` (which may be empty).
  absl::StatusOr<File> TryBuild(const std::string& package,
                                const std::string& text,
                                const std::string& parameter = "") {
    const std::string head =
        package.empty() ? "" : "package " + package + ";\n";
    const absl::StatusOr<Options> options = ParseOptions(parameter);
    EXPECT_TRUE(options.ok()) << options.status();
    return BuildModel(
        protos_.Add("dir/file.proto", "syntax = \"proto3\";\n" + head + text),
        *options);
  }

  File Build(const std::string& package, const std::string& text,
             const std::string& parameter = "") {
    absl::StatusOr<File> model = TryBuild(package, text, parameter);
    EXPECT_TRUE(model.ok()) << model.status();
    return model.ok() ? *std::move(model) : File();
  }

  Service BuildService(const std::string& methods) {
    File file =
        Build("p", "message M {} message N {} service S {" + methods + "}");
    EXPECT_EQ(file.services.size(), 1u);
    return file.services.empty() ? Service() : file.services[0];
  }

  static std::vector<std::string> NamesOf(const Service& service) {
    std::vector<std::string> names;
    for (const Method& method : service.methods) names.push_back(method.name);
    return names;
  }

  static std::vector<std::string> NamesOf(const File& file) {
    std::vector<std::string> names;
    for (const Service& service : file.services) names.push_back(service.name);
    return names;
  }

  Protos protos_;
};

TEST_F(ModelTest, FourShapesInDeclarationOrder) {
  const Service service = BuildService(
      "rpc U(M) returns (N); rpc C(stream M) returns (N);"
      "rpc S(M) returns (stream N); rpc B(stream M) returns (stream N);");
  ASSERT_THAT(NamesOf(service), ElementsAre("U", "C", "S", "B"));
  EXPECT_EQ(service.methods[0].shape, Shape::kUnary);
  EXPECT_EQ(service.methods[1].shape, Shape::kClientStreaming);
  EXPECT_EQ(service.methods[2].shape, Shape::kServerStreaming);
  EXPECT_EQ(service.methods[3].shape, Shape::kBidiStreaming);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(service.methods[i].index, i);
    EXPECT_EQ(service.methods[i].request, "::p::M");
    EXPECT_EQ(service.methods[i].response, "::p::N");
    EXPECT_EQ(service.methods[i].value_overloads, i == 0);
  }
  EXPECT_EQ(service.full_name, "p.S");
  EXPECT_EQ(service.methods[1].path, "/p.S/C");
}

TEST_F(ModelTest, NoPackage) {
  const File file =
      Build("", "message M {} service S { rpc Get(M) returns (M); }");
  EXPECT_EQ(file.name_space, "");
  EXPECT_EQ(file.services[0].full_name, "S");
  EXPECT_EQ(file.services[0].methods[0].path, "/S/Get");
  EXPECT_EQ(file.services[0].methods[0].request, "::M");
}

TEST_F(ModelTest, NestedAndImportedTypes) {
  protos_.Add("other/types.proto",
              "syntax = \"proto3\"; package other.v1; message Outer { message "
              "Inner {} }");
  const File file =
      Build("a.b",
            "import \"other/types.proto\"; message M {}\n"
            "service S { rpc Get(other.v1.Outer.Inner) returns (M); }");
  EXPECT_EQ(file.name_space, "a::b");
  EXPECT_EQ(file.services[0].methods[0].request, "::other::v1::Outer_Inner");
  EXPECT_EQ(file.services[0].methods[0].response, "::a::b::M");
}

TEST_F(ModelTest, KeywordsAreEscapedButNotOnTheWire) {
  const File file = Build("p",
                          "message M {} service class { rpc delete(M) returns "
                          "(M); rpc co_await(M) returns (M); }");
  EXPECT_EQ(file.services[0].name, "class_");
  EXPECT_EQ(file.services[0].full_name, "p.class");
  EXPECT_THAT(NamesOf(file.services[0]), ElementsAre("delete_", "co_await_"));
  EXPECT_EQ(file.services[0].methods[0].path, "/p.class/delete");
  EXPECT_EQ(file.services[0].methods[0].proto_name, "delete");
}

TEST_F(ModelTest, AnEscapedNameNeverTakesAnothersPlace) {
  const File file = Build("p",
                          "message M {} service class {} service class_ { "
                          "rpc int(M) returns (M); rpc int_(M) returns (M); }");
  EXPECT_THAT(NamesOf(file), ElementsAre("class__", "class_"));
  EXPECT_THAT(NamesOf(file.services[1]), ElementsAre("int__", "int_"));
}

TEST_F(ModelTest, NamesOfTheClassesOwnMembersAreEscaped) {
  const File file =
      Build("p",
            "message M {} service Service {} service Stub {} service Greeter { "
            "rpc Stub(M) returns (M); rpc Service(M) returns (M); "
            "rpc async(M) returns (M); rpc NewStub(M) returns (M); }");
  EXPECT_THAT(NamesOf(file), ElementsAre("Service_", "Stub_", "Greeter"));
  EXPECT_THAT(NamesOf(file.services[2]),
              ElementsAre("Stub_", "Service_", "async_", "NewStub"));
}

TEST_F(ModelTest, AServiceGivesWayToANestedMessagesClass) {
  const std::string text =
      "message Outer { message Inner {} } service Outer_Inner {}";
  EXPECT_THAT(NamesOf(Build("p", text)), ElementsAre("Outer_Inner_"));
}

TEST_F(ModelTest, InANamespaceOfItsOwnAServiceGivesWayToNoMessage) {
  const File file =
      Build("p", "message Outer { message Inner {} } service Outer_Inner {}",
            "services_namespace=rpc");
  EXPECT_EQ(file.name_space, "p::rpc");
  EXPECT_THAT(NamesOf(file), ElementsAre("Outer_Inner"));
}

TEST_F(ModelTest, MethodsAvoidAStreamsRawName) {
  const Service service = BuildService(
      "rpc Put(stream M) returns (N); rpc PutRaw(stream M) returns (N);"
      "rpc Get(M) returns (stream N); rpc GetRaw(M) returns (N);"
      "rpc See(M) returns (stream N); rpc SeeRaw(N) returns (stream N); rpc "
      "SeeRawRaw(N) returns (M);");
  EXPECT_THAT(NamesOf(service), ElementsAre("Put", "PutRaw_", "Get", "GetRaw",
                                            "See", "SeeRaw", "SeeRawRaw"));
  // The overload would have the parameters of Get's GetRaw.
  EXPECT_FALSE(service.methods[3].value_overloads);
}

TEST_F(ModelTest, CommentsKeepTheirBlocksAndLoseTrailingBlanks) {
  const File file = Build("p", R"(
    message M {}

    // Detached.

    // Leading.
    //   Indented.  
    service S {
      // Leading method.
      rpc Get(M) returns (M);  // Trailing.

      // A backslash \
      rpc Set(M) returns (M);
      rpc Bare(M) returns (M);
    })");
  const Service& service = file.services[0];
  EXPECT_THAT(service.comments,
              ElementsAre(" Detached.", "", " Leading.", "   Indented."));
  EXPECT_THAT(service.methods[0].comments,
              ElementsAre(" Leading method.", " Trailing."));
  EXPECT_THAT(service.methods[1].comments, ElementsAre(" A backslash \\ //"));
  EXPECT_THAT(service.methods[2].comments, IsEmpty());
}

TEST_F(ModelTest, PathsAndRootOfEachFlavor) {
  const std::string text = "message M {} service S { rpc Get(M) returns (M); }";
  const File own = Build("p", text);
  EXPECT_EQ(own.root, "::nearcall");
  EXPECT_EQ(own.header_path, "dir/file.nearcall.pb.h");
  EXPECT_EQ(own.source_path, "dir/file.nearcall.pb.cc");
  EXPECT_EQ(own.mock_path, "");
  ASSERT_EQ(own.includes.size(), 2u);
  EXPECT_EQ(own.includes[0].path, "dir/file.pb.h");
  EXPECT_EQ(own.includes[1].path, "nearcall/generated.h");
  EXPECT_TRUE(own.includes[1].system);
}

TEST_F(ModelTest, GrpcCompat) {
  const File file =
      Build("p", "message M {} service S { rpc Get(M) returns (M); }",
            "grpc_compat=true,generate_mock_code=true");
  EXPECT_EQ(file.root, "::grpc");
  EXPECT_EQ(file.header_path, "dir/file.grpc.pb.h");
  EXPECT_EQ(file.source_path, "dir/file.grpc.pb.cc");
  EXPECT_EQ(file.mock_path, "dir/file_mock.grpc.pb.h");
  EXPECT_FALSE(file.services[0].methods[0].value_overloads);
}

TEST_F(ModelTest, GenericServicesNeedANamespaceApart) {
  const std::string text =
      "option cc_generic_services = true; message M {} service S {}";
  const absl::StatusOr<File> refused = TryBuild("p", text);
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("services_namespace=NAME"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("p.S"));
}

// protoc decides how its headers spell a package; the services must open the
// very same namespace, and one that is no C++ must be refused here.
TEST_F(ModelTest, PackageWithAKeyword) {
  const auto& message =
      *protos_
           .Add("m.proto", "syntax = \"proto3\"; package a.class; message M {}")
           .message_type(0);
  EXPECT_EQ("::" + NamespaceOf("a.class") + "::M",
            google::protobuf::compiler::cpp::QualifiedClassName(&message));
  const absl::StatusOr<File> model = TryBuild("a.class", "service S {}");
  if (NamespaceOf("a.class") == "a::class_") {
    EXPECT_TRUE(model.ok()) << model.status();
  } else {
    EXPECT_THAT(std::string(model.status().message()),
                HasSubstr("the C++ keyword 'class'"));
  }
}

TEST(NamesTest, IncludeGuardsOfDifferentPathsDiffer) {
  EXPECT_NE(IncludeGuard("a_b.h"), IncludeGuard("a/b.h"));
  EXPECT_NE(IncludeGuard("a_b.h"), IncludeGuard("a-b.h"));
  EXPECT_EQ(IncludeGuard("a.h"), "NEARCALL_GENERATED_a_2eh_");
}

}  // namespace
}  // namespace nearcall::codegen
