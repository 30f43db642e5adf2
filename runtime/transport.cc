#include "runtime/transport.h"

#include <poll.h>

#include <algorithm>

namespace nearcall::internal {

bool Dialer::WaitForServer(Deadline until, int interrupt_fd) {
  pollfd interrupt{interrupt_fd, POLLIN, 0};
  timespec storage;
  const Deadline retry =
      std::min(until, Deadline::AfterMillis(kRetryDialMillis));
  return ppoll(&interrupt, 1, retry.RemainingTimespec(&storage), nullptr) == 0;
}

}  // namespace nearcall::internal
