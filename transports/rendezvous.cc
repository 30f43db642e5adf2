#include "transports/rendezvous.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "runtime/deadline.h"

namespace nearcall::internal {
namespace {

constexpr absl::string_view kLockSuffix = ".lock";
// Of the object's own name: the lock's name beside it must fit into NAME_MAX.
constexpr size_t kMaxNameLength = 255 - kLockSuffix.size();
// sockaddr_un, less the terminating NUL.
constexpr size_t kMaxSocketPath = sizeof(sockaddr_un{}.sun_path) - 1;
// How long Take starts again because a client was asking, or because a holder
// removed the lock file between our open and our flock: each time another
// server came and went. Far longer than a scheduler keeps an asker waiting.
constexpr int64_t kLockPatienceMillis = 5000;
constexpr timespec kBetweenAttempts = {0, 50'000};

std::string ErrorText(absl::string_view path, absl::string_view call,
                      int error) {
  return absl::StrCat(path, ": ", call, ": ", strerror(error));
}

absl::Status FileError(absl::string_view path, absl::string_view call,
                       int error) {
  const std::string text = ErrorText(path, call, error);
  switch (error) {
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(text);
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::FailedPreconditionError(text);
  }
}

struct Place {
  std::string path;
  absl::string_view why;  // For messages.
};

Place ChoosePlace() {
  const char* chosen = secure_getenv("NEARCALL_RUNTIME_DIR");
  if (chosen != nullptr && *chosen != '\0') {
    return {chosen, "from NEARCALL_RUNTIME_DIR"};
  }
  const uid_t uid = geteuid();
  const std::string run = absl::StrCat("/run/user/", uid);
  struct stat info;
  if (lstat(run.c_str(), &info) == 0 && S_ISDIR(info.st_mode) &&
      info.st_uid == uid) {
    return {absl::StrCat(run, "/nearcall"), "the default"};
  }
  return {absl::StrCat("/tmp/nearcall-", uid), "the default"};
}

// The directory as it is, or nothing when it does not exist.
absl::Status CheckDirectory(const Place& place, const struct stat& info,
                            Side side) {
  const std::string what =
      absl::StrCat("the runtime directory ", place.path, " (", place.why, ")");
  if (S_ISLNK(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(
        what,
        " is a symbolic link; set NEARCALL_RUNTIME_DIR to the directory "
        "itself"));
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(what,
                     " is not a directory; remove it or set "
                     "NEARCALL_RUNTIME_DIR to another path"));
  }
  const uid_t uid = geteuid();
  if (info.st_uid != uid && !(side == Side::kClient && info.st_uid == 0)) {
    return absl::PermissionDeniedError(absl::StrCat(
        what, " belongs to uid ", info.st_uid, ", not to ours (", uid,
        "); set NEARCALL_RUNTIME_DIR to a directory of your own"));
  }
  const mode_t mode = info.st_mode & 07777;
  if ((mode & 077) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        what, " has mode ", absl::StrFormat("%04o", mode),
        ": others have access to it; run: chmod 700 ", place.path));
  }
  if (side == Side::kServer && (mode & 0700) != 0700) {
    return absl::FailedPreconditionError(absl::StrCat(
        what, " is not fully ours to use; run: chmod 700 ", place.path));
  }
  return absl::OkStatus();
}

absl::Status CheckName(absl::string_view scheme, absl::string_view name) {
  const auto error = [&](absl::string_view rule) {
    return absl::InvalidArgumentError(
        absl::StrCat("the name in '", scheme, ":", name, "' ", rule));
  };
  if (name.empty()) {
    return error(absl::StrCat("is missing: write ", scheme, ":NAME"));
  }
  if (absl::StrContains(name, '/')) {
    return error(
        "has a slash: write a plain name, which lives in the runtime "
        "directory, or an absolute path");
  }
  if (name == "." || name == "..") return error("is a directory's");
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      return error("has a control character");
    }
  }
  if (absl::EndsWith(name, kLockSuffix)) {
    return error("ends in '.lock', which is kept for the locks of names");
  }
  return absl::OkStatus();
}

