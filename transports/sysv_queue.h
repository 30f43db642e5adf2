// Message queues that a process receives from, and their records in files.
//
// The kernel keeps a System V queue until somebody removes it, and does not say
// who made it. So each queue is recorded, in a file `NAME.PID.NUMBER.queue`
// beside the name it serves or calls, whose lock (rendezvous.h) is held by the
// process for as long as the queue lives: who gets the lock may remove both.
// The name itself, held by its server, is a copy of its queue's record.
#ifndef NEARCALL_TRANSPORTS_SYSV_QUEUE_H_
#define NEARCALL_TRANSPORTS_SYSV_QUEUE_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/link.h"
#include "transports/rendezvous.h"

namespace nearcall::internal {

struct SysvRecord {
  int queue = -1;
  /// When the queue was made (msg_ctime): after a reboot another queue may have
  /// its id.
  int64_t made = 0;
  pid_t pid = 0;
  /// When that process started (field 22 of /proc/PID/stat): a pid may have
  /// gone to another process.
  uint64_t started = 0;
  uint32_t number = 0;  ///< Counts the queues of the process.
};

std::string EncodeSysvRecord(const SysvRecord& record);
/// False: not a record.
bool DecodeSysvRecord(absl::string_view text, SysvRecord* record);

/// Replaces the file in one step, mode 0600.
absl::Status WriteSysvRecord(const std::string& path, const SysvRecord& record);
/// NOT_FOUND: there is no file. INVALID_ARGUMENT: it is no record.
/// PERMISSION_DENIED: it is not a plain file of ours or of root's.
absl::StatusOr<SysvRecord> ReadSysvRecord(const std::string& path);

/// The record of the queue `number` of process `pid`, beside the name.
std::string SysvQueuePath(absl::string_view name_path, pid_t pid,
                          uint32_t number);
/// Longest addition of SysvQueuePath to a name.
inline constexpr size_t kSysvQueueSuffix = sizeof ".4194304.4294967295.queue";

/// Who made the queue, by what the kernel recorded; gid too. An error: it is
/// gone (UNAVAILABLE) or not open to us (PERMISSION_DENIED).
struct SysvQueueState {
  PeerIds creator;
  int64_t made = 0;
  pid_t last_sender = 0;    ///< As our pid namespace numbers it; 0: unknown.
  pid_t last_receiver = 0;  ///< The same.
};
absl::StatusOr<SysvQueueState> StatSysvQueue(int queue);

/// With the lock of `path` held by the caller: removes the queue that the
/// record there names, if it is still the same one, and the file; what was
/// removed is added to `removed`, a line each. What is not a record is left
/// alone. FAILED_PRECONDITION: the process that made it lives, although its
/// lock file is gone.
absl::Status RemoveSysvRecord(const std::string& path,
                              std::vector<std::string>* removed);
/// The same where nobody holds the lock of `path`; else does nothing.
void RemoveSysvRecordIfDead(const std::string& path);
/// The same for every queue recorded beside `name_path`.
void RemoveDeadSysvQueues(const std::string& name_path);

class SysvQueue {
 public:
  /// Makes a queue (mode 0600) and its record. RESOURCE_EXHAUSTED: the system
  /// has no more queues. UNIMPLEMENTED: a sandbox refuses them.
  static absl::StatusOr<std::unique_ptr<SysvQueue>> Make(
      const std::string& name_path);
  /// Removes both; not in a forked child.
  ~SysvQueue();
  SysvQueue(const SysvQueue&) = delete;
  SysvQueue& operator=(const SysvQueue&) = delete;

  int id() const { return record_.queue; }
  const SysvRecord& record() const { return record_; }
  /// Of the record.
  const std::string& path() const { return path_; }

 private:
  SysvQueue() = default;

  SysvRecord record_;
  std::string path_;
  NameLock lock_;
  uint32_t generation_ = 0;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_SYSV_QUEUE_H_
