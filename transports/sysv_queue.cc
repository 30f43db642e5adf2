#include "transports/sysv_queue.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/msg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace nearcall::internal {
namespace {

constexpr absl::string_view kFirstLine = "nearcall message queue 1";
constexpr absl::string_view kQueueSuffix = ".queue";
constexpr absl::string_view kUnfinished = ".new";
constexpr size_t kLongestRecord = 256;
constexpr int kMaxLockAttempts = 100;

absl::Status FileError(const std::string& path, const char* call, int error) {
  const std::string text =
      absl::StrCat(path, ": ", call, ": ", strerror(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(text);
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
      return absl::PermissionDeniedError(text);
    default:
      return absl::ResourceExhaustedError(text);
  }
}

// 0: there is no such process, or it has ended and waits for its parent.
uint64_t StartTime(pid_t pid) {
  const std::string path = absl::StrCat("/proc/", pid, "/stat");
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[1024];
  const ssize_t size = fd ? read(fd.get(), text, sizeof text) : -1;
  if (size <= 0) return 0;
  // The second field is a name in parentheses that may contain anything.
  const absl::string_view all(text, static_cast<size_t>(size));
  const size_t name_end = all.rfind(')');
  if (name_end == all.npos) return 0;
  const std::vector<absl::string_view> fields =
      absl::StrSplit(all.substr(name_end + 1), ' ', absl::SkipEmpty());
  constexpr size_t kState = 3 - 3;
  constexpr size_t kStartTime = 22 - 3;
  uint64_t started = 0;
  if (fields.size() <= kStartTime || fields[kState] == "Z" ||
      fields[kState] == "X" ||
      !absl::SimpleAtoi(fields[kStartTime], &started)) {
    return 0;
  }
  return started;
}

absl::Status MakeError(int error) {
  switch (error) {
    case ENOSPC:
    case ENOMEM:
      return absl::ResourceExhaustedError(
          absl::StrCat("no message queue to be had: ", strerror(error),
                       "; see ipcs -q, remove unused ones or raise "
                       "kernel.msgmni"));
    default:
      return absl::UnimplementedError(absl::StrCat(
          "msgget: ", strerror(error),
          "; this system or a sandbox has no System V message queues: choose "
          "another transport"));
  }
}

}  // namespace

std::string EncodeSysvRecord(const SysvRecord& record) {
  return absl::StrCat(kFirstLine, "\nqueue ", record.queue, "\nmade ",
                      record.made, "\npid ", record.pid, "\nstarted ",
                      record.started, "\nnumber ", record.number, "\n");
}

bool DecodeSysvRecord(absl::string_view text, SysvRecord* record) {
  if (!absl::ConsumePrefix(&text, kFirstLine)) return false;
  const auto number = [&text](absl::string_view key, auto* value) {
    if (!absl::ConsumePrefix(&text, "\n") || !absl::ConsumePrefix(&text, key) ||
        !absl::ConsumePrefix(&text, " ")) {
      return false;
    }
    const absl::string_view digits = text.substr(0, text.find('\n'));
    text.remove_prefix(digits.size());
    return absl::SimpleAtoi(digits, value) && *value >= 0;
  };
  return number("queue", &record->queue) && number("made", &record->made) &&
         number("pid", &record->pid) && number("started", &record->started) &&
         number("number", &record->number) && text == "\n";
}

absl::Status WriteSysvRecord(const std::string& path,
                             const SysvRecord& record) {
  const std::string unfinished = absl::StrCat(path, kUnfinished);
  unlink(unfinished.c_str());
  const Fd fd(open(unfinished.c_str(),
                   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return FileError(unfinished, "open", errno);
  const std::string text = EncodeSysvRecord(record);
  const ssize_t written = write(fd.get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) {
    const int error = written < 0 ? errno : ENOSPC;
    unlink(unfinished.c_str());
    return FileError(unfinished, "write", error);
  }
  if (rename(unfinished.c_str(), path.c_str()) != 0) {
    return FileError(path, "rename", errno);
  }
  return absl::OkStatus();
}

absl::StatusOr<SysvRecord> ReadSysvRecord(const std::string& path) {
  // Not blocking: the path may be a FIFO.
  const Fd fd(
      open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return FileError(path, "open", errno);
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return FileError(path, "fstat", errno);
  if (!S_ISREG(info.st_mode) ||
      (info.st_uid != geteuid() && info.st_uid != 0)) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, " is not a file of uid ", geteuid(),
                     " or of root's; remove it or choose another name"));
  }
  char text[kLongestRecord];
  const ssize_t size = read(fd.get(), text, sizeof text);
  SysvRecord record;
  if (size <= 0 ||
      !DecodeSysvRecord({text, static_cast<size_t>(size)}, &record)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path,
                     " exists and is not the record of a message queue; remove "
                     "it or choose another name"));
  }
  return record;
}

std::string SysvQueuePath(absl::string_view name_path, pid_t pid,
                          uint32_t number) {
  return absl::StrCat(name_path, ".", pid, ".", number, kQueueSuffix);
}

