#include "tests/support/malloc_counter.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

namespace nearcall::internal {
namespace {
std::atomic<int64_t> allocations{0};
void Count() { allocations.fetch_add(1, std::memory_order_relaxed); }
}  // namespace

int64_t AllocationsSoFar() {
  return allocations.load(std::memory_order_relaxed);
}

}  // namespace nearcall::internal

// glibc's own names of what these stand in front of.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) noexcept {
  nearcall::internal::Count();
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) noexcept {
  nearcall::internal::Count();
  return __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) noexcept {
  nearcall::internal::Count();
  return __libc_realloc(memory, size);
}
void* memalign(size_t alignment, size_t size) noexcept {
  nearcall::internal::Count();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) noexcept {
  nearcall::internal::Count();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, size_t alignment, size_t size) noexcept {
  nearcall::internal::Count();
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}
void* mmap(void* at, size_t size, int protection, int flags, int fd,
           off_t offset) noexcept {
  nearcall::internal::Count();
  return reinterpret_cast<void*>(
      syscall(SYS_mmap, at, size, protection, flags, fd, offset));
}
}
