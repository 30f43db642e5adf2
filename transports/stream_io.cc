#include "transports/stream_io.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100
#endif

namespace nearcall::internal {
namespace {

// Cleared when the kernel is older than the flag (6.18).
std::atomic<bool> kernel_has_nosignal{true};
// Stays open for the life of the process, in a forked child too.
std::atomic<int> null_fd{-1};

// A SIGPIPE of ours is thread-directed. If the thread had it unblocked, none
// can have been pending; if it was blocked, one may have been, and stays.
ssize_t WriteWithSigpipeBlocked(int fd, const void* data, size_t size) {
  sigset_t sigpipe, before, pending;
  sigemptyset(&sigpipe);
  sigaddset(&sigpipe, SIGPIPE);
  if (pthread_sigmask(SIG_BLOCK, &sigpipe, &before) != 0) {
    errno = EIO;
    return -1;
  }
  bool was_pending = false;
  if (sigismember(&before, SIGPIPE) == 1) {
    was_pending =
        sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
  }
  const ssize_t written = write(fd, data, size);
  const int error = errno;
  if (written < 0 && error == EPIPE && !was_pending) {
    const timespec now{};
    while (sigtimedwait(&sigpipe, nullptr, &now) < 0 && errno == EINTR) {
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return written;
}

ssize_t WritePipe(int fd, const void* data, size_t size) {
  if (kernel_has_nosignal.load(std::memory_order_relaxed)) {
    const iovec part{const_cast<void*>(data), size};
    const ssize_t written = pwritev2(fd, &part, 1, -1, RWF_NOSIGNAL);
    if (written >= 0 || (errno != EOPNOTSUPP && errno != EINVAL &&
                         errno != ENOSYS && errno != EPERM)) {
      return written;
    }
    kernel_has_nosignal.store(false, std::memory_order_relaxed);
  }
  return WriteWithSigpipeBlocked(fd, data, size);
}

}  // namespace

StreamKind KindOf(int fd) {
  struct stat info;
  return fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode) ? StreamKind::kSocket
                                                         : StreamKind::kPipe;
}

ssize_t ReadSome(int fd, StreamKind kind, void* data, size_t size) {
  ssize_t got;
  do {
    got = kind == StreamKind::kSocket ? recv(fd, data, size, MSG_DONTWAIT)
                                      : read(fd, data, size);
  } while (got < 0 && errno == EINTR);
  return got;
}

ssize_t WriteSome(int fd, StreamKind kind, const void* data, size_t size) {
  ssize_t written;
  do {
    written = kind == StreamKind::kSocket
                  ? send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL)
                  : WritePipe(fd, data, size);
  } while (written < 0 && errno == EINTR);
  return written;
}

absl::Status PrepareEndWriting() {
  if (null_fd.load(std::memory_order_acquire) >= 0) return absl::OkStatus();
  Fd opened(open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (!opened) {
    return absl::InternalError(
        absl::StrCat("/dev/null: open: ", strerror(errno)));
  }
  int none = -1;
  if (null_fd.compare_exchange_strong(none, opened.get(),
                                      std::memory_order_acq_rel)) {
    opened.release();
  }
  return absl::OkStatus();
}

// dup3 puts another file under the number in one step: the pipe's writing end
// is gone and the peer sees its end, while a write that is just being made goes
// nowhere instead of into a stranger's file.
void EndWriting(int fd, StreamKind kind) {
  if (kind == StreamKind::kSocket) {
    shutdown(fd, SHUT_RDWR);
    return;
  }
  while (dup3(null_fd.load(std::memory_order_acquire), fd, O_CLOEXEC) < 0 &&
         (errno == EINTR || errno == EBUSY)) {
  }
}

absl::Status SetPipeBytes(int fd, uint32_t bytes) {
  if (bytes == 0 || fcntl(fd, F_SETPIPE_SZ, static_cast<int>(bytes)) >= 0) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "pipe_bytes=", bytes, ": ", strerror(errno),
      "; the system's limits are in /proc/sys/fs/pipe-max-size and, for all "
      "pipes of a user together, pipe-user-pages-soft"));
}

void WakePipeReader(int fd) {
  const std::string self = absl::StrCat("/proc/self/fd/", fd);
  const Fd writer(open(self.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  // EAGAIN: it is full, so whoever waits has been woken already.
  if (writer) WritePipe(writer.get(), "", 1);
}

absl::StatusOr<Fd> WatchPipeAndProcess(int read_fd, int pidfd) {
  Fd either(epoll_create1(EPOLL_CLOEXEC));
  epoll_event hang_up{};  // It needs no asking for.
  epoll_event ended{};
  ended.events = EPOLLIN;
  if (!either ||
      epoll_ctl(either.get(), EPOLL_CTL_ADD, read_fd, &hang_up) != 0 ||
      epoll_ctl(either.get(), EPOLL_CTL_ADD, pidfd, &ended) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot watch the process of a pipe: ", strerror(errno)));
  }
  return either;
}

void DiscardUnread(int fd) {
  // More than a receive buffer holds. A TCP peer can go on sending, so it is
  // bounded.
  constexpr int kMaxReads = 1024;
  std::array<char, 16384> sink;
  for (int i = 0; i < kMaxReads; ++i) {
    if (ReadSome(fd, StreamKind::kSocket, sink.data(), sink.size()) <= 0) {
      return;
    }
  }
}

}  // namespace nearcall::internal
