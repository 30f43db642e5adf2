// How large the rings and frames of a link are, from the options of both sides.
#ifndef NEARCALL_TRANSPORTS_RING_OPTIONS_H_
#define NEARCALL_TRANSPORTS_RING_OPTIONS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "runtime/target.h"

namespace nearcall::internal {

inline constexpr uint32_t kDefaultRingBytes = 256 << 10;

/// What one side asks for; 0: it does not mind.
struct RingWish {
  uint32_t ring_bytes = 0;
  uint32_t frame_bytes = 0;
};

struct RingSizes {
  uint32_t ring_bytes = 0;
  uint32_t max_frame = 0;  ///< At most a quarter of ring_bytes.
};

/// INVALID_ARGUMENT names the option that is out of range.
absl::StatusOr<RingWish> ParseRingWish(const Target& target);

/// The server's ring counts, then the client's; of two frame sizes the smaller.
/// Both wishes are valid ones.
RingSizes AgreeOnRing(const RingWish& server, const RingWish& client);

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_RING_OPTIONS_H_
