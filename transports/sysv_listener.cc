#include "transports/sysv_listener.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "transports/options.h"
#include "transports/peer_policy.h"
#include "transports/sysv_link.h"

namespace nearcall::internal {
namespace {

// Under the name's lock: what lies at the path belongs to nobody of ours.
absl::Status RemoveStaleName(const std::string& path) {
  std::vector<std::string> removed;
  if (absl::Status status = RemoveSysvRecord(path, &removed); !status.ok()) {
    return status;
  }
  struct stat info;
  if (lstat(path.c_str(), &info) == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        path,
        " exists and is not the record of a message queue; remove it or choose "
        "another name"));
  }
  RemoveDeadSysvQueues(path);
  return absl::OkStatus();
}

bool Plausible(const SysvConnect& request) {
  return request.queue >= 0 && request.pid > 0 && request.base > kSysvControl &&
         SysvBase(request.base) == request.base &&
         request.max_frame >= kMinFrameBytes;
}

}  // namespace

SysvListener::SysvListener(LinkInfo info)
    : info_(std::move(info)),
      address_(absl::StrCat(info_.scheme, ":", info_.address)) {}

absl::StatusOr<std::unique_ptr<SysvListener>> SysvListener::Listen(
    LinkInfo info) {
  std::unique_ptr<SysvListener> listener(new SysvListener(std::move(info)));
  const std::string& path = listener->info_.address;
  absl::StatusOr<NameLock> lock = NameLock::Take(path);
  if (!lock.ok()) return lock.status();
  if (absl::Status status = RemoveStaleName(path); !status.ok()) return status;
  absl::StatusOr<std::shared_ptr<SysvInbox>> inbox =
      SysvInbox::Make(path, /*serves=*/true);
  if (!inbox.ok()) return inbox.status();
  const SysvRecord record = (*inbox)->record();
  if (absl::Status status = WriteSysvRecord(path, record); !status.ok()) {
    return status;
  }
  listener->inbox_ = *std::move(inbox);
  MutexLock held(&listener->mutex_);
  listener->lock_ = *std::move(lock);
  listener->published_ = record.queue;
  return listener;
}

// A queue that somebody removed has been replaced: the name leads to it.
void SysvListener::PublishLocked() {
  const SysvRecord record = inbox_->record();
  if (record.queue == published_) return;
  if (WriteSysvRecord(info_.address, record).ok()) published_ = record.queue;
}

absl::StatusOr<std::unique_ptr<Link>> SysvListener::Accept() {
  if (generation_ != ForkGeneration()) return nullptr;
  MutexLock lock(&mutex_);
  if (closed_) return nullptr;
  PublishLocked();
  DropStalledLocked();
  SysvConnect request;
  while (inbox_->TakeControl(&request)) AnswerLocked(request);
  while (const std::shared_ptr<SysvMailbox> box = inbox_->TakeConfirmed()) {
    if (std::unique_ptr<Link> link = FinishLocked(box.get())) return link;
  }
  return nullptr;
}

// Without a timer: a client that stalls costs others nothing until the table is
// full, and one that dies is reported.
void SysvListener::DropStalledLocked() {
  std::erase_if(half_open_, [this](HalfOpen& half_open) {
    if (!half_open.box->gone.load() && !half_open.until.passed()) return false;
    Drop(&half_open);
    return true;
  });
}

// A client that has confirmed already takes it for a link, which ends here.
void SysvListener::Drop(HalfOpen* half_open) {
  SysvSendEmpty(half_open->box->peer_queue,
                half_open->box->peer_base + kSysvEnd);
  SysvWatch::Process()->RemovePeer(half_open->watch_token);
  inbox_->Forget(half_open->box.get());
  if (half_open->box->gone.load()) RemoveSysvRecordIfDead(half_open->record);
}

