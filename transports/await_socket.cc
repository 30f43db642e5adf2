#include "transports/await_socket.h"

#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace nearcall::internal {

absl::Status AwaitSocket(int fd, short events, Deadline deadline,
                         int interrupt_fd, absl::string_view late) {
  for (;;) {
    std::array<pollfd, 2> fds = {{{fd, events, 0}, {interrupt_fd, POLLIN, 0}}};
    timespec storage;
    const int ready = ppoll(fds.data(), fds.size(),
                            deadline.RemainingTimespec(&storage), nullptr);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) {
      return absl::UnavailableError(absl::StrCat("ppoll: ", strerror(errno)));
    }
    if (fds[1].revents != 0) {
      return absl::CancelledError("connecting was interrupted");
    }
    if (ready == 0) return absl::DeadlineExceededError(late);
    return absl::OkStatus();
  }
}

}  // namespace nearcall::internal
