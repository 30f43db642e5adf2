// A peer that speaks gRPC's HTTP/2 instead of our frames, by its first bytes.
#ifndef NEARCALL_TRANSPORTS_HTTP2_PEER_H_
#define NEARCALL_TRANSPORTS_HTTP2_PEER_H_

#include <cstddef>
#include <cstring>
#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "runtime/link.h"

namespace nearcall::internal {

/// A client's connection preface.
inline bool IsHttp2Client(std::span<const std::byte> first) {
  return first.size() >= 4 && memcmp(first.data(), "PRI ", 4) == 0;
}

/// A server's first frame: a length of three bytes, then type SETTINGS.
inline bool IsHttp2Server(std::span<const std::byte> first) {
  return first.size() >= 4 && first[0] == std::byte{0} &&
         first[1] == std::byte{0} && first[3] == std::byte{4};
}

inline std::string PeerSpeaksGrpc(const LinkInfo& info) {
  const std::string where = absl::StrCat(info.scheme, ":", info.address);
  return absl::StrCat("the peer at ", where, " speaks gRPC: use grpc:",
                      info.scheme == "tcp" ? info.address : where);
}

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_HTTP2_PEER_H_
