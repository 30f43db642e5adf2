// The scheme sysv: System V message queues, no socket and no descriptor between
// the processes. How the parts fit is told in docs/transports.md.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transports/factories.h"
#include "transports/name_watch.h"
#include "transports/options.h"
#include "transports/peer_policy.h"
#include "transports/sysv_inbox.h"
#include "transports/sysv_link.h"
#include "transports/sysv_listener.h"

namespace nearcall::internal {
namespace {

constexpr absl::string_view kSuffix = ".sysv";
constexpr size_t kMaxName =
    250;  // With the suffixes of the lock and of queues.
constexpr int64_t kFirstLookNanos = 20'000;
constexpr int64_t kLastLookNanos = 1'000'000;
constexpr int64_t kBusyNanos = 5'000'000;
// How often a client that waits for an answer asks whether the name is held.
constexpr int64_t kHeldNanos = 50'000'000;

absl::StatusOr<LinkInfo> Parse(const Target& target, Side side) {
  const absl::StatusOr<uint32_t> frame_bytes = FrameBytes(target);
  if (!frame_bytes.ok()) return frame_bytes.status();
  absl::StatusOr<std::string> path =
      ResolveName(side, "sysv", target.rest, kSuffix);
  if (!path.ok()) return path.status();
  const size_t name = path->size() - path->rfind('/') - 1;
  if (name + kSysvQueueSuffix + sizeof ".lock" > kMaxName) {
    return absl::InvalidArgumentError(
        absl::StrCat("the name in '", target.uri, "' is too long: ", name,
                     " bytes with its suffix; at most ",
                     kMaxName - kSysvQueueSuffix - sizeof ".lock", " fit"));
  }
  LinkInfo info;
  info.scheme = target.scheme;
  info.address = *std::move(path);
  info.max_frame = *frame_bytes;
  return info;
}

// One attempt to reach a server.
class Connecting {
 public:
  Connecting(const LinkInfo& info, Deadline deadline, int interrupt_fd)
      : info_(info), deadline_(deadline), interrupt_fd_(interrupt_fd) {}

  absl::StatusOr<std::unique_ptr<Link>> Run() {
    if (absl::Status status = FindServer(); !status.ok()) return status;
    absl::StatusOr<std::shared_ptr<SysvInbox>> inbox =
        SysvInbox::Make(info_.address, /*serves=*/false);
    if (!inbox.ok()) return Named(inbox.status());
    inbox_ = *std::move(inbox);
    box_ = std::make_shared<SysvMailbox>();
    box_->peer_queue = server_.queue;
    box_->confirmed = true;
    box_->death = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!box_->death) {
      return Named(absl::ResourceExhaustedError(
          absl::StrCat("eventfd: ", strerror(errno),
                       "; raise the limit of open files (ulimit -n)")));
    }
    inbox_->Open(box_);
    absl::Status status = Ask();
    if (status.ok()) status = Confirm();
    if (!status.ok()) {
      inbox_->Forget(box_.get());
      return Named(status);
    }
    return Finish();
  }

 private:
  std::string Where() const {
    return absl::StrCat(info_.scheme, ":", info_.address);
  }
  absl::Status Named(const absl::Status& status) const {
    return absl::Status(status.code(),
                        absl::StrCat(Where(), ": ", status.message()));
  }
  absl::Status NoServer(absl::string_view why) const {
    return absl::UnavailableError(absl::StrCat("no server at ", Where(), ": ",
                                               why, "; ",
                                               NoServerAdvice(info_.address)));
  }

