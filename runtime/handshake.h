// The session handshake: the first frame each way on any link.
#ifndef NEARCALL_RUNTIME_HANDSHAKE_H_
#define NEARCALL_RUNTIME_HANDSHAKE_H_

#include <nearcall/buffering.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/link.h"

namespace nearcall::internal {

/// What one side says of itself. docs/wire.md has the layout.
struct Hello {
  static constexpr uint32_t kMagic = 0x4c43524e;  ///< "NRCL" in memory order.
  static constexpr uint16_t kMajor = 1;           ///< Peers must agree.
  static constexpr uint16_t kMinor = 0;  ///< Newer ones understand older ones.
  /// A feature: streams with the sender are rendezvous, both ways.
  static constexpr uint64_t kRendezvousStreams = 1;

  uint16_t minor = kMinor;
  uint64_t features = 0;   ///< What the sender can do.
  uint64_t required = 0;   ///< What the receiver must be able to do.
  uint32_t max_frame = 0;  ///< The largest frame the sender takes.
  uint32_t window = 0;     ///< Initial credit of each stream to the sender.
  uint32_t max_calls = 0;  ///< Calls under way at once that the sender takes.
  uint64_t epoch = 0;      ///< Random: this life of this process's end.
  std::string agent;       ///< For "user-agent"; at most 128 bytes.
};

/// This process's, for `link`; `agent_prefix` may be empty.
Hello OurHello(const Link& link, std::string_view agent_prefix,
               const std::optional<Buffering>& buffering);

/// Writes the frame; the link has space for it, being new.
absl::Status SendHello(Link* link, const Hello& hello);

/// Reads a frame that Peek gave. An error says how the peer differs.
absl::StatusOr<Hello> ParseHello(std::string_view frame);

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_HANDSHAKE_H_