absl::StatusOr<SysvQueueState> StatSysvQueue(int queue) {
  msqid_ds state;
  if (msgctl(queue, IPC_STAT, &state) != 0) {
    const std::string text =
        absl::StrCat("message queue ", queue, ": ", strerror(errno));
    if (errno == EACCES) return absl::PermissionDeniedError(text);
    return absl::UnavailableError(text);
  }
  SysvQueueState result;
  result.creator.uid = state.msg_perm.cuid;
  result.creator.gid = state.msg_perm.cgid;
  result.made = state.msg_ctime;
  result.last_sender = state.msg_lspid;
  result.last_receiver = state.msg_lrpid;
  return result;
}

absl::Status RemoveSysvRecord(const std::string& path,
                              std::vector<std::string>* removed) {
  // That of another path, whose lock says whether it is in use.
  if (absl::EndsWith(path, kUnfinished)) return absl::OkStatus();
  unlink(absl::StrCat(path, kUnfinished).c_str());
  struct stat info;
  if (lstat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    return absl::OkStatus();  // Another transport's.
  }
  const absl::StatusOr<SysvRecord> record = ReadSysvRecord(path);
  if (absl::IsNotFound(record.status()) ||
      absl::IsInvalidArgument(record.status())) {
    return absl::OkStatus();
  }
  if (!record.ok()) return record.status();
  if (record->pid != getpid() && record->started != 0 &&
      StartTime(record->pid) == record->started) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": pid ", record->pid,
        ", which made the message queue, lives, although its lock file is "
        "gone; stop it first"));
  }
  const absl::StatusOr<SysvQueueState> state = StatSysvQueue(record->queue);
  if (state.ok() && state->made == record->made &&
      state->creator.uid == geteuid() &&
      msgctl(record->queue, IPC_RMID, nullptr) == 0) {
    removed->push_back(absl::StrCat("message queue ", record->queue));
  }
  if (unlink(path.c_str()) != 0) return FileError(path, "unlink", errno);
  removed->push_back(path);
  return absl::OkStatus();
}

void RemoveSysvRecordIfDead(const std::string& path) {
  absl::StatusOr<NameLock> lock = NameLock::Take(path);
  if (!lock.ok()) return;
  std::vector<std::string> removed;
  RemoveSysvRecord(path, &removed).IgnoreError();
}

void RemoveDeadSysvQueues(const std::string& name_path) {
  const size_t slash = name_path.rfind('/');
  const std::string directory = name_path.substr(0, slash + 1);
  const std::string prefix = absl::StrCat(name_path.substr(slash + 1), ".");
  DIR* const dir = opendir(directory.c_str());
  if (dir == nullptr) return;
  std::vector<std::string> found;
  while (const dirent* entry = readdir(dir)) {
    absl::string_view name = entry->d_name;
    absl::ConsumeSuffix(&name, ".lock");
    if (absl::StartsWith(name, prefix) && absl::EndsWith(name, kQueueSuffix)) {
      found.push_back(absl::StrCat(directory, name));
    }
  }
  closedir(dir);
  for (const std::string& path : found) RemoveSysvRecordIfDead(path);
}

absl::StatusOr<std::unique_ptr<SysvQueue>> SysvQueue::Make(
    const std::string& name_path) {
  static std::atomic<uint32_t> numbers{0};
  std::unique_ptr<SysvQueue> queue(new SysvQueue);
  SysvRecord& record = queue->record_;
  record.pid = getpid();
  record.started = StartTime(record.pid);
  queue->generation_ = ForkGeneration();
  absl::StatusOr<NameLock> lock = absl::UnknownError("");
  for (int attempt = 0; attempt < kMaxLockAttempts; ++attempt) {
    record.number = numbers.fetch_add(1);
    queue->path_ = SysvQueuePath(name_path, record.pid, record.number);
    lock = NameLock::Take(queue->path_);
    // Who has it takes it for a dead process's, and is removing it.
    if (!absl::IsAlreadyExists(lock.status())) break;
  }
  if (!lock.ok()) return lock.status();
  queue->lock_ = *std::move(lock);
  // A process before us may have had our pid.
  std::vector<std::string> removed;
  if (absl::Status status = RemoveSysvRecord(queue->path_, &removed);
      !status.ok()) {
    return status;
  }
  const int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
  if (id < 0) return MakeError(errno);
  record.queue = id;
  const absl::StatusOr<SysvQueueState> state = StatSysvQueue(id);
  if (!state.ok()) return state.status();
  record.made = state->made;
  if (absl::Status status = WriteSysvRecord(queue->path_, record);
      !status.ok()) {
    return status;
  }
  return queue;
}

SysvQueue::~SysvQueue() {
  if (generation_ != ForkGeneration()) return;
  if (record_.queue >= 0) {
    msgctl(record_.queue, IPC_RMID, nullptr);
    unlink(path_.c_str());
  }
  lock_.Release();
}

}  // namespace nearcall::internal
