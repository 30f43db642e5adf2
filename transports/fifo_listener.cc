#include "transports/fifo_listener.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "transports/fifo_files.h"
#include "transports/peer_policy.h"
#include "transports/stream_io.h"

namespace nearcall::internal {
namespace {

// One Accept reads no more than this; a writer of garbage gets its turn only.
constexpr int kReadsPerAccept = 64;

// The client opened its writing end before it asked, and has nothing to say
// before it is answered.
absl::Status CheckWaiting(int up) {
  char byte;
  const ssize_t got = ReadSome(up, StreamKind::kPipe, &byte, 1);
  if (got < 0 && errno == EAGAIN) return absl::OkStatus();
  return absl::UnavailableError(
      got == 0 ? "the client has gone"
               : "the client did not wait for the server's answer");
}

absl::Status Answer(int down) {
  const std::string answer = EncodeFifoAnswer(kFifoVersion);
  if (WriteSome(down, StreamKind::kPipe, answer.data(), answer.size()) ==
      static_cast<ssize_t>(answer.size())) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(
      absl::StrCat("the client has gone: ", strerror(errno)));
}

}  // namespace

FifoListener::FifoListener(const std::string& path, uint32_t pipe_bytes,
                           FdLinkOptions link)
    : path_(path),
      pipe_bytes_(pipe_bytes),
      link_(std::move(link)),
      address_(absl::StrCat(link_.info.scheme, ":", link_.info.address)) {}

absl::StatusOr<std::unique_ptr<Listener>> FifoListener::Listen(
    const std::string& path, uint32_t pipe_bytes, FdLinkOptions link) {
  std::unique_ptr<FifoListener> listener(
      new FifoListener(path, pipe_bytes, std::move(link)));
  if (absl::Status status = listener->Open(); !status.ok()) return status;
  return listener;
}

absl::Status FifoListener::Open() {
  absl::StatusOr<NameLock> lock = NameLock::Take(path_);
  if (!lock.ok()) return lock.status();
  lock_ = *std::move(lock);
  // Before there is a FIFO again: whoever opens the new one has yet to make its
  // private ones.
  std::vector<std::string> removed;
  if (absl::Status status = RemoveWellKnownFifo(path_, &removed);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = MakeFifo(path_); !status.ok()) return status;
  struct stat info;
  if (lstat(path_.c_str(), &info) == 0) {
    device_ = info.st_dev;
    inode_ = info.st_ino;
  }
  absl::StatusOr<OpenedFifo> requests = OpenFifo(path_, O_RDONLY);
  if (!requests.ok()) return requests.status();
  requests_ = std::move(requests->fd);
  absl::StatusOr<OpenedFifo> keep_open = OpenFifo(path_, O_WRONLY);
  if (!keep_open.ok()) return keep_open.status();
  keep_open_ = std::move(keep_open->fd);
  absl::StatusOr<std::unique_ptr<AcceptGate>> gate =
      AcceptGate::Create(requests_.get(), path_);
  if (!gate.ok()) return gate.status();
  gate_ = *std::move(gate);
  incoming_ = gate_->incoming();
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Link>> FifoListener::Accept() {
  if (!requests_ || generation_ != ForkGeneration()) return nullptr;
  if (gate_->Paused()) return nullptr;
  for (int i = 0; !waiting_ && i < kReadsPerAccept; ++i) {
    std::array<char, kFifoRequestBytes> bytes;
    const ssize_t got = ReadSome(requests_.get(), StreamKind::kPipe,
                                 bytes.data(), bytes.size());
    if (got <= 0) return nullptr;
    waiting_ = reader_.Add({bytes.data(), static_cast<size_t>(got)});
  }
  if (!waiting_) return nullptr;
  absl::StatusOr<std::unique_ptr<Link>> link = Connect(*waiting_);
  if (absl::IsResourceExhausted(link.status())) {
    return gate_->Pause(link.status().message());
  }
  waiting_.reset();
  return link;
}

absl::StatusOr<std::unique_ptr<Link>> FifoListener::Connect(
    const FifoRequest& request) {
  const FifoPairPaths paths(path_, request.token);
  absl::StatusOr<OpenedFifo> up = OpenFifo(paths.up, O_RDONLY);
  if (absl::IsResourceExhausted(up.status())) return up.status();
  absl::StatusOr<OpenedFifo> down = OpenFifo(paths.down, O_WRONLY);
  if (absl::IsResourceExhausted(down.status())) return down.status();
  // Both sides hold them, or the client is dead.
  paths.Unlink();
  for (const auto* fifo : {&up, &down}) {
    if (!fifo->ok()) return fifo->status();
    if (absl::Status status = CheckPeer((*fifo)->owner, "client", path_);
        !status.ok()) {
      return status;
    }
  }
  if (absl::Status status = CheckWaiting(up->fd.get()); !status.ok()) {
    return status;
  }
  if (absl::Status status = SetPipeBytes(down->fd.get(), pipe_bytes_);
      !status.ok()) {
    return absl::FailedPreconditionError(status.message());
  }
  // A client of another version learns from the answer which one we speak.
  if (absl::Status status = Answer(down->fd.get()); !status.ok()) return status;
  if (request.version != kFifoVersion) {
    return absl::UnimplementedError(
        absl::StrCat("a client speaks version ", request.version, " of ",
                     link_.info.scheme, ":, this server ", kFifoVersion));
  }
  FdLinkOptions options = link_;
  options.info.peer = up->owner;
  return MakePipeLink(std::move(up->fd), std::move(down->fd),
                      std::move(options));
}

void FifoListener::Close() {
  if (inode_ != 0 && generation_ == ForkGeneration()) {
    struct stat info;
    if (lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ &&
        info.st_ino == inode_) {
      unlink(path_.c_str());
    }
    // Of clients that asked and died; one that still waits is turned away.
    std::vector<std::string> removed;
    RemovePrivateFifos(path_, &removed);
  }
  inode_ = 0;
  gate_.reset();
  requests_.reset();
  keep_open_.reset();
  lock_.Release();
}

}  // namespace nearcall::internal
