// Where a listener's connections come from.
#ifndef NEARCALL_TRANSPORTS_CONNECTION_SOURCE_H_
#define NEARCALL_TRANSPORTS_CONNECTION_SOURCE_H_

#include <string>

#include "absl/status/statusor.h"
#include "runtime/fd.h"
#include "runtime/link.h"

namespace nearcall::internal {

struct ConnectedSocket {
  Fd fd;
  PeerIds peer;
  /// Where the peer is, as peer() says it; empty: the target's own address.
  std::string peer_name;
};

/// One thread at a time.
class ConnectionSource {
 public:
  virtual ~ConnectionSource() = default;
  /// Readable when Accept may have something; stays so until it was taken.
  /// Constant until Close.
  virtual Pollable incoming() const = 0;
  /// As Listener::Accept: an fd < 0 in the result is "nothing now". The peer
  /// has been checked as far as the kernel tells.
  virtual absl::StatusOr<ConnectedSocket> Accept() = 0;
  /// Gives the name back. Idempotent.
  virtual void Close() = 0;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_CONNECTION_SOURCE_H_