  absl::Status FindServer() {
    int64_t pause = kFirstLookNanos;
    for (;;) {
      const absl::StatusOr<bool> held = NameIsHeld(info_.address);
      if (!held.ok()) return held.status();
      if (!*held) return NoServer("nobody holds the name");
      const absl::StatusOr<SysvRecord> record = ReadSysvRecord(info_.address);
      if (!record.ok() && !absl::IsNotFound(record.status())) {
        return record.status();
      }
      if (record.ok()) {
        const absl::StatusOr<bool> lives = NameIsHeld(
            SysvQueuePath(info_.address, record->pid, record->number));
        if (!lives.ok()) return lives.status();
        if (*lives) {
          server_ = *record;
          break;
        }
      }
      // It is just starting; a record is that of a dead server before it.
      if (absl::Status status = Pause(&pause); !status.ok()) return status;
    }
    const absl::StatusOr<SysvQueueState> state = StatSysvQueue(server_.queue);
    if (!state.ok()) return Named(state.status());
    if (state->made != server_.made) {
      return NoServer("its message queue is gone");
    }
    if (absl::Status status = CheckPeer(state->creator, "server", Where());
        !status.ok()) {
      return status;
    }
    peer_ = state->creator;
    // Before the request: who answers it was alive then, so the pidfd is its.
    pidfd_ = OpenPidFd(server_.pid);
    return absl::OkStatus();
  }

  // Until the answer is there. Sends once more when the server was busy, or had
  // no room for the request.
  absl::Status Ask() {
    SysvConnect request;
    const SysvRecord own = inbox_->record();
    request.queue = own.queue;
    request.pid = own.pid;
    request.number = own.number;
    request.max_frame = info_.max_frame;
    request.base = box_->base;
    request.nonce = SysvRandom();
    bool sent = false;
    int64_t pause = kFirstLookNanos;
    for (;;) {
      if (!sent) {
        const int error = SysvSendControl(server_.queue, request);
        if (error != 0 && error != EAGAIN && error != EINTR) {
          return absl::UnavailableError(
              absl::StrCat("message queue ", server_.queue,
                           ", the server's: ", strerror(error)));
        }
        sent = error == 0;
      }
      inbox_->Poll();
      if (inbox_->TakeControl(&answer_) && answer_.magic == kSysvMagic &&
          answer_.nonce == request.nonce) {
        if (answer_.verdict != SysvVerdict::kBusy) return Judge();
        sent = false;
        pause = kBusyNanos;
      }
      if (absl::Status status = Pause(&pause); !status.ok()) return status;
    }
  }

  absl::Status Judge() const {
    switch (answer_.verdict) {
      case SysvVerdict::kAccepted:
        break;
      case SysvVerdict::kRefused:
        return absl::PermissionDeniedError(
            "the server takes clients of its own user only; run both as the "
            "same user");
      default:
        return absl::InternalError(
            absl::StrCat("the server speaks version ", answer_.version,
                         " of the sysv transport, this process version ",
                         kSysvVersion, "; update the older one"));
    }
    if (answer_.base <= kSysvControl ||
        SysvBase(answer_.base) != answer_.base ||
        answer_.max_frame < kMinFrameBytes ||
        answer_.max_frame > info_.max_frame) {
      return absl::InternalError("the server's answer makes no sense");
    }
    return absl::OkStatus();
  }

  absl::Status Confirm() {
    box_->peer_base = answer_.base;
    box_->max_frame = answer_.max_frame;
    int64_t pause = kFirstLookNanos;
    for (;;) {
      const int error =
          SysvSendEmpty(server_.queue, answer_.base + kSysvConfirm);
      if (error == 0) return absl::OkStatus();
      if (error != EAGAIN && error != EINTR) {
        return absl::UnavailableError(
            absl::StrCat("message queue ", server_.queue,
                         ", the server's: ", strerror(error)));
      }
      if (absl::Status status = Pause(&pause); !status.ok()) return status;
    }
  }

