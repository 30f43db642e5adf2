// How far a stream's writer may be ahead of its reader.
#ifndef NEARCALL_BUFFERING_H_
#define NEARCALL_BUFFERING_H_

#include <cstdint>

namespace nearcall {

enum class BufferingMode : uint8_t {
  /// Write waits while more than a window of bytes has not been read.
  kBounded = 0,
  /// Write waits for the Read that takes its message. Each Read lets exactly
  /// one message through, and none is under way without a Read that waits.
  kRendezvous = 1,
  /// Write never waits. When more than the limit has not left yet, the call
  /// ends with RESOURCE_EXHAUSTED.
  kUnbounded = 2,
};

/// For both directions of a stream, as far as the side that has the setting
/// decides it: bounded is the reader's window, unbounded the writer's queue,
/// and rendezvous holds where either side asks for it. The one message of a
/// direction that does not stream is not concerned.
///
/// Where several places have a setting, that of the target (`?buffering=`, the
/// configuration) counts, then the channel's or the server's, then the
/// method's.
struct Buffering {
  BufferingMode mode = BufferingMode::kBounded;
  /// Bounded: the window, for every stream of the connection; 0 is 65536, the
  /// least is 256. Unbounded: the limit; 0 is 16777216. A message counts with
  /// its size and 32 bytes more.
  uint32_t bytes = 0;
};

}  // namespace nearcall

#endif  // NEARCALL_BUFFERING_H_
