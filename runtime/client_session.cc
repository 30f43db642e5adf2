#include "runtime/client_session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/death_watcher.h"
#include "runtime/lend.h"
#include "runtime/near_client_call.h"
#include "runtime/target_settings.h"

namespace nearcall::internal {
namespace {
// Polls between two looks at the clock.
constexpr int kPollsPerClock = 64;
// Without a sync call for so long, the pump takes the reader role back.
constexpr int64_t kPumpBackMillis = 1;
}  // namespace

ClientSession::ClientSession(std::unique_ptr<Link> link, const Hello& ours,
                             int spin_micros)
    : Session(std::move(link), ours, spin_micros) {}

ClientSession::~ClientSession() { DeathWatcher::Process().Forget(this); }

void ClientSession::set_on_unusable(std::function<void()> callback) {
  MutexLock lock(&mu);
  on_unusable_ = std::move(callback);
}

void ClientSession::BecomeUnusableLocked() {
  if (!usable_.exchange(false)) return;
  if (on_unusable_) std::exchange(on_unusable_, nullptr)();
}

// --- Opening calls ---

bool ClientSession::SlotFreeLocked(NearClientCall* call) {
  if (live_calls_locked() < peer_hello().max_calls) return true;
  slot_waiters_.push(call);
  return false;
}

void ClientSession::OnEndedLocked(Call* ended) {
  auto* const near = static_cast<NearClientCall*>(ended);
  if (near->ops().has_sink() || near->unbounded_limit_ != 0) {
    auto [first, last] = sink_calls_.equal_range(near->deadline());
    while (first != last && first->second != near) ++first;
    if (first != last) sink_calls_.erase(first);
    if (sink_calls_.empty() && pump_runs_) {
      pump_yields_.store(true);
      pump_wake_.Signal();
      if (pump_reads_) WakeReaderLocked();
    }
  }
  if (slot_waiters_.empty()) return;
  slot_waiters_.filter([this](NearClientCall* call) {
    mu.AssertHeld();
    if (!call->ended()) QueueLocked(call);
    return false;
  });
}

void ClientSession::DefineAliasLocked(uint32_t tag) {
  if (tag >= aliases_.size()) aliases_.resize(tag + 1);
  aliases_[tag] = true;
}

bool ClientSession::StartWholeLocked(NearClientCall* call,
                                     const OutMessage& message, size_t size) {
  if (!QueueEmptyLocked() || live_calls_locked() >= peer_hello().max_calls ||
      size + wire::kMessageCharge > peer_window()) {
    return false;
  }
  const size_t body_size = call->OpenSize() + size;
  if (body_size > max_body()) return false;
  const WriteSpan span = ReserveLocked(body_size);
  if (span.io != Io::kOk) return false;
  uint8_t* to;
  wire::Header header = call->WriteOpen(
      reinterpret_cast<uint8_t*>(span.data) + wire::Header::kSize, &to);
  message.write(message.message, to, size);
  header.flags |= wire::kMessage | wire::kEnd;
  call->half_close_sent_ = true;
  CommitLocked(span, header, body_size);
  FlushLocked();
  return true;
}

bool ClientSession::Start(NearClientCall* call, OutMessage message,
                          bool half_close, bool corked) {
  MutexLock lock(&mu);
  if (!usable_.load(std::memory_order_relaxed) || !CanWriteLocked()) {
    BecomeUnusableLocked();
    return false;
  }
  call->define_alias_ = !KnowsAliasLocked(call->tag_);
  if (call->OpenSize() > max_body()) {
    call->ended_ = true;
    call->SetFinal(RESOURCE_EXHAUSTED,
                   absl::StrCat("method and metadata of ", call->OpenSize(),
                                " bytes do not fit a frame of ", max_body(),
                                " bytes; raise frame_bytes"),
                   {});
    call->OnProgress();
    return true;
  }
  call->attached_ = true;
  call->RefCall();
  call->send_credit_ = peer_window();
  call->receive_window_ = window();
  call->half_close_ = half_close;
  const bool rendezvous =
      call->buffering_.mode == BufferingMode::kRendezvous ||
      (peer_hello().features & Hello::kRendezvousStreams) != 0;
  call->rendezvous_out_ = rendezvous && call->client_streams_;
  call->rendezvous_in_ = rendezvous && call->server_streams_;
  if (call->client_streams_) {
    call->unbounded_limit_ = UnboundedLimit(call->buffering_);
  }
  // Nobody may be waiting when an unbounded stream is let go on.
  if (call->ops().has_sink() || call->unbounded_limit_ != 0) {
    sink_calls_.emplace(call->deadline(), call);
    StartPumpLocked(call->deadline());
  }
  if (message) {
    const size_t size = message.size(message.message);
    if (half_close && StartWholeLocked(call, message, size)) return true;
    if (!CanWriteLocked()) {
      OnEndedLocked(call);
      call->attached_ = false;
      call->UnrefCall();
      BecomeUnusableLocked();
      return false;
    }
    call->Enqueue(message, size);
  } else if (corked) {
    return true;
  }
  QueueLocked(call);
  PumpLocked();
  return true;
}

void ClientSession::Cancel(NearClientCall* call, StatusCode code,
                           std::string_view text) {
  MutexLock lock(&mu);
  CancelLocked(call, code, text);
  PumpLocked();
  SeeWritesOutLocked();
}

void ClientSession::CancelLocked(NearClientCall* call, StatusCode code,
                                 std::string_view text) {
  if (call->ended() || !call->attached_) return;
  call->Ref();
  call->DropUnread();
  call->EndWithReset(this, code, text);
  call->SetFinal(code, text, {});
  call->OnProgress();
  WakeReaderLocked();
  call->Unref();
}

// --- The reader role ---

void ClientSession::WakeReaderLocked() {
  if (reader_asleep_) link().Interrupt();
}

void ClientSession::OnBlockedLocked() { WakeReaderLocked(); }

void ClientSession::HandOverLocked() {
  reader_held_ = false;
  if (!followers_.empty()) {
    followers_.front()->ops().changed().SignalAll();
  } else if (std::exchange(pump_wants_role_, false)) {
    pump_wake_.Signal();
  } else {
    SeeWritesOutLocked();
  }
}

// The last reader may leave a reset or credit behind that the link had no space
// for; the peer would not hear of it before the next call. Or it left while the
// server died, and nobody would see that.
bool ClientSession::HasLeftoversLocked() const {
  return (write_blocked() && CanWriteLocked()) || death_seen_;
}

void ClientSession::SeeWritesOutLocked() {
  if (!reader_held_ && !broken() && HasLeftoversLocked()) {
    StartPumpLocked(Deadline::Never());
  }
}

void ClientSession::Await(NearClientCall* call, Op op) {
  MutexLock lock(&mu);
  OpTable& ops = call->ops();
  const auto done = [&ops, op] { return ops.done(op); };
  const auto deadline = [call] { return call->deadline(); };
  ++sync_waits_;
  bool expired = false;
  while (!ops.done(op)) {
    if (expired) {
      CancelLocked(call, DEADLINE_EXCEEDED, "Deadline Exceeded");
      PumpLocked();
      continue;
    }
    if (!reader_held_) {
      reader_held_ = true;
      mu.Unlock();
      ReadUntil(done, deadline);
      mu.Lock();
      HandOverLocked();
      expired = !ops.done(op) && call->deadline().passed();
      continue;
    }
    followers_.push(call);
    if (pump_reads_) {
      pump_yields_.store(true);
      WakeReaderLocked();
    }
    mu.Unlock();
    AboutToBlock();
    const Deadline until = call->deadline();
    mu.Lock();
    bool in_time = true;
    while (in_time && reader_held_ && !ops.done(op)) {
      in_time = ops.changed().WaitUntil(&mu, until);
    }
    // One entry for this wait; another thread may wait for the same call.
    bool removed = false;
    followers_.filter([call, &removed](NearClientCall* other) {
      if (removed || other != call) return true;
      removed = true;
      return false;
    });
    expired = !in_time;
  }
  // Perhaps woken to lead, but done at the same time: somebody else must.
  if (!reader_held_) HandOverLocked();
}

template <typename Done, typename Until>
void ClientSession::ReadUntil(Done done, Until deadline) {
  int64_t spin = -1;  // Not waiting.
  int64_t spin_until = 0;
  int polls = 0;
  while (!done()) {
    const Io io = ReadFrame();
    if (io == Io::kOk) {
      if (spin > 0) idle_policy().EndWait(true);
      spin = -1;
      continue;
    }
    if (io != Io::kAgain) return;
    if (write_blocked()) Pump();
    if (spin < 0) {
      spin = idle_policy().BeginWait();
      polls = 0;
      spin_until = 0;
    }
    if (spin > 0) {
      CpuRelax();
      if (++polls % kPollsPerClock != 0) continue;
      const int64_t now = MonotonicNanos();
      if (spin_until == 0) {
        spin_until = now + spin;
        continue;
      }
      if (now >= deadline().nanos()) return;
      if (now < spin_until) continue;
      idle_policy().EndWait(false);
      spin = 0;
    }
    AboutToBlock();
    const Deadline until = deadline();
    unsigned want = kReadable;
    {
      MutexLock lock(&mu);
      if (done()) return;
      if (write_blocked()) want |= kWritable;
      reader_asleep_ = true;
    }
    const Io slept = link().Sleep(want, until);
    {
      MutexLock lock(&mu);
      reader_asleep_ = false;
    }
    if (slept == Io::kTimeout) return;
  }
}

// --- The pump ---

void ClientSession::StartPumpLocked(Deadline deadline) {
  if (pump_runs_) {
    if (deadline >= pump_until_) return;
    pump_yields_.store(true);
    pump_wake_.Signal();
    if (pump_reads_) WakeReaderLocked();
    return;
  }
  pump_runs_ = true;
  pump_task_.session =
      std::static_pointer_cast<ClientSession>(shared_from_this());
  if (!Executor::Process().SubmitNow(&pump_task_).ok()) {
    Executor::Process().Submit(&pump_task_);
  }
}

void ClientSession::PumpTask::Run() {
  const std::shared_ptr<ClientSession> self = std::move(session);
  self->PumpLoop();
}

Deadline ClientSession::ExpireSinkCallsLocked() {
  while (!sink_calls_.empty()) {
    const auto [deadline, call] = *sink_calls_.begin();
    if (!deadline.passed()) return deadline;
    CancelLocked(call, DEADLINE_EXCEEDED, "Deadline Exceeded");
    PumpLocked();
  }
  return Deadline::Never();
}

void ClientSession::PumpLoop() {
  MutexLock lock(&mu);
  uint64_t seen_waits = sync_waits_;
  while ((!sink_calls_.empty() || write_blocked() || death_seen_) &&
         !broken()) {
    const Deadline next = ExpireSinkCallsLocked();
    const bool only_writes = sink_calls_.empty() && !death_seen_;
    if (only_writes && !write_blocked()) break;
    pump_until_ = next;
    if (reader_held_ || !followers_.empty()) {
      pump_wants_role_ = true;
      pump_wake_.WaitUntil(&mu, next);
      continue;
    }
    if (sync_waits_ != seen_waits) {
      // Sync calls come one after another: each would have to take the role.
      seen_waits = sync_waits_;
      pump_wake_.WaitUntil(
          &mu, std::min(next, Deadline::AfterMillis(kPumpBackMillis)));
      continue;
    }
    reader_held_ = pump_reads_ = true;
    pump_yields_.store(false);
    mu.Unlock();
    ReadUntil(
        [this, only_writes] {
          return pump_yields_.load(std::memory_order_relaxed) ||
                 (only_writes && !write_blocked());
        },
        [next] { return next; });
    mu.Lock();
    pump_reads_ = false;
    HandOverLocked();
  }
  pump_runs_ = false;
}

void ClientSession::OnDeathSeen() {
  {
    MutexLock lock(&mu);
    // Who reads sees it, after what came before it, or leaves it to another.
    death_seen_ = true;
    if (reader_held_) return;
    reader_held_ = true;
  }
  Io io;
  do {
    io = ReadFrame();
  } while (io == Io::kOk);
  MutexLock lock(&mu);
  HandOverLocked();
}

// --- Frames ---

bool ClientSession::WasOpenedLocked(uint64_t id) const {
  return (id & 1) != 0 && last_id_ != static_cast<uint64_t>(-1) &&
         id <= last_id_;
}

bool ClientSession::OnFrame(const wire::Header& header, Buffer* body) {
  switch (header.type) {
    case wire::Type::kStatus:
      return OnStatus(header, body);
    case wire::Type::kHeaders:
      return OnHeaders(header, body);
    case wire::Type::kGoaway:
      return OnGoaway(header, *body);
    default:
      return false;
  }
}

bool ClientSession::OnHeaders(const wire::Header& header, Buffer* body) {
  std::string_view block;
  if (!wire::ParseHeaders(
          {reinterpret_cast<const char*>(body->data()), body->size()},
          &block)) {
    return false;
  }
  MutexLock lock(&mu);
  Call* found = FindLocked(header.call);
  if (found == nullptr) return WasOpenedLocked(header.call);
  auto* call = static_cast<NearClientCall*>(found);
  if (call->initial_here_) return false;
  call->OnInitialMetadata(body, block);
  return true;
}

bool ClientSession::OnStatus(const wire::Header& header, Buffer* body) {
  wire::StatusBody parsed;
  if (!wire::ParseStatus(
          header.flags,
          {reinterpret_cast<const char*>(body->data()), body->size()},
          &parsed)) {
    return false;
  }
  MutexLock lock(&mu);
  Call* found = FindLocked(header.call);
  if (found == nullptr) return WasOpenedLocked(header.call);
  auto* call = static_cast<NearClientCall*>(found);
  if (call->in_message_) return false;
  call->Ref();
  call->OnStatus(header, body, parsed);
  call->Unref();
  // What it gave back (credit, its place among the calls) others wait for.
  if (!QueueEmptyLocked()) PumpLocked();
  return true;
}

bool ClientSession::OnGoaway(const wire::Header& header, const Buffer& body) {
  const std::string text(reinterpret_cast<const char*>(body.data()),
                         body.size());
  MutexLock lock(&mu);
  BecomeUnusableLocked();
  std::vector<RefPtr<NearClientCall>> refused;
  for (const auto& [id, call] : calls_locked()) {
    if (id > header.call) {
      refused.push_back(
          RefPtr<NearClientCall>::Share(static_cast<NearClientCall*>(call)));
    }
  }
  slot_waiters_.filter([&refused](NearClientCall* call) {
    refused.push_back(RefPtr<NearClientCall>::Share(call));
    return false;
  });
  for (const auto& call : refused) call->OnReset(UNAVAILABLE, text, true);
  return true;
}

void ClientSession::OnBrokenLocked() {
  slot_waiters_.filter([this](NearClientCall* call) {
    mu.AssertHeld();
    call->Ref();
    call->OnReset(UNAVAILABLE, "", true);
    call->Unref();
    return false;
  });
  WakeReaderLocked();
  BecomeUnusableLocked();
}

}  // namespace nearcall::internal
