// A Link over any byte stream: sockets (Unix, TCP, inherited) and pairs of
// pipes. The wire is each frame after its length, a little-endian u32.
//
// System calls: a frame (or many, one flush) costs one send; a recv takes
// whatever is there, and one that came back short is not followed by another
// that would only say EAGAIN; Sleep is one ppoll.
//
// Memory: two buffers of 4 KiB, made when first used, grown up to the largest
// frame and given back when the link is armed, that is before it parks.
#ifndef NEARCALL_TRANSPORTS_FD_LINK_H_
#define NEARCALL_TRANSPORTS_FD_LINK_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "runtime/fd.h"
#include "runtime/link.h"

namespace nearcall::internal {

struct FdLinkOptions {
  LinkInfo info;  ///< max_frame must be set, 256..1048576.
  /// The most bytes that one system call moves. Tests cut the stream with it.
  uint32_t max_io = std::numeric_limits<uint32_t>::max();
  /// Of pipes: a pidfd of the peer, where its death need not end the stream
  /// because other processes may hold it open; -1: none. Open as long as
  /// how_peer_ended.
  int pidfd = -1;
  /// More than that it ended, in words. May wait for it a little. Destroyed
  /// after the stream was closed.
  std::function<std::string()> how_peer_ended;
};

/// A link over one connected stream socket. Its flags do not matter.
std::unique_ptr<Link> MakeSocketLink(Fd socket, FdLinkOptions options);

/// A link over two descriptors, each a pipe end (made non-blocking here) or a
/// socket. INTERNAL when they cannot be set up. Close of a pipe link needs
/// /dev/null.
absl::StatusOr<std::unique_ptr<Link>> MakePipeLink(Fd read, Fd write,
                                                   FdLinkOptions options);

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_FD_LINK_H_
