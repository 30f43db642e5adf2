// The buffering that a target's options ask for.
#ifndef NEARCALL_RUNTIME_TARGET_BUFFERING_H_
#define NEARCALL_RUNTIME_TARGET_BUFFERING_H_

#include <nearcall/buffering.h>

#include <optional>

#include "absl/status/statusor.h"
#include "runtime/target.h"

namespace nearcall::internal {

/// The target's setting, else `otherwise`, checked. INVALID_ARGUMENT names the
/// option and what it may be.
absl::StatusOr<std::optional<Buffering>> BufferingOf(
    const Target& target, const std::optional<Buffering>& otherwise);

/// The limit of an unbounded stream's queue in bytes; 0: it is not unbounded.
inline int64_t UnboundedLimit(const Buffering& buffering) {
  constexpr int64_t kDefault = 16 * 1024 * 1024;
  if (buffering.mode != BufferingMode::kUnbounded) return 0;
  return buffering.bytes != 0 ? buffering.bytes : kDefault;
}

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_TARGET_BUFFERING_H_
