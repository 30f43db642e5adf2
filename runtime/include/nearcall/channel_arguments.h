// Options of a channel from code. What the configuration says of the target
// wins.
#ifndef NEARCALL_CHANNEL_ARGUMENTS_H_
#define NEARCALL_CHANNEL_ARGUMENTS_H_

#include <nearcall/buffering.h>
#include <nearcall/resource_quota.h>

#include <map>
#include <optional>
#include <string>
#include <variant>

namespace nearcall {

/// Copyable; gRPC's argument names. One thread at a time.
class ChannelArguments {
 public:
  using Value = std::variant<int, std::string, void*>;

  void SetInt(const std::string& key, int value) { values_[key] = value; }
  void SetString(const std::string& key, const std::string& value) {
    values_[key] = value;
  }
  void SetPointer(const std::string& key, void* value) { values_[key] = value; }

  /// Put before "nearcall/VERSION" in the user-agent that servers see.
  void SetUserAgentPrefix(const std::string& prefix) {
    SetString("grpc.primary_user_agent", prefix);
  }
  /// Bytes; -1: no limit. Default: 4 MiB received, no limit sent.
  void SetMaxReceiveMessageSize(int bytes) {
    SetInt("grpc.max_receive_message_length", bytes);
  }
  void SetMaxSendMessageSize(int bytes) {
    SetInt("grpc.max_send_message_length", bytes);
  }

  /// gRPC's service config: the methods' timeouts, waitForReady, message limits
  /// and (for unary calls) retryPolicy; what else is in it is ignored. A
  /// mistake in it ends every call of the channel with INVALID_ARGUMENT. The
  /// configuration's own for the target wins, as a whole.
  void SetServiceConfigJSON(const std::string& service_config_json) {
    SetString("grpc.service_config", service_config_json);
  }

  /// gRPC's arguments for what a connection inside one machine does not have:
  /// they are kept, and change nothing.
  void SetCompressionAlgorithm(int algorithm) {
    SetInt("grpc.default_compression_algorithm", algorithm);
  }
  void SetLoadBalancingPolicyName(const std::string& name) {
    SetString("grpc.lb_policy_name", name);
  }
  void SetGrpclbFallbackTimeout(int milliseconds) {
    SetInt("grpc.grpclb_fallback_timeout_ms", milliseconds);
  }
  void SetSslTargetNameOverride(const std::string& name) {
    SetString("grpc.ssl_target_name_override", name);
  }
  std::string GetSslTargetNameOverride() const {
    return GetString("grpc.ssl_target_name_override");
  }
  void SetResourceQuota(const ResourceQuota& /*quota*/) {}

  /// Of the channel's streams. Default: bounded, unless the method says more.
  void SetStreamBuffering(const Buffering& buffering) {
    buffering_ = buffering;
  }
  const std::optional<Buffering>& stream_buffering() const {
    return buffering_;
  }

  const std::map<std::string, Value>& values() const { return values_; }
  /// `otherwise` when unset or not a number.
  int GetInt(const std::string& key, int otherwise) const {
    const auto found = values_.find(key);
    if (found == values_.end()) return otherwise;
    const int* value = std::get_if<int>(&found->second);
    return value != nullptr ? *value : otherwise;
  }
  std::string GetString(const std::string& key) const {
    const auto found = values_.find(key);
    if (found == values_.end()) return std::string();
    const std::string* value = std::get_if<std::string>(&found->second);
    return value != nullptr ? *value : std::string();
  }

 private:
  std::map<std::string, Value> values_;
  std::optional<Buffering> buffering_;
};

}  // namespace nearcall

#endif  // NEARCALL_CHANNEL_ARGUMENTS_H_
