#include "runtime/poller.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/handshake.h"
#include "runtime/near_server_call.h"
#include "runtime/watchdog.h"

namespace nearcall::internal {
namespace {

// Frames of one session before the next one's turn.
constexpr int kFramesPerTurn = 16;
// Rounds over the hot sessions between two looks at the clock.
constexpr int kPollsPerClock = 32;
// While busy or spinning, the parked sessions are looked at this often.
constexpr int64_t kLookNanos = 20'000;
constexpr int64_t kAcceptAgainNanos = 100'000'000;
constexpr int kAcceptsPerTurn = 64;
// Clients that are refused cannot fill a log.
constexpr int64_t kBetweenLogsNanos = 1'000'000'000;
constexpr int64_t kHandshakeNanos = 5'000'000'000;

}  // namespace

Poller::Poller(std::unique_ptr<Waiter> own, Waiter* waiter,
               CallAdmission* admission, Watchdog* watchdog)
    : own_waiter_(std::move(own)),
      waiter_(own_waiter_ != nullptr ? own_waiter_.get() : waiter),
      admission_(admission),
      watchdog_(watchdog) {}

Poller::~Poller() = default;

void Poller::AddPort(Port port) {
  ports_.push_back(std::make_unique<Port>(std::move(port)));
}

absl::Status Poller::Start() {
  for (const auto& port : ports_) {
    if (!waiter_->Add(port->listener.get(), port.get())) {
      return absl::ResourceExhaustedError(
          "the kernel refuses to watch another descriptor");
    }
  }
  {
    MutexLock lock(&mu_);
    running_ = true;
  }
  absl::Status started = admission_->executor().SubmitNow(this);
  if (!started.ok()) {
    MutexLock lock(&mu_);
    running_ = false;
  }
  return started;
}

// --- The role ---

bool Poller::TakeOver(uint64_t lent) {
  if (!role_.compare_exchange_strong(lent, lent & ~kLent)) return false;
  // From now on, not only once it returns: else each call of a method that
  // blocks would take a thread beyond the executor's limit.
  lent_for_->slow.store(ServedMethod::kSlowRuns, std::memory_order_relaxed);
  if (admission_->executor().SubmitNow(this).ok()) return true;
  // No thread to be had: the handler's goes on reading when it returns.
  role_.store(lent);
  return false;
}

void Poller::Lease::GiveUp() {
  if (given_up_) return;
  given_up_ = true;
  poller_->TakeOver(word_);
}

void Poller::CheckStuck() {
  const uint64_t word = role_.load();
  if ((word & kLent) != 0 && word == last_seen_) TakeOver(word);
  last_seen_ = word;
}

bool Poller::RunHere(RefPtr<NearServerCall> call) {
  uint64_t word = (++leases_ << 1) | kLent;
  lent_for_ = call->method();
  Lease lease(this, word);
  Lender* const outer = std::exchange(lent_by_this_thread, &lease);
  role_.store(word, std::memory_order_release);
  NearServerCall::RunHandler(std::move(call));
  lent_by_this_thread = outer;
  return role_.compare_exchange_strong(word, word & ~kLent);
}

// --- The loop ---

void Poller::Run() {
  last_look_ = MonotonicNanos();
  while (!stopping_.load(std::memory_order_acquire)) {
    if (attention_.load(std::memory_order_acquire)) HandleAttention();
    if (hot_.empty()) {
      SleepUntilReady();
    } else if (!ServeHot()) {
      return;  // The role is another thread's.
    }
  }
  std::vector<std::shared_ptr<ServerSession>> sessions;
  {
    MutexLock lock(&mu_);
    for (const auto& [key, session] : sessions_) sessions.push_back(session);
    attend_.clear();
  }
  hot_.clear();
  for (const auto& session : sessions) {
    session->Break("the server has shut down");
    Drop(session.get());
  }
  sessions.clear();
  MutexLock lock(&mu_);
  running_ = false;
  stopped_.SignalAll();
}

Poller::Served Poller::Serve(ServerSession* session, bool* progress) {
  ServerSession::Parking& parking = session->parking;
  for (int frames = 0; frames < kFramesPerTurn; ++frames) {
    const Io io = session->Read();
    if (io == Io::kAgain) {
      if (session->write_blocked()) session->Pump();
      return Served::kIdle;
    }
    if (io != Io::kOk) return Served::kGone;
    *progress = true;
    if (parking.spin_budget > 0) session->idle_policy().EndWait(true);
    parking.spin_budget = -1;
    RefPtr<NearServerCall> call = session->TakeReady();
    if (call && !RunHere(std::move(call))) return Served::kLostRole;
  }
  return Served::kMore;
}

// False: the role is gone, and nothing here may be touched any more.
bool Poller::ServeHot() {
  bool progress = false;
  for (size_t i = std::exchange(turn_, 0); i < hot_.size();) {
    ServerSession* const session = hot_[i].get();
    turn_ = i + 1;
    switch (Serve(session, &progress)) {
      case Served::kLostRole:
        return false;
      case Served::kMore:
        break;
      case Served::kGone:
        Drop(session);
        continue;
      case Served::kIdle: {
        ServerSession::Parking& parking = session->parking;
        if (parking.spin_budget < 0) {
          parking.spin_budget = session->idle_policy().BeginWait();
          parking.last_active = 0;
        }
        if (parking.spin_budget == 0 && Park(session)) continue;
        break;
      }
    }
    ++i;
  }
  turn_ = 0;
  if (!progress) CpuRelax();
  if (++polls_ % kPollsPerClock == 0) {
    const int64_t now = MonotonicNanos();
    if (now - last_look_ >= kLookNanos) {
      last_look_ = now;
      PollOthers();
    }
    ParkIdle();
  }
  return true;
}

void Poller::ParkIdle() {
  for (size_t i = 0; i < hot_.size();) {
    ServerSession* const session = hot_[i].get();
    ServerSession::Parking& parking = session->parking;
    if (parking.spin_budget > 0) {
      if (parking.last_active == 0) parking.last_active = last_look_;
      if (last_look_ - parking.last_active > parking.spin_budget) {
        session->idle_policy().EndWait(false);
        parking.spin_budget = 0;
        if (Park(session)) continue;
      }
    }
    ++i;
  }
}

void Poller::MakeHot(const std::shared_ptr<ServerSession>& session) {
  ServerSession::Parking& parking = session->parking;
  if (parking.hot) {
    parking.edge_seen = true;
    return;
  }
  parking.hot = true;
  parking.edge_seen = false;
  parking.spin_budget = -1;
  session->link().Disarm();
  hot_.push_back(session);
}

bool Poller::Park(ServerSession* session) {
  ServerSession::Parking& parking = session->parking;
  const bool write = session->write_blocked();
  if (write != parking.waits_to_write) {
    parking.waits_to_write = write;
    waiter_->Add(&session->link(), write ? kReadable | kWritable : kReadable,
                 session);
  }
  if (!session->link().Arm(write ? kReadable | kWritable : kReadable)) {
    return false;
  }
  // The Waiter reported the link while it was hot, and will not do so again for
  // what it reported then: it is read once more, now that it is no longer taken
  // to be empty, before it is parked.
  if (std::exchange(parking.edge_seen, false)) {
    session->link().Disarm();
    return false;
  }
  parking.hot = false;
  const auto found = std::find_if(
      hot_.begin(), hot_.end(),
      [session](const auto& other) { return other.get() == session; });
  hot_.erase(found);
  return true;
}

void Poller::PollOthers() {
  {
    MutexLock lock(&mu_);
    if (sessions_.size() == hot_.size() && sessions_.size() > 0 &&
        polls_ % (kPollsPerClock * 64) != 0) {
      return;  // Only the listeners are not hot: seldom is often enough.
    }
  }
  std::array<void*, 64> ready;
  const size_t count = waiter_->Wait(Deadline::AtNanos(0), ready);
  for (size_t i = 0; i < count; ++i) OnReady(ready[i]);
  HandleTimers();
}

void Poller::SleepUntilReady() {
  std::array<void*, 64> ready;
  parked_.store(true);
  size_t count = 0;
  if (!attention_.load() && !stopping_.load()) {
    count = waiter_->Wait(NextTimer(), ready);
  }
  parked_.store(false);
  watchdog_->Wake();
  for (size_t i = 0; i < count; ++i) OnReady(ready[i]);
  HandleTimers();
}

void Poller::OnReady(void* tag) {
  for (const auto& port : ports_) {
    if (port.get() == tag) {
      Accept(port.get());
      return;
    }
  }
  std::shared_ptr<ServerSession> session;
  {
    MutexLock lock(&mu_);
    const auto found = sessions_.find(tag);
    if (found != sessions_.end()) session = found->second;
  }
  if (session != nullptr) MakeHot(session);
}

// --- Sessions come and go ---

void Poller::Accept(Port* port) {
  MutexLock lock(&listening_mu_);
  if (!listening_) return;
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    if (handshaking_.size() >= kMaxHalfOpen) {
      std::erase_if(handshaking_,
                    [](auto* other) { return other->handshaken(); });
    }
    absl::StatusOr<std::unique_ptr<Link>> accepted =
        handshaking_.size() < kMaxHalfOpen
            ? port->listener->Accept()
            : absl::ResourceExhaustedError("too many have yet to say HELLO");
    if (!accepted.ok()) {
      if (absl::IsResourceExhausted(accepted.status())) {
        // Whoever connects waits until there is room again.
        waiter_->Remove(port->listener.get());
        accept_again_ = MonotonicNanos() + kAcceptAgainNanos;
        return;
      }
      // About one connection only; the listener has closed it.
      LogRefusal(accepted.status());
      continue;
    }
    if (*accepted == nullptr) return;
    const bool owns_server = port->listener->owns_server();
    const Hello ours = OurHello(**accepted, {}, port->settings.buffering);
    if (!SendHello(accepted->get(), ours).ok()) {
      if (owns_server) admission_->OwnerGone();
      continue;
    }
    auto session = std::make_shared<ServerSession>(
        *std::move(accepted), ours, port->settings, admission_, this);
    session->parking.port = port;
    std::string full = Full(*port, session->link());
    if (!full.empty()) session->Refuse(std::move(full));
    session->parking.handshake_until = MonotonicNanos() + kHandshakeNanos;
    session->parking.owns_server = owns_server;
    if (!waiter_->Add(&session->link(), kReadable, session.get())) {
      if (owns_server) admission_->OwnerGone();
      continue;
    }
    // Who started this process may take its time with the first call.
    if (!owns_server) handshaking_.push_back(session.get());
    {
      MutexLock lock(&mu_);
      sessions_[session.get()] = session;
    }
    MakeHot(session);
  }
}

