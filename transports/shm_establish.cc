#include "transports/shm_establish.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transports/options.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace nearcall::internal {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the words of a ring and its messages are little-endian");

constexpr uint32_t kHelloMagic = 0x4853434e;  // "NCSH"
constexpr uint32_t kOfferMagic = 0x4f53434e;  // "NCSO"
constexpr int kNoResize = F_SEAL_SHRINK | F_SEAL_GROW;

// The layouts of the messages; no padding.
struct HelloBytes {
  uint32_t magic;
  uint32_t version;
  uint32_t ring_bytes;
  uint32_t max_frame;
  uint64_t features;
};
struct OfferBytes {
  uint32_t magic;
  uint32_t version;
  uint32_t code;
  uint32_t ring_bytes;
  uint32_t max_frame;
  uint32_t reserved;
  uint64_t features;
  uint64_t epoch;
};
static_assert(sizeof(HelloBytes) == kShmHelloBytes);
static_assert(sizeof(OfferBytes) == kShmOfferBytes);

using OfferFds = std::array<int, kShmOfferFds>;

// A message of one send into an empty socket: it fits, or the peer is odd.
absl::Status SendOffer(int socket, const ShmOffer& offer, const OfferFds* fds) {
  std::array<std::byte, kShmOfferBytes> bytes = EncodeOffer(offer);
  iovec data{bytes.data(), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(OfferFds))> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (fds != nullptr) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(OfferFds));
    memcpy(CMSG_DATA(header), fds->data(), sizeof(OfferFds));
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent == static_cast<ssize_t>(bytes.size())) return absl::OkStatus();
  if (sent < 0 && errno == ETOOMANYREFS) {
    return absl::ResourceExhaustedError(
        "too many descriptors are on their way between processes");
  }
  return absl::UnavailableError(
      absl::StrCat("a client left before its rings were made",
                   sent < 0 ? absl::StrCat(": ", strerror(errno)) : ""));
}

// All of its pages exist, its size is final.
absl::StatusOr<Fd> MakeMemory(uint32_t ring_bytes) {
  Fd fd(memfd_create("nearcall ring", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) {
    const std::string text =
        absl::StrCat("memfd_create for a ring: ", strerror(errno));
    if (errno == EPERM || errno == ENOSYS || errno == EACCES) {
      return absl::UnimplementedError(absl::StrCat(
          text, "; the kernel or a sandbox refuses it: use unix:"));
    }
    return absl::ResourceExhaustedError(text);
  }
  const auto bytes = static_cast<off_t>(RingRegion::FileBytes(ring_bytes));
  int result;
  do {
    result = fallocate(fd.get(), 0, 0, bytes);
  } while (result != 0 && errno == EINTR);
  if (result != 0) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "allocating ", bytes, " bytes for a ring: ", strerror(errno)));
  }
  if (fcntl(fd.get(), F_ADD_SEALS, kNoResize) != 0) {
    return absl::UnimplementedError(
        absl::StrCat("sealing the memory of a ring: ", strerror(errno)));
  }
  return fd;
}

// After the writer's own mapping exists. The seal is a second line of defence
// (see the header); kernels without it refuse it with EINVAL.
void SealAgainstNewWriters(int fd) {
  if (fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0) return;
  (void)fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL);
}

struct Made {
  RingEnds ends;  // But for the frames bell.
  std::array<Fd, kShmOfferFds> fds;
};

absl::StatusOr<Made> MakeRegions(const RingSizes& sizes, uint64_t epoch) {
  absl::StatusOr<Fd> theirs = MakeMemory(sizes.ring_bytes);
  if (!theirs.ok()) return theirs.status();
  absl::StatusOr<Fd> ours = MakeMemory(sizes.ring_bytes);
  if (!ours.ok()) return ours.status();
  auto own = RingRegion::Map(ours->get(), sizes.ring_bytes,
                             RingRegion::Access::kWrite);
  if (!own.ok()) return own.status();
  auto peer = RingRegion::Map(theirs->get(), sizes.ring_bytes,
                              RingRegion::Access::kRead);
  if (!peer.ok()) return peer.status();
  SealAgainstNewWriters(ours->get());
  (*own)->header()->epoch = epoch;
  int bells[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                 bells) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no sockets for the bells of a ring: ", strerror(errno),
                     "; raise the limit of open files (ulimit -n)"));
  }
  Made made;
  made.ends.own = *std::move(own);
  made.ends.peer = *std::move(peer);
  made.ends.space_bell = Fd(bells[0]);
  made.fds = {*std::move(theirs), *std::move(ours), Fd(bells[1])};
  return made;
}