  std::unique_ptr<Link> Finish() {
    // Who has answered, as the kernel numbers it for us: another number than
    // the recorded one says that pids mean something else there.
    const absl::StatusOr<SysvQueueState> own =
        StatSysvQueue(inbox_->record().queue);
    if (!own.ok() || own->last_sender != server_.pid) pidfd_.reset();
    if (own.ok() && own->last_sender > 0) peer_.pid = own->last_sender;
    SysvWatch::Peer peer;
    peer.pidfd = std::move(pidfd_);
    peer.peer_record =
        SysvQueuePath(info_.address, server_.pid, server_.number);
    peer.own_record = inbox_->record_path();
    peer.notify = [base = box_->base, inbox = std::weak_ptr<SysvInbox>(inbox_)](
                      SysvWatch::Event event) {
      if (const auto alive = inbox.lock()) alive->OnPeer(base, event);
    };
    LinkInfo info = info_;
    info.max_frame = answer_.max_frame;
    info.peer = peer_;
    SysvLinkParts parts;
    parts.inbox = inbox_;
    parts.box = box_;
    parts.watch_token = SysvWatch::Process()->AddPeer(std::move(peer));
    return std::make_unique<SysvLink>(std::move(parts), std::move(info));
  }

  // OK when it is worth another look.
  absl::Status Pause(int64_t* nanos) {
    if (deadline_.passed()) {
      return absl::DeadlineExceededError("the server did not answer in time");
    }
    std::array<pollfd, 2> fds = {pollfd{interrupt_fd_, POLLIN, 0},
                                 pollfd{pidfd_.get(), POLLIN, 0}};
    timespec storage;
    const Deadline until = std::min(deadline_, Deadline::After(*nanos));
    ppoll(fds.data(), fds.size(), until.RemainingTimespec(&storage), nullptr);
    *nanos = std::min(2 * *nanos, kLastLookNanos);
    if (fds[0].revents != 0) {
      return absl::CancelledError("connecting was interrupted");
    }
    if (fds[1].revents != 0) {
      return absl::UnavailableError("the server has ended");
    }
    const int64_t now = MonotonicNanos();
    if (now < look_at_name_) return absl::OkStatus();
    look_at_name_ = now + kHeldNanos;
    const absl::StatusOr<bool> held = NameIsHeld(info_.address);
    if (held.ok() && !*held) return NoServer("it has closed the name");
    if (server_.queue < 0) return absl::OkStatus();
    // Who has the name now has another queue than the one that was asked.
    const absl::StatusOr<SysvRecord> record = ReadSysvRecord(info_.address);
    if (record.ok() &&
        (record->pid != server_.pid || record->number != server_.number ||
         record->made != server_.made)) {
      return NoServer("another one has just taken the name");
    }
    return absl::OkStatus();
  }

  const LinkInfo& info_;
  const Deadline deadline_;
  const int interrupt_fd_;
  int64_t look_at_name_ = MonotonicNanos() + kHeldNanos;

  SysvRecord server_;
  PeerIds peer_;
  Fd pidfd_;
  std::shared_ptr<SysvInbox> inbox_;
  std::shared_ptr<SysvMailbox> box_;
  SysvAnswer answer_;
};

class SysvDialer final : public Dialer {
 public:
  explicit SysvDialer(LinkInfo info)
      : info_(std::move(info)), watch_(info_.address) {}

  absl::StatusOr<std::unique_ptr<Link>> Dial(Deadline deadline,
                                             int interrupt_fd) override {
    absl::StatusOr<std::unique_ptr<Link>> link =
        Connecting(info_, deadline, interrupt_fd).Run();
    if (link.ok()) watch_.Stop();
    return link;
  }
  bool WaitForServer(Deadline until, int interrupt_fd) override {
    return watch_.Wait(until, interrupt_fd);
  }

 private:
  const LinkInfo info_;
  NameWatch watch_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Dialer>> MakeSysvDialer(const Target& target) {
  absl::StatusOr<LinkInfo> info = Parse(target, Side::kClient);
  if (!info.ok()) return info.status();
  return std::make_unique<SysvDialer>(*std::move(info));
}

absl::StatusOr<std::unique_ptr<Listener>> ListenSysv(const Target& target) {
  absl::StatusOr<LinkInfo> info = Parse(target, Side::kServer);
  if (!info.ok()) return info.status();
  return SysvListener::Listen(*std::move(info));
}

}  // namespace nearcall::internal
