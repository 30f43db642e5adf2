#include "transports/ring_options.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "transports/options.h"
#include "transports/ring_region.h"

namespace nearcall::internal {

absl::StatusOr<RingWish> ParseRingWish(const Target& target) {
  RingWish wish;
  const absl::StatusOr<uint32_t> frame_bytes = FrameBytes(target);
  if (!frame_bytes.ok()) return frame_bytes.status();
  if (target.options.has_frame_bytes()) wish.frame_bytes = *frame_bytes;
  if (target.options.has_ring_bytes()) {
    wish.ring_bytes = target.options.ring_bytes();
    if (const absl::Status status = RingRegion::CheckRingBytes(wish.ring_bytes);
        !status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("ring_bytes of ", target.uri, ": ", status.message()));
    }
  }
  return wish;
}

RingSizes AgreeOnRing(const RingWish& server, const RingWish& client) {
  RingSizes sizes;
  sizes.ring_bytes = server.ring_bytes != 0   ? server.ring_bytes
                     : client.ring_bytes != 0 ? client.ring_bytes
                                              : kDefaultRingBytes;
  uint32_t frame = kMaxFrameBytes;
  if (server.frame_bytes == 0 && client.frame_bytes == 0) {
    frame = kDefaultFrameBytes;
  }
  if (server.frame_bytes != 0) frame = std::min(frame, server.frame_bytes);
  if (client.frame_bytes != 0) frame = std::min(frame, client.frame_bytes);
  sizes.max_frame = std::min(frame, sizes.ring_bytes / 4);
  return sizes;
}

}  // namespace nearcall::internal
