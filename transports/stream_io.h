// The system calls of byte streams: sockets and pipes behind one face. Nothing
// here blocks, and no SIGPIPE reaches the application, whose disposition of it
// is left alone.
#ifndef NEARCALL_TRANSPORTS_STREAM_IO_H_
#define NEARCALL_TRANSPORTS_STREAM_IO_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/fd.h"

namespace nearcall::internal {

enum class StreamKind { kSocket, kPipe };

/// What fstat says; anything but a socket is treated as a pipe.
StreamKind KindOf(int fd);

/// As recv and send with MSG_DONTWAIT, EINTR retried. A pipe must be
/// non-blocking.
ssize_t ReadSome(int fd, StreamKind kind, void* data, size_t size);
ssize_t WriteSome(int fd, StreamKind kind, const void* data, size_t size);

/// Ends our sending on `fd` while other threads may be using the number: the
/// number stays open until its owner closes it. What was written still arrives.
void EndWriting(int fd, StreamKind kind);

/// Makes EndWriting for pipes possible whatever happens to the process's limits
/// later.
absl::Status PrepareEndWriting();

/// What a pipe holds, from either end; 0 leaves it as it is. The kernel rounds
/// up to a power of two of pages. FAILED_PRECONDITION when it refuses.
absl::Status SetPipeBytes(int fd, uint32_t bytes);

/// Makes whoever waits for our own reading end `fd` of a pipe look, by a byte
/// that nobody will use.
void WakePipeReader(int fd);

/// One descriptor for two ends: readable once the pipe whose reading end is
/// `read_fd` has hung up, or the process of `pidfd` has ended. Never for bytes.
/// RESOURCE_EXHAUSTED.
absl::StatusOr<Fd> WatchPipeAndProcess(int read_fd, int pidfd);

/// Reads and drops what a socket still holds: a socket that is closed with
/// unread bytes resets its connection, and what was sent may be lost.
void DiscardUnread(int fd);

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_STREAM_IO_H_
