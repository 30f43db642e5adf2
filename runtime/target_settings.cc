#include "runtime/target_settings.h"

#include "absl/strings/str_cat.h"

namespace nearcall::internal {
namespace {

constexpr uint32_t kLeastWindow = 256;
constexpr uint32_t kMostWindow = 1u << 30;

absl::StatusOr<std::optional<Buffering>> BufferingOf(
    const Target& target, const std::optional<Buffering>& otherwise) {
  const config::Options& options = target.options;
  std::optional<Buffering> result = otherwise;
  if (options.has_buffering()) {
    result.emplace();
    if (options.buffering() == "rendezvous") {
      result->mode = BufferingMode::kRendezvous;
    } else if (options.buffering() == "unbounded") {
      result->mode = BufferingMode::kUnbounded;
    } else if (options.buffering() != "bounded") {
      return absl::InvalidArgumentError(
          absl::StrCat("target '", target.uri, "': option 'buffering' is '",
                       options.buffering(),
                       "': it must be bounded, rendezvous or unbounded"));
    }
  }
  if (options.has_buffering_bytes()) {
    if (!result.has_value()) result.emplace();
    result->bytes = options.buffering_bytes();
  }
  if (result.has_value() && result->mode == BufferingMode::kBounded &&
      result->bytes != 0 &&
      (result->bytes < kLeastWindow || result->bytes > kMostWindow)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "target '", target.uri, "': a stream's window of ", result->bytes,
        " bytes: it must be from ", kLeastWindow, " to ", kMostWindow));
  }
  return result;
}

}  // namespace

absl::StatusOr<TargetSettings> SettingsOf(const Target& target,
                                          const TargetSettings& otherwise) {
  const config::Options& options = target.options;
  TargetSettings result = otherwise;
  absl::StatusOr<std::optional<Buffering>> buffering =
      BufferingOf(target, otherwise.buffering);
  if (!buffering.ok()) return buffering.status();
  result.buffering = *buffering;
  if (options.has_spin_micros()) {
    result.spin_micros = static_cast<int>(options.spin_micros());
  }
  if (options.has_max_receive_bytes()) {
    result.max_receive = static_cast<int>(options.max_receive_bytes());
  }
  if (options.has_max_send_bytes()) {
    result.max_send = static_cast<int>(options.max_send_bytes());
  }
  if (options.has_max_connections()) {
    result.max_connections = options.max_connections();
  }
  if (options.has_max_connections_per_uid()) {
    result.max_connections_per_uid = options.max_connections_per_uid();
  }
  return result;
}

}  // namespace nearcall::internal
