#include "transports/pipe_environment.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/sync.h"

namespace nearcall::internal {
namespace {

constexpr char kVariable[] = "NEARCALL_PIPE";

struct Inheritance {
  Mutex mutex;
  bool read ABSL_GUARDED_BY(mutex) = false;
  absl::StatusOr<InheritedPipe> pipe ABSL_GUARDED_BY(mutex) =
      absl::FailedPreconditionError(
          "not started by a channel: pipe: is served by a process that a "
          "channel with the target pipe:COMMAND has started; to start the "
          "server by hand set NEARCALL_PIPE_REATTACH=unix:NAME for it and its "
          "client");
  std::vector<std::string> commands ABSL_GUARDED_BY(mutex);
};

Inheritance& Process() {
  static auto& inheritance = *new Inheritance;
  return inheritance;
}

// FNV-1a, which is the same in every program.
std::string HashOf(const std::vector<std::string>& argv) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const std::string& word : argv) {
    // With the terminating zero, which separates the words.
    for (size_t i = 0; i <= word.size(); ++i) {
      hash =
          (hash ^ static_cast<unsigned char>(word.c_str()[i])) * 0x100000001b3;
    }
  }
  return absl::StrCat(absl::Hex(hash));
}

absl::StatusOr<InheritedPipe> Parse(const std::vector<std::string>& fields,
                                    absl::string_view value) {
  const auto malformed = [value](absl::string_view what) {
    return absl::FailedPreconditionError(absl::StrCat(
        kVariable, "=", value, " in the environment ", what,
        ": only a channel sets this variable, for the process it starts"));
  };
  int fds[2];
  pid_t parent;
  if (fields.size() < 3 || !absl::SimpleAtoi(fields[0], &fds[0]) ||
      !absl::SimpleAtoi(fields[1], &fds[1]) ||
      !absl::SimpleAtoi(fields[2], &parent)) {
    return malformed("is malformed");
  }
  for (const int fd : fds) {
    struct stat info;
    if (fd < 3 || fstat(fd, &info) != 0 || !S_ISFIFO(info.st_mode)) {
      return malformed(
          absl::StrCat("names descriptor ", fd, ", which is no pipe here"));
    }
  }
  for (const int fd : fds) fcntl(fd, F_SETFD, FD_CLOEXEC);
  return InheritedPipe{Fd(fds[0]), Fd(fds[1]), parent};
}

void ReadOnce(Inheritance* process)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(process->mutex) {
  if (std::exchange(process->read, true)) return;
  // Not for a program that runs with more rights than who started it.
  const char* const variable = secure_getenv(kVariable);
  if (variable == nullptr) return;
  const std::string value = variable;
  unsetenv(kVariable);
  std::vector<std::string> fields = absl::StrSplit(value, ',');
  process->pipe = Parse(fields, value);
  if (fields.size() > 3) {
    process->commands.assign(fields.begin() + 3, fields.end());
  }
}

}  // namespace

absl::StatusOr<InheritedPipe> TakeInheritedPipe() {
  Inheritance& process = Process();
  MutexLock lock(&process.mutex);
  ReadOnce(&process);
  return std::exchange(
      process.pipe,
      process.pipe.ok()
          ? absl::FailedPreconditionError(
                "the pipe to the parent process has been taken by another "
                "server of this process: it can be served once")
          : process.pipe.status());
}

bool StartedByChannelAs(const std::vector<std::string>& argv) {
  Inheritance& process = Process();
  MutexLock lock(&process.mutex);
  ReadOnce(&process);
  const std::string hash = HashOf(argv);
  for (const std::string& command : process.commands) {
    if (command == hash) return true;
  }
  return false;
}

std::vector<std::string> ChildEnvironment(
    int read, int write, const std::vector<std::string>& argv) {
  Inheritance& process = Process();
  MutexLock lock(&process.mutex);
  ReadOnce(&process);
  std::vector<std::string> environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (!absl::StartsWith(*entry, absl::StrCat(kVariable, "="))) {
      environment.emplace_back(*entry);
    }
  }
  std::string ours =
      absl::StrCat(kVariable, "=", read, ",", write, ",", getpid());
  for (const std::string& command : process.commands) {
    absl::StrAppend(&ours, ",", command);
  }
  absl::StrAppend(&ours, ",", HashOf(argv));
  environment.push_back(std::move(ours));
  return environment;
}

}  // namespace nearcall::internal
