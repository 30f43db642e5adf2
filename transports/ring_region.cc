#include "transports/ring_region.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "runtime/fd.h"

namespace nearcall::internal {
namespace {

absl::Status MapError(absl::string_view what, size_t bytes) {
  return absl::ResourceExhaustedError(absl::StrCat(
      "mapping ", bytes, " bytes for a ring: ", what, ": ", strerror(errno)));
}

}  // namespace

absl::Status RingRegion::CheckRingBytes(uint64_t ring_bytes) {
  if (ring_bytes >= kMinRingBytes && ring_bytes <= kMaxRingBytes &&
      (ring_bytes & (ring_bytes - 1)) == 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("a ring of ", ring_bytes,
                   " bytes: it must be a power of "
                   "two from ",
                   kMinRingBytes, " to ", kMaxRingBytes));
}

RingRegion::RingRegion(std::byte* base, uint32_t ring_bytes)
    : base_(base), ring_bytes_(ring_bytes), generation_(ForkGeneration()) {}

// In a forked child the range was never mapped, and may be somebody else's now.
RingRegion::~RingRegion() {
  if (generation_ == ForkGeneration()) munmap(base_, mapped_bytes());
}

// Reserved as a whole first, so that both mappings of the records find their
// place side by side.
absl::StatusOr<std::shared_ptr<RingRegion>> RingRegion::AddressSpace(
    uint32_t ring_bytes) {
  const size_t bytes = FileBytes(ring_bytes) + ring_bytes;
  void* base = mmap(nullptr, bytes, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return MapError("mmap", bytes);
  return std::shared_ptr<RingRegion>(
      new RingRegion(static_cast<std::byte*>(base), ring_bytes));
}

absl::StatusOr<std::shared_ptr<RingRegion>> RingRegion::MakePrivate(
    uint32_t ring_bytes) {
  absl::StatusOr<std::shared_ptr<RingRegion>> region = AddressSpace(ring_bytes);
  if (!region.ok()) return region;
  std::byte* const base = (*region)->base_;
  const size_t bytes = FileBytes(ring_bytes);
  if (mmap(base, bytes, PROT_READ | PROT_WRITE,
           MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
    return MapError("mmap", bytes);
  }
  // An old size of 0 maps the same shared pages a second time.
  if (mremap(base + kRingHeaderBytes, 0, ring_bytes,
             MREMAP_MAYMOVE | MREMAP_FIXED, base + bytes) == MAP_FAILED) {
    return MapError("mremap", ring_bytes);
  }
  madvise(base, (*region)->mapped_bytes(), MADV_DONTFORK);
  return region;
}

absl::StatusOr<std::shared_ptr<RingRegion>> RingRegion::Map(int fd,
                                                            uint32_t ring_bytes,
                                                            Access access) {
  absl::StatusOr<std::shared_ptr<RingRegion>> region = AddressSpace(ring_bytes);
  if (!region.ok()) return region;
  std::byte* const base = (*region)->base_;
  const size_t bytes = FileBytes(ring_bytes);
  const int protection =
      access == Access::kWrite ? PROT_READ | PROT_WRITE : PROT_READ;
  // Populated: the pages exist, and no call pays for finding them.
  constexpr int kFlags = MAP_SHARED | MAP_FIXED | MAP_POPULATE;
  if (mmap(base, bytes, protection, kFlags, fd, 0) == MAP_FAILED) {
    return MapError("mmap", bytes);
  }
  if (mmap(base + bytes, ring_bytes, protection, kFlags, fd,
           kRingHeaderBytes) == MAP_FAILED) {
    return MapError("mmap", ring_bytes);
  }
  madvise(base, (*region)->mapped_bytes(), MADV_DONTFORK);
  return region;
}

}  // namespace nearcall::internal
