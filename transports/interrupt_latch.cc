#include "transports/interrupt_latch.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace nearcall::internal {

void InterruptLatch::Set() {
  set_.store(true);
  if (sleepers_.load() == 0) return;
  const int fd = fd_.load();
  const uint64_t one = 1;
  // A sleeper without a descriptor looks by itself. EAGAIN: it is set already.
  if (fd >= 0) (void)!write(fd, &one, sizeof one);
}

int InterruptLatch::Enter() {
  int fd = fd_.load();
  if (fd < 0) {
    MutexLock lock(&mutex_);
    if (!owned_) {
      owned_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
      fd_.store(owned_.get());
    }
    fd = owned_.get();
  }
  sleepers_.fetch_add(1);
  return fd;
}

void InterruptLatch::Woken() {
  uint64_t count;
  (void)!read(fd_.load(), &count, sizeof count);
}

}  // namespace nearcall::internal