// A server's name must not be one that everybody can take from it. In a sticky
// directory only its owner can.
absl::Status CheckParent(absl::string_view scheme, absl::string_view path) {
  const std::string parent(
      path.substr(0, std::max<size_t>(path.rfind('/'), 1)));
  struct stat info;
  if (stat(parent.c_str(), &info) != 0) {
    return FileError(parent, "stat", errno);
  }
  if ((info.st_mode & S_IWOTH) == 0 || (info.st_mode & S_ISVTX) != 0) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "the directory of '", scheme, ":", path, "' has mode ",
      absl::StrFormat("%04o", info.st_mode & 07777),
      ": everybody could take the name away; run: chmod o-w ", parent));
}

// True: somebody holds the lock exclusively, as servers do. Those who only ask
// (NameIsHeld) hold it shared, for the moment that asking takes.
bool HeldByServer(int fd) {
  if (flock(fd, LOCK_SH | LOCK_NB) != 0) return errno == EWOULDBLOCK;
  flock(fd, LOCK_UN);
  return false;
}

// 0: it has not written it yet.
int HoldersPid(int fd) {
  char text[32];
  const ssize_t size = pread(fd, text, sizeof text, 0);
  int pid = 0;
  return size > 0 &&
                 absl::SimpleAtoi(
                     absl::string_view(text, static_cast<size_t>(size)), &pid)
             ? pid
             : 0;
}

// Who was killed leaves its pid in the file until the next holder has written
// its own. Of a holder in another pid namespace, too, nothing is known here.
bool IsHere(int pid) {
  return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

}  // namespace

absl::StatusOr<std::string> RuntimeDirectory(Side side) {
  Place place = ChoosePlace();
  if (place.path[0] != '/') {
    return absl::InvalidArgumentError(
        absl::StrCat("NEARCALL_RUNTIME_DIR is '", place.path,
                     "': it must be an absolute path"));
  }
  while (place.path.size() > 1 && place.path.back() == '/') {
    place.path.pop_back();
  }
  if (side == Side::kServer && mkdir(place.path.c_str(), 0700) != 0 &&
      errno != EEXIST) {
    const int error = errno;
    const absl::Status status = FileError(place.path, "mkdir", error);
    return absl::Status(
        status.code(),
        absl::StrCat("cannot make the runtime directory (", place.why,
                     "): ", status.message(),
                     error == ENOENT ? "; its parent must exist" : ""));
  }
  struct stat info;
  if (lstat(place.path.c_str(), &info) != 0) {
    if (errno == ENOENT && side == Side::kClient) return place.path;
    return FileError(place.path, "lstat", errno);
  }
  if (absl::Status status = CheckDirectory(place, info, side); !status.ok()) {
    return status;
  }
  return place.path;
}

absl::StatusOr<std::string> ResolveName(Side side, absl::string_view scheme,
                                        absl::string_view rest,
                                        absl::string_view suffix) {
  if (absl::StartsWith(rest, "/")) {
    if (absl::StrContains(rest, '\0')) {
      return absl::InvalidArgumentError(
          absl::StrCat("the path of a ", scheme, ": target has a NUL byte"));
    }
    if (absl::EndsWith(rest, "/") || absl::EndsWith(rest, kLockSuffix)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the path in '", scheme, ":", rest,
          "' must end in a name, and not in '.lock', which is kept for the "
          "locks of names"));
    }
    if (side == Side::kServer) {
      if (absl::Status status = CheckParent(scheme, rest); !status.ok()) {
        return status;
      }
    }
    return std::string(rest);
  }
  if (absl::Status status = CheckName(scheme, rest); !status.ok()) {
    return status;
  }
  if (rest.size() + suffix.size() > kMaxNameLength) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the name in '", scheme, ":", rest, "' has ", rest.size(),
        " bytes; at most ", kMaxNameLength - suffix.size(), " fit"));
  }
  absl::StatusOr<std::string> directory = RuntimeDirectory(side);
  if (!directory.ok()) return directory.status();
  return absl::StrCat(*directory, "/", rest, suffix);
}

absl::Status CheckSocketPath(absl::string_view path) {
  if (path.size() <= kMaxSocketPath) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the socket path ", path, " has ", path.size(), " bytes; at most ",
      kMaxSocketPath,
      " fit into a Unix socket's address: choose a shorter name, or set "
      "NEARCALL_RUNTIME_DIR to a shorter path"));
}

