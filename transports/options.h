// Options that every transport reads in the same way.
#ifndef NEARCALL_TRANSPORTS_OPTIONS_H_
#define NEARCALL_TRANSPORTS_OPTIONS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "runtime/target.h"

namespace nearcall::internal {

inline constexpr uint32_t kMinFrameBytes = 256;
inline constexpr uint32_t kMaxFrameBytes = 1 << 20;
inline constexpr uint32_t kDefaultFrameBytes = 64 << 10;

/// The largest frame of a link to `target`.
inline absl::StatusOr<uint32_t> FrameBytes(const Target& target) {
  if (!target.options.has_frame_bytes()) return kDefaultFrameBytes;
  const uint32_t bytes = target.options.frame_bytes();
  if (bytes >= kMinFrameBytes && bytes <= kMaxFrameBytes) return bytes;
  return absl::InvalidArgumentError(absl::StrCat(
      "frame_bytes of ", target.uri, " is ", bytes, ": it must be from ",
      kMinFrameBytes, " to ", kMaxFrameBytes));
}

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_OPTIONS_H_