ShmCode CodeOf(const absl::Status& status) {
  return absl::IsUnimplemented(status) ? ShmCode::kNoMemfd
                                       : ShmCode::kNoResources;
}

absl::StatusOr<RingSizes> SizesFor(const ShmHello& hello,
                                   const RingWish& wish) {
  const RingWish& asked = hello.wish;
  if (asked.ring_bytes != 0) {
    if (absl::Status status = RingRegion::CheckRingBytes(asked.ring_bytes);
        !status.ok()) {
      return status;
    }
  }
  if (asked.frame_bytes != 0 && (asked.frame_bytes < kMinFrameBytes ||
                                 asked.frame_bytes > kMaxFrameBytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("frames of ", asked.frame_bytes, " bytes"));
  }
  return AgreeOnRing(wish, asked);
}

// What the client may touch without a fault, whatever the server does later.
absl::Status CheckMemory(int fd, uint32_t ring_bytes) {
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kNoResize) != kNoResize) {
    return absl::InternalError(
        "the server offered memory that is not sealed against resizing");
  }
  struct stat info;
  if (fstat(fd, &info) != 0 || info.st_size < 0 ||
      static_cast<size_t>(info.st_size) != RingRegion::FileBytes(ring_bytes)) {
    return absl::InternalError(absl::StrCat(
        "the server offered ", info.st_size, " bytes for a ring of ",
        ring_bytes, " that takes ", RingRegion::FileBytes(ring_bytes)));
  }
  return absl::OkStatus();
}

absl::Status CheckBell(int fd) {
  int domain = 0;
  int type = 0;
  socklen_t size = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 ||
      getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
      domain != AF_UNIX || type != SOCK_STREAM) {
    return absl::InternalError(
        "the server offered a bell that is not a Unix stream socket");
  }
  return absl::OkStatus();
}

absl::Status CheckOffer(const ShmOffer& offer) {
  switch (offer.code) {
    case ShmCode::kOk:
      break;
    case ShmCode::kVersion:
      return absl::UnimplementedError(absl::StrCat(
          "the server speaks version ", offer.version, " of shm:, this client ",
          kShmVersion, ": build both against one release"));
    case ShmCode::kNoResources:
      return absl::ResourceExhaustedError(
          "the server has no memory or descriptors left for another ring");
    case ShmCode::kNoMemfd:
      return absl::UnimplementedError(
          "the server's kernel or sandbox refuses shared memory: use unix:");
    case ShmCode::kBadHello:
    default:
      return absl::InternalError(absl::StrCat(
          "the server refused the sizes of this client's rings, code ",
          static_cast<uint32_t>(offer.code)));
  }
  if (offer.version != kShmVersion || (offer.features & ~kShmFeatures) != 0 ||
      !RingRegion::CheckRingBytes(offer.sizes.ring_bytes).ok() ||
      offer.sizes.max_frame < kMinFrameBytes ||
      offer.sizes.max_frame > offer.sizes.ring_bytes / 4) {
    return absl::InternalError(
        absl::StrCat("the server offered version ", offer.version,
                     ", features ", offer.features, ", a ring of ",
                     offer.sizes.ring_bytes, " bytes, frames of ",
                     offer.sizes.max_frame, ": not what was asked for"));
  }
  return absl::OkStatus();
}

}  // namespace

std::array<std::byte, kShmHelloBytes> EncodeHello(const ShmHello& hello) {
  return std::bit_cast<std::array<std::byte, kShmHelloBytes>>(
      HelloBytes{kHelloMagic, hello.version, hello.wish.ring_bytes,
                 hello.wish.frame_bytes, hello.features});
}

std::array<std::byte, kShmOfferBytes> EncodeOffer(const ShmOffer& offer) {
  return std::bit_cast<std::array<std::byte, kShmOfferBytes>>(
      OfferBytes{kOfferMagic, offer.version, static_cast<uint32_t>(offer.code),
                 offer.sizes.ring_bytes, offer.sizes.max_frame, 0,
                 offer.features, offer.epoch});
}