uint64_t SysvListener::Watch(const SysvMailbox& box, Fd pidfd,
                             std::string record) {
  SysvWatch::Peer peer;
  peer.pidfd = std::move(pidfd);
  peer.peer_record = std::move(record);
  peer.notify = [base = box.base, inbox = std::weak_ptr<SysvInbox>(inbox_)](
                    SysvWatch::Event event) {
    if (const auto alive = inbox.lock()) alive->OnPeer(base, event);
  };
  return SysvWatch::Process()->AddPeer(std::move(peer));
}

// A request that makes no sense is left without an answer.
void SysvListener::AnswerLocked(const SysvConnect& request) {
  if (request.magic != kSysvMagic || !Plausible(request)) return;
  const absl::StatusOr<SysvQueueState> state = StatSysvQueue(request.queue);
  if (!state.ok()) return;
  SysvAnswer answer;
  answer.pid = getpid();
  answer.nonce = request.nonce;
  if (request.version != kSysvVersion) {
    answer.verdict = SysvVerdict::kVersion;
  } else if (!CheckPeer(state->creator, "client", address_).ok()) {
    answer.verdict = SysvVerdict::kRefused;
  } else if (half_open_.size() >= kMaxHalfOpen) {
    answer.verdict = SysvVerdict::kBusy;
  }
  if (answer.verdict != SysvVerdict::kAccepted) {
    SysvSendControl(request.queue, answer);
    return;
  }
  HalfOpen& half_open = half_open_.emplace_back();
  half_open.request = request;
  half_open.peer = state->creator;
  half_open.record = SysvQueuePath(info_.address, request.pid, request.number);
  half_open.until = Deadline::AfterMillis(kEstablishTimeoutMillis);
  half_open.box = std::make_shared<SysvMailbox>();
  half_open.box->peer_queue = request.queue;
  half_open.box->peer_base = request.base;
  half_open.box->max_frame = std::min(info_.max_frame, request.max_frame);
  inbox_->Open(half_open.box);
  // Before the answer: who confirms it was alive then, so the pidfd is its.
  half_open.watch_token =
      Watch(*half_open.box, OpenPidFd(request.pid), half_open.record);
  answer.max_frame = half_open.box->max_frame;
  answer.base = half_open.box->base;
  if (SysvSendControl(request.queue, answer) != 0) {
    Drop(&half_open);
    half_open_.pop_back();
  }
}

std::unique_ptr<Link> SysvListener::FinishLocked(const SysvMailbox* box) {
  const auto found = std::find_if(
      half_open_.begin(), half_open_.end(),
      [box](const HalfOpen& other) { return other.box.get() == box; });
  if (found == half_open_.end()) return nullptr;
  HalfOpen half_open = std::move(*found);
  half_open_.erase(found);
  const absl::StatusOr<SysvQueueState> state =
      StatSysvQueue(half_open.request.queue);
  if (!state.ok()) {
    Drop(&half_open);
    return nullptr;
  }
  // Who has read the answer, as the kernel numbers it for us: another number
  // than the client's own says that pids mean something else there.
  if (state->last_receiver != half_open.request.pid) {
    SysvWatch::Process()->RemovePeer(half_open.watch_token);
    half_open.watch_token = Watch(*half_open.box, Fd(), half_open.record);
  }
  LinkInfo info = info_;
  info.max_frame = half_open.box->max_frame;
  info.peer = half_open.peer;
  if (state->last_receiver > 0) info.peer.pid = state->last_receiver;
  SysvLinkParts parts;
  parts.inbox = inbox_;
  parts.box = half_open.box;
  parts.watch_token = half_open.watch_token;
  parts.client_record = std::move(half_open.record);
  return std::make_unique<SysvLink>(std::move(parts), std::move(info));
}

// The queue stays, with its own record, as long as links receive from it.
void SysvListener::Close() {
  if (generation_ != ForkGeneration()) return;
  MutexLock lock(&mutex_);
  if (std::exchange(closed_, true) || inbox_ == nullptr) return;
  inbox_->StopListening();
  for (HalfOpen& half_open : half_open_) Drop(&half_open);
  half_open_.clear();
  unlink(info_.address.c_str());
  lock_.Release();
}

}  // namespace nearcall::internal
