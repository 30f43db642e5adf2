#include "runtime/service_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nearcall::internal {
namespace {

using ::testing::HasSubstr;

std::shared_ptr<const ServiceConfig> Parsed(const std::string& json) {
  auto result = ServiceConfig::Parse(json, "test");
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *result : nullptr;
}

std::string Mistake(const std::string& json) {
  const auto result = ServiceConfig::Parse(json, "test");
  return result.ok() ? "none" : std::string(result.status().message());
}

TEST(ServiceConfigTest, TheNearestNameCounts) {
  const auto config = Parsed(R"({"methodConfig": [
    {"name": [{}], "timeout": "1s"},
    {"name": [{"service": "p.S"}], "timeout": "2s"},
    {"name": [{"service": "p.S", "method": "M"}, {"service": "p.T", "method": "M"}],
     "timeout": "3.5s"}]})");
  ASSERT_NE(config, nullptr);
  const auto timeout = [&config](const char* path) {
    return config->Find(path)->timeout_nanos;
  };
  EXPECT_EQ(timeout("/p.S/M"), 3'500'000'000);
  EXPECT_EQ(timeout("/p.T/M"), 3'500'000'000);
  EXPECT_EQ(timeout("/p.S/N"), 2'000'000'000);
  EXPECT_EQ(timeout("/p.T/N"), 1'000'000'000);
}

TEST(ServiceConfigTest, AMethodWithoutAnEntryHasNone) {
  const auto config = Parsed(
      R"({"methodConfig": [{"name": [{"service": "p.S", "method": "M"}]}]})");
  EXPECT_EQ(config->Find("/p.S/N"), nullptr);
  EXPECT_EQ(config->Find("/p.S/M")->timeout_nanos, std::nullopt);
  EXPECT_EQ(Parsed("{}")->Find("/p.S/M"), nullptr);
}

TEST(ServiceConfigTest, EveryFieldOfAMethod) {
  const auto config = Parsed(R"({
    "loadBalancingPolicy": "round_robin", "unknown": {"deep": [1]},
    "methodConfig": [{
      "name": [{"service": "p.S"}], "waitForReady": true,
      "maxRequestMessageBytes": 1024, "maxResponseMessageBytes": 2048,
      "hedgingPolicy": {"maxAttempts": 3},
      "retryPolicy": {"maxAttempts": 9, "initialBackoff": "0.01s",
        "maxBackoff": "1s", "backoffMultiplier": 1.5,
        "retryableStatusCodes": ["UNAVAILABLE", 10]}}]})");
  const MethodConfig* method = config->Find("/p.S/M");
  EXPECT_EQ(method->wait_for_ready, true);
  EXPECT_EQ(method->max_request_bytes, 1024u);
  EXPECT_EQ(method->max_response_bytes, 2048u);
  ASSERT_TRUE(method->retry.has_value());
  EXPECT_EQ(method->retry->max_attempts, 5);
  EXPECT_EQ(method->retry->initial_backoff_nanos, 10'000'000);
  EXPECT_EQ(method->retry->max_backoff_nanos, 1'000'000'000);
  EXPECT_EQ(method->retry->backoff_multiplier, 1.5);
  EXPECT_TRUE(method->retry->Retries(14));
  EXPECT_TRUE(method->retry->Retries(10));
  EXPECT_FALSE(method->retry->Retries(13));
}

TEST(ServiceConfigTest, Mistakes) {
  EXPECT_THAT(Mistake("{"), HasSubstr("test: the service config is not JSON"));
  EXPECT_THAT(Mistake(R"({"methodConfig": [{"timeout": "soon"}]})"),
              HasSubstr("is not JSON of gRPC's form"));
  EXPECT_THAT(Mistake(R"({"methodConfig": [{"timeout": "-1s"}]})"),
              HasSubstr("timeout must not be below 0"));
  EXPECT_THAT(Mistake(R"({"methodConfig": [{"name": [{"method": "M"}]}]})"),
              HasSubstr("the method 'M' of no service"));
  EXPECT_THAT(Mistake(R"({"methodConfig": [{"name": [{}]}, {"name": [{}]}]})"),
              HasSubstr("more than once"));
  const auto retry = [](const std::string& policy) {
    return Mistake(R"({"methodConfig": [{"retryPolicy": {)" + policy + "}}]}");
  };
  EXPECT_THAT(retry(R"("maxAttempts": 1)"), HasSubstr("maxAttempts"));
  EXPECT_THAT(retry(R"("maxAttempts": 2)"), HasSubstr("initialBackoff"));
  const std::string backoff =
      R"("maxAttempts": 2, "initialBackoff": "1s", "maxBackoff": "1s")";
  EXPECT_THAT(retry(backoff), HasSubstr("backoffMultiplier"));
  EXPECT_THAT(retry(backoff + R"(, "backoffMultiplier": 2)"),
              HasSubstr("retryableStatusCodes"));
}

}  // namespace
}  // namespace nearcall::internal