absl::StatusOr<ShmHello> DecodeHello(
    const std::array<std::byte, kShmHelloBytes>& bytes) {
  const auto raw = std::bit_cast<HelloBytes>(bytes);
  if (raw.magic != kHelloMagic) {
    return absl::InternalError(
        "a client on the socket does not speak nearcall's shm: "
        "(does its target say unix: instead?)");
  }
  return ShmHello{raw.version, {raw.ring_bytes, raw.max_frame}, raw.features};
}

absl::StatusOr<ShmOffer> DecodeOffer(
    const std::array<std::byte, kShmOfferBytes>& bytes) {
  const auto raw = std::bit_cast<OfferBytes>(bytes);
  if (raw.magic != kOfferMagic) {
    return absl::InternalError(
        "the server on the socket does not speak nearcall's shm:");
  }
  return ShmOffer{raw.version,
                  static_cast<ShmCode>(raw.code),
                  {raw.ring_bytes, raw.max_frame},
                  raw.features,
                  raw.epoch};
}

absl::StatusOr<std::unique_ptr<Link>> OfferLink(Fd socket,
                                                const ShmHello& hello,
                                                const RingWish& wish,
                                                LinkInfo info) {
  ShmOffer offer;
  const auto refuse = [&](ShmCode code, absl::Status status) {
    offer.code = code;
    (void)SendOffer(socket.get(), offer, nullptr);
    return status;
  };
  if (hello.version != kShmVersion) {
    return refuse(ShmCode::kVersion,
                  absl::InternalError(
                      absl::StrCat("a client speaks version ", hello.version,
                                   " of shm:, this server ", kShmVersion)));
  }
  const absl::StatusOr<RingSizes> sizes = SizesFor(hello, wish);
  if (!sizes.ok()) {
    return refuse(ShmCode::kBadHello,
                  absl::InternalError(absl::StrCat("a client asked for ",
                                                   sizes.status().message())));
  }
  offer.sizes = *sizes;
  offer.features = hello.features & kShmFeatures;
  if (getrandom(&offer.epoch, sizeof offer.epoch, GRND_NONBLOCK) < 0) {
    return refuse(ShmCode::kNoResources,
                  absl::ResourceExhaustedError(
                      absl::StrCat("getrandom: ", strerror(errno))));
  }
  absl::StatusOr<Made> made = MakeRegions(*sizes, offer.epoch);
  if (!made.ok()) return refuse(CodeOf(made.status()), made.status());
  const OfferFds fds = {made->fds[0].get(), made->fds[1].get(),
                        made->fds[2].get()};
  if (absl::Status status = SendOffer(socket.get(), offer, &fds);
      !status.ok()) {
    return status;
  }
  made->ends.frames_bell = std::move(socket);
  info.max_frame = sizes->max_frame;
  return MakeRingLink(std::move(made->ends), std::move(info));
}

absl::StatusOr<std::unique_ptr<Link>> AcceptOffer(
    Fd socket, const ShmOffer& offer, std::array<Fd, kShmOfferFds> fds,
    LinkInfo info) {
  if (absl::Status status = CheckOffer(offer); !status.ok()) return status;
  const auto& [ours, theirs, bell] = fds;
  const uint32_t ring_bytes = offer.sizes.ring_bytes;
  for (const Fd* memory : {&ours, &theirs}) {
    if (absl::Status status = CheckMemory(memory->get(), ring_bytes);
        !status.ok()) {
      return status;
    }
  }
  if (absl::Status status = CheckBell(bell.get()); !status.ok()) return status;
  auto own =
      RingRegion::Map(ours.get(), ring_bytes, RingRegion::Access::kWrite);
  if (!own.ok()) return own.status();
  auto peer =
      RingRegion::Map(theirs.get(), ring_bytes, RingRegion::Access::kRead);
  if (!peer.ok()) return peer.status();
  SealAgainstNewWriters(ours.get());
  if ((*peer)->header()->epoch != offer.epoch) {
    return absl::InternalError(
        "the server offered the memory of another connection");
  }
  (*own)->header()->epoch = offer.epoch;
  RingEnds ends;
  ends.own = *std::move(own);
  ends.peer = *std::move(peer);
  ends.frames_bell = std::move(socket);
  ends.space_bell = std::move(fds[2]);
  info.max_frame = offer.sizes.max_frame;
  return MakeRingLink(std::move(ends), std::move(info));
}

}  // namespace nearcall::internal