std::string NoServerAdvice(absl::string_view path) {
  const Place place = ChoosePlace();
  if (!absl::StartsWith(path, absl::StrCat(place.path, "/"))) {
    return "start the server or check the path";
  }
  return absl::StrCat(
      "start the server, or check that it has the same runtime directory (",
      place.why, "; set NEARCALL_RUNTIME_DIR for both)");
}

absl::StatusOr<bool> NameIsHeld(const std::string& path) {
  const std::string lock_path = absl::StrCat(path, kLockSuffix);
  const Fd fd(open(lock_path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) {
    if (errno == ENOENT) return false;
    return FileError(lock_path, "open", errno);
  }
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return FileError(lock_path, "fstat", errno);
  if (!S_ISREG(info.st_mode) ||
      (info.st_uid != geteuid() && info.st_uid != 0)) {
    return absl::PermissionDeniedError(absl::StrCat(
        "the lock file ", lock_path, " is not a file of uid ", geteuid(),
        " or of root's; remove it or choose another name"));
  }
  return HeldByServer(fd.get());
}

NameLock& NameLock::operator=(NameLock&& other) noexcept {
  if (this != &other) {
    Release();
    fd_ = std::move(other.fd_);
    lock_path_ = std::move(other.lock_path_);
    generation_ = other.generation_;
  }
  return *this;
}

absl::StatusOr<NameLock> NameLock::Take(const std::string& path) {
  const std::string lock_path = absl::StrCat(path, kLockSuffix);
  const Deadline patience = Deadline::AfterMillis(kLockPatienceMillis);
  do {
    Fd fd(open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
               0600));
    if (!fd) return FileError(lock_path, "open", errno);
    struct stat ours;
    if (fstat(fd.get(), &ours) != 0) {
      return FileError(lock_path, "fstat", errno);
    }
    if (!S_ISREG(ours.st_mode) || ours.st_uid != geteuid()) {
      return absl::PermissionDeniedError(
          absl::StrCat("the lock file ", lock_path, " is not a file of uid ",
                       geteuid(), "; remove it or choose another name"));
    }
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno != EWOULDBLOCK) return FileError(lock_path, "flock", errno);
      const bool held = HeldByServer(fd.get());
      const int pid = HoldersPid(fd.get());
      if (held && (IsHere(pid) || patience.passed())) {
        return absl::AlreadyExistsError(absl::StrCat(
            path, " is held by another server, ",
            pid != 0 ? absl::StrCat("pid ", pid) : "which is just starting",
            "; stop it or choose another name"));
      }
      // A client was asking, or the holder is about to write its pid.
      nanosleep(&kBetweenAttempts, nullptr);
      continue;
    }
    // The holder before us may have removed the file after we opened it; then
    // the lock we have is on nothing that anyone else can see.
    struct stat there;
    if (lstat(lock_path.c_str(), &there) != 0 || there.st_dev != ours.st_dev ||
        there.st_ino != ours.st_ino) {
      continue;
    }
    const std::string pid = absl::StrCat(getpid(), "\n");
    if (ftruncate(fd.get(), 0) != 0 ||
        pwrite(fd.get(), pid.data(), pid.size(), 0) !=
            static_cast<ssize_t>(pid.size())) {
      return FileError(lock_path, "write", errno);
    }
    NameLock lock;
    lock.fd_ = std::move(fd);
    lock.lock_path_ = lock_path;
    lock.generation_ = ForkGeneration();
    return lock;
  } while (!patience.passed());
  return absl::AbortedError(
      absl::StrCat("the lock file ", lock_path,
                   " is replaced faster than it can be taken: servers of this "
                   "name start and stop without end"));
}

// No LOCK_UN: it would drop the lock of every copy of this open file, also when
// a forked child calls it. Closing drops it with the last copy.
void NameLock::Release() {
  if (!fd_) return;
  if (generation_ == ForkGeneration()) {
    struct stat ours, there;
    if (fstat(fd_.get(), &ours) == 0 &&
        lstat(lock_path_.c_str(), &there) == 0 && ours.st_dev == there.st_dev &&
        ours.st_ino == there.st_ino) {
      unlink(lock_path_.c_str());
    }
  }
  fd_.reset();
}

}  // namespace nearcall::internal
