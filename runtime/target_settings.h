// What a target's options say of its sessions, over what the program says.
#ifndef NEARCALL_RUNTIME_TARGET_SETTINGS_H_
#define NEARCALL_RUNTIME_TARGET_SETTINGS_H_

#include <nearcall/buffering.h>

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "runtime/target.h"

namespace nearcall::internal {

/// proto/nearcall/config.proto explains each.
struct TargetSettings {
  int spin_micros = 50;
  int max_receive = 4 * 1024 * 1024;  ///< Bytes of a message; -1: no limit.
  int max_send = -1;                  ///< The same, of those sent.
  uint32_t max_connections = 2048;    ///< Servers only.
  uint32_t max_connections_per_uid = 256;  ///< Of other users; servers only.
  /// None: each method's own.
  std::optional<Buffering> buffering;
};

/// The target's settings, else those of `otherwise`, checked. INVALID_ARGUMENT
/// names the option and what it may be.
absl::StatusOr<TargetSettings> SettingsOf(const Target& target,
                                          const TargetSettings& otherwise);

/// The limit of an unbounded stream's queue in bytes; 0: it is not unbounded.
inline int64_t UnboundedLimit(const Buffering& buffering) {
  constexpr int64_t kDefault = 16 * 1024 * 1024;
  if (buffering.mode != BufferingMode::kUnbounded) return 0;
  return buffering.bytes != 0 ? buffering.bytes : kDefault;
}

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_TARGET_SETTINGS_H_