void Poller::LogRefusal(const absl::Status& why) {
  const int64_t now = MonotonicNanos();
  if (last_log_ != 0 && now - last_log_ < kBetweenLogsNanos) return;
  last_log_ = now;
  std::fprintf(stderr, "nearcall: a client was refused: %s\n",
               why.ToString().c_str());
}

std::string Poller::Full(const Port& port, const Link& link) {
  uint32_t connections = 0;
  uint32_t of_uid = 0;
  const std::optional<uid_t> uid = link.info().peer.uid;
  {
    MutexLock lock(&mu_);
    for (const auto& [key, session] : sessions_) {
      if (session->parking.port != &port) continue;
      ++connections;
      of_uid += uid.has_value() && session->link().info().peer.uid == uid;
    }
  }
  if (connections >= port.settings.max_connections) {
    return absl::StrCat(
        "the server has ", connections,
        " clients and takes no more; raise max_connections there");
  }
  if (uid.has_value() && uid != geteuid() &&
      of_uid >= port.settings.max_connections_per_uid) {
    return absl::StrCat("the server has ", of_uid, " clients of uid ", *uid,
                        " and takes no more; raise max_connections_per_uid "
                        "there");
  }
  return "";
}

void Poller::Drop(ServerSession* session) {
  if (session->handshaken() && admission_->events().wanted()) {
    admission_->events().Disconnected(session->Describe(),
                                      session->broken_reason());
  }
  if (session->parking.owns_server) admission_->OwnerGone();
  waiter_->Remove(&session->link());
  std::erase(handshaking_, session);
  std::shared_ptr<ServerSession> last;
  const auto found = std::find_if(
      hot_.begin(), hot_.end(),
      [session](const auto& other) { return other.get() == session; });
  if (found != hot_.end()) {
    last = std::move(*found);
    hot_.erase(found);
  }
  MutexLock lock(&mu_);
  const auto entry = sessions_.find(session);
  if (entry != sessions_.end()) {
    last = std::move(entry->second);
    sessions_.erase(entry);
  }
}

