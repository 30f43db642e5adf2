// An owned descriptor that a forked child closes.
//
// A child that stays alive would keep the parent's sockets, pipe ends and locks
// open, so that no peer of the parent would see its death. Every descriptor the
// library keeps is therefore recorded, and a pthread_atfork handler closes the
// recorded ones in the child (fork without exec; exec closes them by CLOEXEC).
#ifndef NEARCALL_RUNTIME_FD_H_
#define NEARCALL_RUNTIME_FD_H_

#include <atomic>
#include <cstdint>
#include <utility>

namespace nearcall::internal {

/// Counts the forks between the process that first used the library and this
/// one: objects made under another value belong to a parent and must not be
/// touched. One relaxed load.
inline uint32_t ForkGeneration() {
  extern std::atomic<uint32_t> forks;
  return forks.load(std::memory_order_relaxed);
}

class Fd {
 public:
  Fd() = default;
  /// Takes over `fd`, or none when negative.
  explicit Fd(int fd);
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { reset(); }

  /// Whether some Fd has it.
  static bool IsOwned(int fd);

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  /// Closes it.
  void reset();
  /// Gives it up, open and no longer recorded.
  int release();

 private:
  int fd_ = -1;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_FD_H_
