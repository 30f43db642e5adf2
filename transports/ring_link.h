// A Link over two rings, one a direction, and two sockets that carry bells.
//
// A side's region (ring_region.h) holds the frames it sends and the few words
// it owns; it maps the peer's region read-only. Two connected Unix sockets lie
// beside the rings. A byte on the first says "there are frames", on the second
// "there is space": the reader and the writer of a link sleep and are rung
// apart, and neither takes the other's bell. Bells are sent without blocking
// and never counted; a full socket means that the peer was rung already. The
// hang-up of either socket is the peer's death, unless its region says that it
// closed in order.
//
// System calls: none while both sides are awake. A round trip between sleepers
// costs each of them ppoll, recv, send.
#ifndef NEARCALL_TRANSPORTS_RING_LINK_H_
#define NEARCALL_TRANSPORTS_RING_LINK_H_

#include <memory>

#include "runtime/fd.h"
#include "runtime/link.h"
#include "transports/ring_region.h"

namespace nearcall::internal {

struct RingEnds {
  std::shared_ptr<RingRegion> own;   ///< Written here.
  std::shared_ptr<RingRegion> peer;  ///< Written there.
  Fd frames_bell;
  Fd space_bell;
  /// The peer is this process: frames need no copy before they are looked at.
  bool trusted = false;
};

/// `info.max_frame` is at most a quarter of either ring and the same on both
/// sides. Both rings are new.
std::unique_ptr<Link> MakeRingLink(RingEnds ends, LinkInfo info);

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_RING_LINK_H_
