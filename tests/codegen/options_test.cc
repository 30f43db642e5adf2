#include "codegen/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nearcall::codegen {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string ErrorOf(const std::string& parameter) {
  return std::string(ParseOptions(parameter).status().message());
}

TEST(OptionsTest, DefaultsAreThoseOfTheGrpcPlugin) {
  const absl::StatusOr<Options> options = ParseOptions("");
  ASSERT_TRUE(options.ok());
  EXPECT_FALSE(options->generate_mock_code);
  EXPECT_FALSE(options->grpc_compat);
  EXPECT_FALSE(options->include_import_headers);
  EXPECT_TRUE(options->use_system_headers);
  EXPECT_EQ(options->services_namespace, "");
  EXPECT_EQ(options->grpc_search_path, "");
  EXPECT_EQ(options->gmock_search_path, "");
  EXPECT_EQ(options->message_header_extension, ".pb.h");
  EXPECT_THAT(options->additional_header_includes, IsEmpty());
}

TEST(OptionsTest, ReadsEachOption) {
  const absl::StatusOr<Options> options = ParseOptions(
      "generate_mock_code=true,grpc_compat,include_import_headers=true,use_"
      "system_headers=false,"
      "services_namespace=a::b,grpc_search_path=g,gmock_search_path=m,message_"
      "header_extension=.h,"
      "additional_header_includes=x.h:y/z.h");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_TRUE(options->generate_mock_code);
  EXPECT_TRUE(options->grpc_compat);
  EXPECT_TRUE(options->include_import_headers);
  EXPECT_FALSE(options->use_system_headers);
  EXPECT_EQ(options->services_namespace, "a::b");
  EXPECT_EQ(options->grpc_search_path, "g");
  EXPECT_EQ(options->gmock_search_path, "m");
  EXPECT_EQ(options->message_header_extension, ".h");
  EXPECT_THAT(options->additional_header_includes, ElementsAre("x.h", "y/z.h"));
}

TEST(OptionsTest, TheLastOfTwoCounts) {
  const absl::StatusOr<Options> options =
      ParseOptions("grpc_compat=true,grpc_compat=false");
  ASSERT_TRUE(options.ok());
  EXPECT_FALSE(options->grpc_compat);
}

TEST(OptionsTest, AnUnknownOptionListsTheKnownOnes) {
  const std::string error = ErrorOf("services_namespaces=x");
  EXPECT_THAT(error, HasSubstr("unknown option 'services_namespaces'"));
  for (const char* known :
       {"generate_mock_code", "grpc_compat", "include_import_headers",
        "use_system_headers", "additional_header_includes", "gmock_search_path",
        "grpc_search_path", "message_header_extension", "services_namespace"}) {
    EXPECT_THAT(error, HasSubstr(known));
  }
}

TEST(OptionsTest, AFlagIsTrueOrFalse) {
  EXPECT_EQ(ErrorOf("grpc_compat=yes"),
            "option grpc_compat is 'yes': use true or false");
}

}  // namespace
}  // namespace nearcall::codegen
