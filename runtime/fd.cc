#include "runtime/fd.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>

namespace nearcall::internal {

std::atomic<uint32_t> forks{0};

namespace {

// One bit a descriptor: lock-free, so that the child of a multithreaded process
// may walk it between fork and exec. A descriptor beyond the table (a limit of
// over a million open files) is not recorded and stays open in a forked child.
constexpr int kTableBits = 1 << 20;
std::atomic<uint64_t> open_fds[kTableBits / 64];
std::atomic<int> highest_fd{-1};
void CloseInChild() {
  forks.fetch_add(1, std::memory_order_relaxed);
  const int last = highest_fd.load(std::memory_order_relaxed);
  for (int word = 0; word <= last / 64 && last >= 0; ++word) {
    uint64_t bits = open_fds[word].exchange(0, std::memory_order_relaxed);
    for (; bits != 0; bits &= bits - 1) {
      close(word * 64 + __builtin_ctzll(bits));
    }
  }
}

// At the start of the program, so that no thread can be half way through it.
[[maybe_unused]] const int registered =
    pthread_atfork(nullptr, nullptr, &CloseInChild);

}  // namespace

Fd::Fd(int fd) : fd_(fd < 0 ? -1 : fd) {
  if (fd_ < 0) return;
  if (fd_ >= kTableBits) return;
  open_fds[fd_ / 64].fetch_or(uint64_t{1} << (fd_ % 64),
                              std::memory_order_relaxed);
  int highest = highest_fd.load(std::memory_order_relaxed);
  while (highest < fd_ && !highest_fd.compare_exchange_weak(
                              highest, fd_, std::memory_order_relaxed)) {
  }
}

bool Fd::IsOwned(int fd) {
  return fd >= 0 && fd < kTableBits &&
         (open_fds[fd / 64].load(std::memory_order_relaxed) >> (fd % 64) & 1);
}

int Fd::release() {
  const int fd = std::exchange(fd_, -1);
  if (fd >= 0 && fd < kTableBits) {
    open_fds[fd / 64].fetch_and(~(uint64_t{1} << (fd % 64)),
                                std::memory_order_relaxed);
  }
  return fd;
}

// Unrecorded before it is closed: the number may be another thread's by then.
// In a forked child the handler has already closed what the parent recorded.
void Fd::reset() {
  if (fd_ < 0) return;
  const int fd = fd_;
  const uint64_t bit = uint64_t{1} << (fd % 64);
  if (fd < kTableBits) {
    const uint64_t before =
        open_fds[fd / 64].fetch_and(~bit, std::memory_order_relaxed);
    fd_ = -1;
    if ((before & bit) == 0) return;
  }
  fd_ = -1;
  close(fd);
}

}  // namespace nearcall::internal
