#include "runtime/service_config.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "nearcall/service_config.pb.h"
#include "runtime/absl_view.h"
#include "runtime/deadline.h"

namespace nearcall::internal {
namespace {

constexpr int kMostAttempts = 5;  // gRPC's.
constexpr int64_t kNanosPerSecond = 1'000'000'000;
// What 64 bits of nanoseconds hold.
constexpr int64_t kMostSeconds = 9'000'000'000;

int64_t Nanos(const google::protobuf::Duration& duration) {
  return std::min(duration.seconds(), kMostSeconds) * kNanosPerSecond +
         duration.nanos();
}

absl::Status Wrong(std::string_view source, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      AbslView(source), ": the service config's ", AbslView(what)));
}

absl::StatusOr<RetryPolicy> RetryOf(
    const config::MethodConfig::RetryPolicy& given, std::string_view source) {
  RetryPolicy retry;
  if (given.max_attempts() < 2) {
    return Wrong(source, "retryPolicy.maxAttempts must be 2 or more");
  }
  retry.max_attempts =
      static_cast<int>(std::min<uint32_t>(given.max_attempts(), kMostAttempts));
  retry.initial_backoff_nanos = Nanos(given.initial_backoff());
  retry.max_backoff_nanos = Nanos(given.max_backoff());
  if (retry.initial_backoff_nanos <= 0 || retry.max_backoff_nanos <= 0) {
    return Wrong(source,
                 "retryPolicy.initialBackoff and maxBackoff must be times "
                 "above 0, such as \"0.01s\"");
  }
  retry.backoff_multiplier = given.backoff_multiplier();
  if (!(retry.backoff_multiplier > 0)) {
    return Wrong(source, "retryPolicy.backoffMultiplier must be above 0");
  }
  for (const int code : given.retryable_status_codes()) {
    if (config::MethodConfig::Code_IsValid(code)) retry.retryable |= 1u << code;
  }
  if (retry.retryable == 0) {
    return Wrong(source,
                 "retryPolicy.retryableStatusCodes must have a status code");
  }
  return retry;
}

absl::StatusOr<MethodConfig> MethodOf(const config::MethodConfig& given,
                                      std::string_view source) {
  MethodConfig method;
  if (given.has_wait_for_ready()) {
    method.wait_for_ready = given.wait_for_ready().value();
  }
  if (given.has_timeout()) {
    method.timeout_nanos = Nanos(given.timeout());
    if (*method.timeout_nanos < 0) {
      return Wrong(source, "timeout must not be below 0");
    }
  }
  if (given.has_max_request_message_bytes()) {
    method.max_request_bytes = given.max_request_message_bytes().value();
  }
  if (given.has_max_response_message_bytes()) {
    method.max_response_bytes = given.max_response_message_bytes().value();
  }
  if (given.has_retry_policy()) {
    absl::StatusOr<RetryPolicy> retry = RetryOf(given.retry_policy(), source);
    if (!retry.ok()) return retry.status();
    method.retry = *retry;
  }
  return method;
}

}  // namespace

int64_t RetryPolicy::Backoff(int failed) const {
  double nanos = static_cast<double>(initial_backoff_nanos);
  for (int i = 0; i < failed; ++i) nanos *= backoff_multiplier;
  nanos = std::min(nanos, static_cast<double>(max_backoff_nanos));
  std::minstd_rand random(static_cast<uint32_t>(MonotonicNanos()));
  return static_cast<int64_t>(
      nanos * std::uniform_real_distribution<>(0.8, 1.2)(random));
}

absl::StatusOr<std::shared_ptr<const ServiceConfig>> ServiceConfig::Parse(
    std::string_view json, std::string_view source) {
  config::ServiceConfig given;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto parsed = google::protobuf::util::JsonStringToMessage(
      std::string(json), &given, options);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        AbslView(source), ": the service config is not JSON of gRPC's form: ",
        std::string(parsed.message())));
  }
  auto result = std::make_shared<ServiceConfig>();
  for (const config::MethodConfig& entry : given.method_config()) {
    absl::StatusOr<MethodConfig> checked = MethodOf(entry, source);
    if (!checked.ok()) return checked.status();
    const auto method = std::make_shared<const MethodConfig>(*checked);
    for (const config::MethodConfig::Name& name : entry.name()) {
      if (name.service().empty() && !name.method().empty()) {
        return Wrong(source, absl::StrCat("name has the method '",
                                          name.method(), "' of no service"));
      }
      const std::string key =
          name.service().empty()
              ? std::string()
              : absl::StrCat("/", name.service(), "/", name.method());
      if (!result->methods_.emplace(key, method).second) {
        return Wrong(source, absl::StrCat("methodConfig has '", key,
                                          "' more than once"));
      }
    }
  }
  return std::shared_ptr<const ServiceConfig>(std::move(result));
}

const MethodConfig* ServiceConfig::Find(std::string_view path) const {
  const size_t slash = path.rfind('/');
  const std::string_view service =
      path.substr(0, slash == path.npos ? 0 : slash + 1);
  for (const std::string_view key : {path, service, std::string_view()}) {
    const auto found = methods_.find(AbslView(key));
    if (found != methods_.end()) return found->second.get();
  }
  return nullptr;
}

}  // namespace nearcall::internal