Deadline Poller::NextTimer() {
  int64_t next = INT64_MAX;
  if (accept_again_ != 0) next = accept_again_;
  for (const ServerSession* session : handshaking_) {
    next = std::min(next, session->parking.handshake_until);
  }
  return Deadline::AtNanos(next);
}

void Poller::HandleTimers() {
  if (accept_again_ == 0 && handshaking_.empty()) return;
  const int64_t now = MonotonicNanos();
  if (accept_again_ != 0 && now >= accept_again_) {
    accept_again_ = 0;
    MutexLock lock(&listening_mu_);
    if (listening_) {
      for (const auto& port : ports_) {
        waiter_->Add(port->listener.get(), port.get());
      }
    }
  }
  std::vector<ServerSession*> late;
  std::erase_if(handshaking_, [now, &late](ServerSession* session) {
    if (session->handshaken()) return true;
    if (now >= session->parking.handshake_until) late.push_back(session);
    return false;
  });
  for (ServerSession* session : late) {
    session->Break("no handshake within 5 s");
    Drop(session);
  }
}

// --- Attention and the end ---

void Poller::Attend(std::shared_ptr<ServerSession> session) {
  {
    MutexLock lock(&mu_);
    attend_.push_back(std::move(session));
  }
  attention_.store(true);
  if (parked_.load()) waiter_->Interrupt();
}

void Poller::HandleAttention() {
  attention_.store(false);
  std::vector<std::shared_ptr<ServerSession>> sessions;
  {
    MutexLock lock(&mu_);
    sessions.swap(attend_);
    std::erase_if(sessions, [this](const auto& session) {
      mu_.AssertHeld();
      return !sessions_.contains(session.get());
    });
  }
  for (const auto& session : sessions) MakeHot(session);
}

void Poller::StopListening() {
  MutexLock lock(&listening_mu_);
  listening_ = false;
  for (const auto& port : ports_) {
    waiter_->Remove(port->listener.get());
    port->listener->Close();
  }
}

void Poller::ForEachSession(const std::function<void(ServerSession&)>& visit) {
  std::vector<std::shared_ptr<ServerSession>> sessions;
  {
    MutexLock lock(&mu_);
    for (const auto& [key, session] : sessions_) sessions.push_back(session);
  }
  for (const auto& session : sessions) visit(*session);
}

void Poller::Stop() {
  stopping_.store(true);
  waiter_->Interrupt();
  MutexLock lock(&mu_);
  while (running_) stopped_.Wait(&mu_);
}

}  // namespace nearcall::internal
