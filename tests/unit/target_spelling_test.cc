// gRPC's spellings of an address.
#include "runtime/target_spelling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace nearcall::internal {
namespace {

using ::testing::HasSubstr;

std::string Parsed(const std::string& target) {
  const absl::StatusOr<std::optional<HostPort>> address =
      ParseGrpcSpelling(target);
  if (!address.ok()) return "error";
  return address->has_value() ? HostPortText(**address) : "none";
}

TEST(TargetSpelling, EachOfGrpcsFormsNamesItsAddress) {
  EXPECT_EQ(Parsed("localhost:50051"), "localhost:50051");
  EXPECT_EQ(Parsed("127.0.0.1:50051"), "127.0.0.1:50051");
  EXPECT_EQ(Parsed("0.0.0.0:0"), "0.0.0.0:0");
  EXPECT_EQ(Parsed("my_host-1.example.org:80"), "my_host-1.example.org:80");
  EXPECT_EQ(Parsed("[::]:50051"), "[::]:50051");
  EXPECT_EQ(Parsed("[::1]:50051"), "[::1]:50051");
  EXPECT_EQ(Parsed("dns:localhost:50051"), "localhost:50051");
  EXPECT_EQ(Parsed("dns:/localhost:50051"), "localhost:50051");
  EXPECT_EQ(Parsed("dns:///localhost:50051"), "localhost:50051");
  EXPECT_EQ(Parsed("dns:///[::1]:50051"), "[::1]:50051");
  EXPECT_EQ(Parsed("ipv4:127.0.0.1:50051"), "127.0.0.1:50051");
  EXPECT_EQ(Parsed("ipv4:///127.0.0.1:50051"), "127.0.0.1:50051");
  EXPECT_EQ(Parsed("ipv6:[::1]:50051"), "[::1]:50051");
  EXPECT_EQ(Parsed("ipv6:%5B::1%5D:50051"), "[::1]:50051");
}

TEST(TargetSpelling, OtherTargetsAreNone) {
  for (const char* target :
       {"greeter", "shm:greeter", "unix:/run/a.sock", "unix:a:b", "", ":50051",
        "localhost:", "localhost:http", "::1", "a b:1",
        "tcpp:localhost:50051"}) {
    EXPECT_EQ(Parsed(target), "none") << target;
  }
}

TEST(TargetSpelling, WhatHasNoMeaningHereIsAnError) {
  const auto error = [](const char* target) {
    return ParseGrpcSpelling(target).status();
  };
  for (const char* target :
       {"dns://8.8.8.8/host:1", "ipv4:127.0.0.1:1,127.0.0.1:2", "dns:host",
        "ipv4:localhost:1", "ipv6:127.0.0.1:1", "ipv6:[::1]", "host:65536",
        "[host]:1", "dns:", "dns:a:b:1"}) {
    EXPECT_EQ(error(target).code(), absl::StatusCode::kInvalidArgument)
        << target;
    EXPECT_THAT(std::string(error(target).message()), HasSubstr("'"));
  }
  EXPECT_THAT(std::string(error("dns://8.8.8.8/host:1").message()),
              HasSubstr("grpc:"));
  EXPECT_THAT(std::string(error("dns:host").message()),
              HasSubstr("has no port"));
}

TEST(TargetSpelling, OneMachineHasOneNameInTheConfiguration) {
  for (const char* target :
       {"localhost:50051", "LOCALHOST:50051", "127.0.0.1:50051",
        "0.0.0.0:50051", "[::]:50051", "[::1]:50051", "dns:localhost:50051",
        "dns:///localhost:50051", "ipv4:127.0.0.1:50051",
        "ipv6:[0:0:0:0:0:0:0:1]:50051"}) {
    EXPECT_EQ(ConfigurationName(target), "localhost:50051") << target;
  }
  EXPECT_EQ(ConfigurationName("dns:///example.org:1"), "example.org:1");
  EXPECT_EQ(ConfigurationName("greeter"), "greeter");
  EXPECT_EQ(ConfigurationName("shm:greeter"), "shm:greeter");
  EXPECT_EQ(ConfigurationName("dns:example.org"), "dns:example.org");
}

TEST(TargetSpelling, LoopbackAndWildcard) {
  EXPECT_TRUE(IsLoopbackHost("127.1.2.3"));
  EXPECT_TRUE(IsLoopbackHost("::1"));
  EXPECT_FALSE(IsLoopbackHost("127.example.org"));
  EXPECT_FALSE(IsLoopbackHost("192.168.0.1"));
  EXPECT_FALSE(IsLoopbackHost("::"));
  EXPECT_TRUE(IsWildcardHost("0.0.0.0"));
  EXPECT_TRUE(IsWildcardHost("::"));
  EXPECT_FALSE(IsWildcardHost("::1"));
}

}  // namespace
}  // namespace nearcall::internal
