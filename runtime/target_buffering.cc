#include "runtime/target_buffering.h"

#include "absl/strings/str_cat.h"

namespace nearcall::internal {
namespace {

constexpr uint32_t kLeastWindow = 256;
constexpr uint32_t kMostWindow = 1u << 30;

}  // namespace

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

}  // namespace nearcall::internal
