// How two processes come to share rings: one message each way over a fresh Unix
// socket (docs/wire.md), all words little-endian.
//
//   client: HELLO   magic "NCSH", version, ring_bytes, max_frame (0: no wish),
//                   features u64
//   server: OFFER   magic "NCSO", version, code, ring_bytes, max_frame,
//                   0, features u64, epoch u64; and, when code is 0, three
//                   descriptors: the client's region, the server's region, the
//                   socket for the client's space bell
//
// The server makes both regions: memfds, allocated before they are mapped (no
// SIGBUS when memory is short) and sealed against resizing before they are
// shared (no SIGBUS when the peer truncates). The region that the server writes
// is sealed against any new writable mapping as well; the client does the same
// with its own once it is mapped. Kernels before 5.1 have no such seal: there a
// peer of our own user could write the words of its reader, which nobody here
// reads back.
#ifndef NEARCALL_TRANSPORTS_SHM_ESTABLISH_H_
#define NEARCALL_TRANSPORTS_SHM_ESTABLISH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/fd.h"
#include "runtime/link.h"
#include "transports/ring_link.h"
#include "transports/ring_options.h"

namespace nearcall::internal {

inline constexpr uint32_t kShmVersion = 1;
inline constexpr size_t kShmHelloBytes = 24;
inline constexpr size_t kShmOfferBytes = 40;
inline constexpr size_t kShmOfferFds = 3;
/// None yet. An unknown bit is ignored by the server and not answered.
inline constexpr uint64_t kShmFeatures = 0;

struct ShmHello {
  uint32_t version = kShmVersion;
  RingWish wish;
  uint64_t features = kShmFeatures;
};

/// Why the server makes no link, as OFFER carries it. The words that go with it
/// are the client's own.
enum class ShmCode : uint32_t {
  kOk = 0,
  kVersion = 1,      ///< The server's version is in the message.
  kBadHello = 2,     ///< A size out of range.
  kNoResources = 3,  ///< No memory or descriptors.
  kNoMemfd = 4,      ///< The server's kernel or sandbox refuses memfd_create.
};

struct ShmOffer {
  uint32_t version = kShmVersion;
  ShmCode code = ShmCode::kOk;
  RingSizes sizes;
  uint64_t features = kShmFeatures;
  uint64_t epoch = 0;
};

std::array<std::byte, kShmHelloBytes> EncodeHello(const ShmHello& hello);
std::array<std::byte, kShmOfferBytes> EncodeOffer(const ShmOffer& offer);
/// INTERNAL: not such a message at all. The values are not checked, but for the
/// server's by AcceptOffer and the client's by OfferFor.
absl::StatusOr<ShmHello> DecodeHello(
    const std::array<std::byte, kShmHelloBytes>& bytes);
absl::StatusOr<ShmOffer> DecodeOffer(
    const std::array<std::byte, kShmOfferBytes>& bytes);

/// The server's side: decides about `hello`, makes and sends what the client
/// needs, and returns the link. On an error the client has been told the code.
absl::StatusOr<std::unique_ptr<Link>> OfferLink(Fd socket,
                                                const ShmHello& hello,
                                                const RingWish& wish,
                                                LinkInfo info);

/// The client's side, with what came with the offer. Errors as Dialer::Dial;
/// INTERNAL when the regions are not what a client can rely on.
absl::StatusOr<std::unique_ptr<Link>> AcceptOffer(
    Fd socket, const ShmOffer& offer, std::array<Fd, kShmOfferFds> fds,
    LinkInfo info);

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_SHM_ESTABLISH_H_
