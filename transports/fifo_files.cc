#include "transports/fifo_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "transports/fifo_request.h"
#include "transports/rendezvous.h"

namespace nearcall::internal {
namespace {

constexpr absl::string_view kUp = ".up";
constexpr absl::string_view kDown = ".down";
constexpr size_t kPrivateSuffixBytes = 1 + kFifoTokenBytes + kDown.size();

absl::Status FileError(absl::string_view path, absl::string_view call,
                       int error) {
  const std::string text =
      absl::StrCat(path, ": ", call, ": ", strerror(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(text);
    case EEXIST:
      return absl::AlreadyExistsError(text);
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

absl::Status NotAFifo(absl::string_view path) {
  return absl::FailedPreconditionError(absl::StrCat(
      path, " exists and is not a FIFO; remove it or choose another name"));
}

bool IsPrivateSuffix(absl::string_view suffix) {
  return absl::ConsumePrefix(&suffix, ".") &&
         (absl::ConsumeSuffix(&suffix, kUp) ||
          absl::ConsumeSuffix(&suffix, kDown)) &&
         IsFifoToken(suffix);
}

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

}  // namespace

absl::Status CheckFifoPath(absl::string_view path) {
  const size_t name = path.size() - path.rfind('/') - 1;
  if (name + kPrivateSuffixBytes <= NAME_MAX) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the file name of ", path, " has ", name, " bytes; at most ",
      NAME_MAX - kPrivateSuffixBytes,
      " leave room for the names of its private FIFOs: choose a shorter name"));
}

absl::StatusOr<OpenedFifo> OpenFifo(const std::string& path, int access) {
  OpenedFifo result;
  result.fd = Fd(open(path.c_str(),
                      access | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY));
  struct stat info;
  if (!result.fd) {
    const int error = errno;
    // A socket says ENXIO, too.
    if (error == ELOOP || (error == ENXIO && lstat(path.c_str(), &info) == 0 &&
                           !S_ISFIFO(info.st_mode))) {
      return NotAFifo(path);
    }
    if (error == ENXIO) {
      return absl::UnavailableError(
          absl::StrCat(path, ": nobody has it open for reading"));
    }
    return FileError(path, "open", error);
  }
  if (fstat(result.fd.get(), &info) != 0) {
    return FileError(path, "fstat", errno);
  }
  if (!S_ISFIFO(info.st_mode)) return NotAFifo(path);
  if ((info.st_mode & 077) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        path, " has mode ", absl::StrFormat("%04o", info.st_mode & 07777),
        ": others than its owner have access to it; remove it"));
  }
  if (info.st_nlink == 0) {
    return absl::NotFoundError(absl::StrCat(path, " was removed just now"));
  }
  // With a second name somebody could reach it by another path, and the two
  // FIFOs of a link could be one.
  if (info.st_nlink != 1) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " has ", info.st_nlink, " names, not one"));
  }
  result.owner.uid = info.st_uid;
  return result;
}

absl::Status MakeFifo(const std::string& path) {
  if (mkfifo(path.c_str(), 0600) == 0) return absl::OkStatus();
  return FileError(path, "mkfifo", errno);
}

FifoPairPaths::FifoPairPaths(absl::string_view path, absl::string_view token)
    : up(absl::StrCat(path, ".", token, kUp)),
      down(absl::StrCat(path, ".", token, kDown)) {}

void FifoPairPaths::Unlink() const {
  unlink(up.c_str());
  unlink(down.c_str());
}

absl::StatusOr<PrivateFifos> PrivateFifos::Make(const std::string& path) {
  PrivateFifos fifos(path, NewFifoToken());
  if (fifos.token_.empty()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("getrandom: ", strerror(errno)));
  }
  const absl::Status status = fifos.MakeAndOpen();
  if (absl::IsNotFound(status)) {
    // A server that ends, or begins, clears away what dead clients left.
    return absl::UnavailableError(absl::StrCat(
        "the server at ", path, " came or went just now: ", status.message()));
  }
  if (!status.ok()) return status;
  return fifos;
}

absl::Status PrivateFifos::MakeAndOpen() {
  for (const std::string* path : {&paths_.up, &paths_.down}) {
    if (absl::Status status = MakeFifo(*path); !status.ok()) return status;
  }
  // A writer needs a reader to open it without blocking: ours, for the moment.
  absl::StatusOr<OpenedFifo> reader = OpenFifo(paths_.up, O_RDONLY);
  if (!reader.ok()) return reader.status();
  absl::StatusOr<OpenedFifo> writer = OpenFifo(paths_.up, O_WRONLY);
  if (!writer.ok()) return writer.status();
  up = std::move(writer->fd);
  reader = OpenFifo(paths_.down, O_RDONLY);
  if (!reader.ok()) return reader.status();
  down = std::move(reader->fd);
  return absl::OkStatus();
}

PrivateFifos::PrivateFifos(PrivateFifos&& other) noexcept
    : up(std::move(other.up)),
      down(std::move(other.down)),
      token_(std::exchange(other.token_, "")),
      paths_(other.paths_),
      generation_(other.generation_) {}

PrivateFifos::~PrivateFifos() {
  if (!token_.empty() && generation_ == ForkGeneration()) paths_.Unlink();
}

void RemovePrivateFifos(const std::string& path,
                        std::vector<std::string>* removed) {
  const size_t slash = path.rfind('/');
  const std::string directory = path.substr(0, slash + 1);
  const absl::string_view name = absl::string_view(path).substr(slash + 1);
  const std::unique_ptr<DIR, CloseDir> dir(opendir(directory.c_str()));
  if (dir == nullptr) return;
  while (const dirent* entry = readdir(dir.get())) {
    absl::string_view suffix = entry->d_name;
    if (!absl::ConsumePrefix(&suffix, name) || !IsPrivateSuffix(suffix)) {
      continue;
    }
    const std::string found = absl::StrCat(directory, entry->d_name);
    struct stat info;
    if (lstat(found.c_str(), &info) == 0 && S_ISFIFO(info.st_mode) &&
        unlink(found.c_str()) == 0) {
      removed->push_back(found);
    }
  }
}

absl::Status RemoveWellKnownFifo(const std::string& path,
                                 std::vector<std::string>* removed) {
  struct stat info;
  if (lstat(path.c_str(), &info) == 0) {
    if (!S_ISFIFO(info.st_mode)) return NotAFifo(path);
    if (unlink(path.c_str()) == 0) {
      removed->push_back(path);
    } else if (errno != ENOENT) {
      return FileError(path, "unlink of the stale FIFO", errno);
    }
  }
  RemovePrivateFifos(path, removed);
  return absl::OkStatus();
}

absl::Status RemoveStaleFifos(const std::string& path,
                              std::vector<std::string>* removed) {
  if (absl::EndsWith(path, kFifoSuffix)) {
    return RemoveWellKnownFifo(path, removed);
  }
  // A client of a server that ended in good order may have died later.
  const size_t end = path.rfind(absl::StrCat(kFifoSuffix, "."));
  if (end == path.npos) return absl::OkStatus();
  const std::string server = path.substr(0, end + kFifoSuffix.size());
  if (!IsPrivateSuffix(absl::string_view(path).substr(server.size()))) {
    return absl::OkStatus();
  }
  const absl::StatusOr<NameLock> lock = NameLock::Take(server);
  if (lock.ok()) RemovePrivateFifos(server, removed);
  return absl::OkStatus();
}

}  // namespace nearcall::internal
