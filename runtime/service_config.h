// A channel's service config: what gRPC's JSON says of calls to its methods.
#ifndef NEARCALL_RUNTIME_SERVICE_CONFIG_H_
#define NEARCALL_RUNTIME_SERVICE_CONFIG_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"

namespace nearcall::internal {

struct RetryPolicy {
  int max_attempts = 0;  ///< The first one included.
  int64_t initial_backoff_nanos = 0;
  int64_t max_backoff_nanos = 0;
  double backoff_multiplier = 0;
  uint32_t retryable = 0;  ///< Bit N: the status code N.

  /// After `failed` attempts more than one: grows to the maximum, and is up to
  /// a fifth shorter or longer, so that callers spread. Nanoseconds.
  int64_t Backoff(int failed) const;
  bool Retries(int code) const { return (retryable >> code & 1) != 0; }
};

struct MethodConfig {
  std::optional<bool> wait_for_ready;  ///< Where the context does not say.
  std::optional<int64_t> timeout_nanos;
  std::optional<uint32_t> max_request_bytes;
  std::optional<uint32_t> max_response_bytes;
  std::optional<RetryPolicy> retry;
};

/// Immutable.
class ServiceConfig {
 public:
  /// `json` as ChannelArguments::SetServiceConfigJSON takes it. `source` names
  /// it in messages. INVALID_ARGUMENT: no JSON, or a value that cannot be;
  /// unknown fields are ignored, as gRPC does.
  static absl::StatusOr<std::shared_ptr<const ServiceConfig>> Parse(
      std::string_view json, std::string_view source);

  /// For "/package.Service/Method": the entry of the method, else of its
  /// service, else the one without names; null: none.
  const MethodConfig* Find(std::string_view path) const;

 private:
  /// By "/service/method", "/service/" and "".
  absl::flat_hash_map<std::string, std::shared_ptr<const MethodConfig>>
      methods_;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_SERVICE_CONFIG_H_
