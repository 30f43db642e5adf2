#include "transports/name_watch.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "runtime/transport.h"

namespace nearcall::internal {
namespace {

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string NameOf(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

bool NameWatch::Start() {
  inotify_ = Fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify_) return false;
  constexpr uint32_t kEvents = IN_CREATE | IN_MOVED_TO;
  const std::string directory = DirectoryOf(path_);
  for (const std::string& path : {path_, directory}) {
    watched_ = NameOf(path);
    if (inotify_add_watch(inotify_.get(), DirectoryOf(path).c_str(), kEvents) >=
        0) {
      return true;
    }
    if (errno != ENOENT) break;
  }
  inotify_.reset();
  return false;
}

bool NameWatch::Wait(Deadline until, int interrupt_fd) {
  const bool watches_already = static_cast<bool>(inotify_);
  if (!watches_already && Start()) return true;
  // Without a watch, as where nothing tells.
  if (!inotify_) {
    until = std::min(until, Deadline::AfterMillis(kRetryDialMillis));
  }
  for (;;) {
    std::array<pollfd, 2> fds = {
        {{interrupt_fd, POLLIN, 0}, {inotify_.get(), POLLIN, 0}}};
    timespec storage;
    const int ready = ppoll(fds.data(), fds.size(),
                            until.RemainingTimespec(&storage), nullptr);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return !inotify_;
    if (fds[0].revents != 0) return false;
    if (Drain()) return true;
  }
}

bool NameWatch::Drain() {
  bool seen = false;
  bool watch_gone = false;
  alignas(inotify_event) std::array<char, 4096> buffer;
  ssize_t size;
  while ((size = read(inotify_.get(), buffer.data(), buffer.size())) > 0) {
    for (ssize_t at = 0; at < size;) {
      const auto* event =
          reinterpret_cast<const inotify_event*>(buffer.data() + at);
      watch_gone |= (event->mask & IN_IGNORED) != 0;
      seen |= event->len > 0 && watched_ == event->name;
      seen |= (event->mask & IN_Q_OVERFLOW) != 0;
      at += static_cast<ssize_t>(sizeof *event + event->len);
    }
  }
  // The directory came, or went: the next Wait starts anew.
  watch_gone |= seen && watched_ != NameOf(path_);
  if (watch_gone) inotify_.reset();
  return seen || watch_gone;
}

}  // namespace nearcall::internal
