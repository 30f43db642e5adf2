#include "runtime/channel.h"

#include <nearcall/impl/context_access.h>
#include <nearcall/impl/rpc_method.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "runtime/death_watcher.h"
#include "runtime/handshake.h"
#include "runtime/lend.h"
#include "runtime/near_client_call.h"
#include "runtime/target_spelling.h"
#include "runtime/wall_time.h"

namespace nearcall::internal {
namespace {

// Between attempts to connect: from 10 ms by 1.6, +-20 %, up to 2 s (gRPC: 1 s
// to 120 s; a local server that restarts is back much sooner).
constexpr int64_t kFirstBackoff = 10'000'000;
// Its name may be there a moment before it listens.
constexpr int64_t kBackoffOfAppearance = 500'000;
constexpr double kBackoffFactor = 1.6;
constexpr double kJitter = 0.2;
constexpr int64_t kLastBackoff = 2'000'000'000;
constexpr int64_t kHandshakeMillis = 5000;
// A channel that was asked to connect is let go of so often while it cannot.
constexpr int64_t kAskMillis = 1000;

absl::Status DeadlineStatus() {
  return absl::DeadlineExceededError("Deadline Exceeded");
}
absl::Status CancelledStatus() { return absl::CancelledError("CANCELLED"); }

// Errors that another attempt may not meet.
bool IsTransient(const absl::Status& error) {
  return absl::IsUnavailable(error) || absl::IsResourceExhausted(error);
}

// What gRPC's clients send as the host: the name that the program wrote,
// whatever the configuration makes of it; for what has no host in it,
// localhost.
std::string AuthorityOf(const Target& target) {
  if (!HasScheme(target.written)) {
    const auto address = ParseGrpcSpelling(target.written);
    return address.ok() && address->has_value() ? HostPortText(**address)
                                                : target.written;
  }
  return target.scheme == "tcp" ? target.rest : "localhost";
}

}  // namespace

NearChannel::NearChannel(Target target, std::unique_ptr<Dialer> dialer,
                         const ChannelArguments& arguments,
                         const TargetSettings& settings,
                         std::shared_ptr<const ServiceConfig> service_config)
    : target_(std::move(target)),
      authority_(AuthorityOf(target_)),
      agent_prefix_(arguments.GetString("grpc.primary_user_agent")),
      generation_(ForkGeneration()),
      settings_(settings),
      service_config_(std::move(service_config)),
      dialer_(std::move(dialer)) {}

NearChannel::NearChannel(absl::Status mistake)
    : mistake_(std::move(mistake)), generation_(ForkGeneration()) {}

NearChannel::~NearChannel() {
  if (generation_ != ForkGeneration()) {
    // A parent's threads are not here, and what they held is not ours to free.
    dialer_.release();
    new std::shared_ptr<ClientSession>(std::move(session_));
    return;
  }
  std::shared_ptr<ClientSession> session;
  {
    MutexLock lock(&mu_);
    session = std::move(session_);
  }
  // Calls under way keep the session; it closes with the last of them.
}

ClientCallPtr NearChannel::CreateCall(const RpcMethod& method,
                                      ClientContext* context, OpSink* sink) {
  return NearClientCall::Make(shared_from_this(), method, context, sink);
}

uint32_t NearChannel::RegisterMethod(const char* path) {
  MutexLock lock(&mu_);
  const auto [entry, added] = tags_.try_emplace(path, tags_.size() + 1);
  return entry->second;
}

// --- Connecting ---

absl::StatusOr<std::shared_ptr<ClientSession>> NearChannel::Connect(
    Deadline deadline) {
  int interrupt_fd;
  {
    MutexLock lock(&mu_);
    interrupt_fd = interrupt_fd_;
  }
  deadline = std::min(deadline, Deadline::AfterMillis(kHandshakeMillis));
  absl::StatusOr<std::unique_ptr<Link>> link =
      dialer_->Dial(deadline, interrupt_fd);
  if (!link.ok()) return link.status();
  const Hello ours = OurHello(**link, agent_prefix_, settings_.buffering);
  absl::StatusOr<Hello> theirs = ShakeHands(link->get(), ours, deadline);
  if (!theirs.ok()) return theirs.status();
  auto session = std::make_shared<ClientSession>(*std::move(link), ours,
                                                 settings_.spin_micros);
  session->SetPeerHello(*theirs);
  session->set_on_unusable([weak = weak_from_this()] {
    const std::shared_ptr<NearChannel> channel = weak.lock();
    if (channel == nullptr) return;
    MutexLock lock(&channel->mu_);
    if (!channel->connecting_) {
      channel->SetStateLocked(ConnectivityState::kIdle);
    }
  });
  DeathWatcher::Process().Watch(session);
  return session;
}

absl::StatusOr<Hello> NearChannel::ShakeHands(Link* link, const Hello& ours,
                                              Deadline deadline) {
  {
    MutexLock lock(&mu_);
    if (interrupted_) return CancelledStatus();
    handshaking_ = link;
  }
  const absl::Cleanup done = [this] {
    MutexLock lock(&mu_);
    handshaking_ = nullptr;
  };
  // Fails, too, when the server has taken it, has answered and is gone: what it
  // said is read first.
  const absl::Status sent = SendHello(link, ours);
  for (;;) {
    const ReadSpan span = link->Peek();
    if (span.io == Io::kOk) {
      // Copied before it is looked at.
      const std::string frame(reinterpret_cast<const char*>(span.data),
                              span.size);
      link->Release();
      return ParseHello(frame);
    }
    if (!sent.ok()) return sent;
    if (span.io != Io::kAgain) {
      return absl::UnavailableError(absl::StrCat(
          target_.uri, ": the server ended the connection in the handshake: ",
          link->reason()));
    }
    switch (link->Sleep(kReadable, deadline)) {
      case Io::kTimeout:
        return DeadlineStatus();
      case Io::kInterrupted:
        return CancelledStatus();
      default:
        break;
    }
  }
}

absl::StatusOr<std::shared_ptr<ClientSession>> NearChannel::Acquire(
    NearClientCall* call) {
  if (!mistake_.ok()) return mistake_;
  if (generation_ != ForkGeneration()) {
    return absl::UnavailableError(
        "the channel was made before fork: make a new one in the child");
  }
  MutexLock lock(&mu_);
  if (session_ != nullptr && session_->usable()) return session_;
  return AcquireLocked(call, call->deadline(), call->wait_for_ready());
}

bool NearChannel::Ready() {
  if (!mistake_.ok() || generation_ != ForkGeneration()) return true;
  MutexLock lock(&mu_);
  return session_ != nullptr && session_->usable();
}

absl::StatusOr<std::shared_ptr<ClientSession>> NearChannel::AcquireLocked(
    NearClientCall* call, Deadline deadline, bool wait_for_ready) {
  AboutToBlock();
  const uint64_t attempts_before = attempts_;
  for (;;) {
    if (session_ != nullptr && session_->usable()) return session_;
    if (call != nullptr && call->cancel_requested()) return CancelledStatus();
    if (deadline.passed()) {
      if (last_error_.ok()) return DeadlineStatus();
      return absl::DeadlineExceededError(
          absl::StrCat("Deadline Exceeded while waiting for a connection: ",
                       std::string(last_error_.message())));
    }
    const bool failed_meanwhile =
        attempts_ != attempts_before && !last_error_.ok();
    if (failed_meanwhile && (!wait_for_ready || !IsTransient(last_error_))) {
      return last_error_;
    }
    if (!wait_for_ready && dialer_->starts_process() && !last_error_.ok() &&
        !next_attempt_.passed()) {
      return last_error_;
    }
    if (!wait_for_ready) {
      // Who does not wait wants to know now.
      next_attempt_ = Deadline::AtNanos(0);
      if (waiting_for_server_) InterruptLocked();
    }
    if (connecting_) {
      changed_.WaitUntil(&mu_, deadline);
      continue;
    }
    connecting_ = true;
    interrupted_ = false;
    const Fd interrupt(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    interrupt_fd_ = interrupt.get();
    const absl::Cleanup done = [this] {
      mu_.AssertHeld();
      connecting_ = false;
      interrupt_fd_ = -1;
      changed_.SignalAll();
    };
    if (!next_attempt_.passed()) {
      WaitForServerLocked(std::min(deadline, next_attempt_));
      continue;
    }
    SetStateLocked(ConnectivityState::kConnecting);
    mu_.Unlock();
    absl::StatusOr<std::shared_ptr<ClientSession>> session = Connect(deadline);
    mu_.Lock();
    if (session.ok()) {
      ++attempts_;
      last_error_ = absl::OkStatus();
      backoff_nanos_ = 0;
      session_ = *session;
      SetStateLocked(ConnectivityState::kReady);
      // It may have broken already, before it was known here.
      if (!session_->usable()) SetStateLocked(ConnectivityState::kIdle);
      return session;
    }
    if (absl::IsCancelled(session.status())) {
      SetStateLocked(ConnectivityState::kIdle);
      continue;  // Its own cancellation, or another caller's: looks again.
    }
    // One caller's short deadline says nothing about the server.
    if (absl::IsDeadlineExceeded(session.status()) && deadline.passed()) {
      SetStateLocked(ConnectivityState::kIdle);
      return DeadlineStatus();
    }
    AttemptFailedLocked(
        absl::IsDeadlineExceeded(session.status())
            ? absl::UnavailableError(absl::StrCat(
                  target_.uri, ": the server did not answer within ",
                  kHandshakeMillis, " ms"))
            : session.status());
    if (!wait_for_ready || !IsTransient(last_error_)) return last_error_;
  }
}

void NearChannel::WaitForServerLocked(Deadline deadline) {
  const int interrupt_fd = interrupt_fd_;
  waiting_for_server_ = true;
  mu_.Unlock();
  const bool dial_now = dialer_->WaitForServer(deadline, interrupt_fd);
  mu_.Lock();
  waiting_for_server_ = false;
  if (!dial_now) return;
  next_attempt_ = Deadline::AtNanos(0);
  backoff_nanos_ = kBackoffOfAppearance;
}

void NearChannel::AttemptFailedLocked(const absl::Status& error) {
  ++attempts_;
  last_error_ = error;
  SetStateLocked(ConnectivityState::kTransientFailure);
  backoff_nanos_ =
      backoff_nanos_ == 0
          ? kFirstBackoff
          : std::min(kLastBackoff,
                     static_cast<int64_t>(static_cast<double>(backoff_nanos_) *
                                          kBackoffFactor));
  std::minstd_rand random(static_cast<uint32_t>(MonotonicNanos()));
  const double jitter =
      std::uniform_real_distribution<>(1 - kJitter, 1 + kJitter)(random);
  next_attempt_ = Deadline::After(
      static_cast<int64_t>(static_cast<double>(backoff_nanos_) * jitter));
}

void NearChannel::WaitUntilCancelled(const NearClientCall* call,
                                     Deadline until) {
  MutexLock lock(&mu_);
  while (!call->cancel_requested() && !until.passed()) {
    changed_.WaitUntil(&mu_, until);
  }
}

void NearChannel::InterruptAcquire() {
  MutexLock lock(&mu_);
  changed_.SignalAll();
  InterruptLocked();
}

void NearChannel::InterruptLocked() {
  interrupted_ = true;
  if (handshaking_ != nullptr) handshaking_->Interrupt();
  const uint64_t one = 1;
  if (interrupt_fd_ >= 0 && write(interrupt_fd_, &one, sizeof one) < 0) {
    // Full: it is readable already.
  }
}

// --- State ---

void NearChannel::SetStateLocked(ConnectivityState state) {
  if (state_ == state) return;
  state_ = state;
  changed_.SignalAll();
}

ConnectivityState NearChannel::GetState(bool try_to_connect) {
  if (!mistake_.ok()) return ConnectivityState::kTransientFailure;
  bool connect = false;
  ConnectivityState state;
  {
    MutexLock lock(&mu_);
    connect = try_to_connect && !connecting_ && !connect_asked_ &&
              state_ != ConnectivityState::kReady;
    connect_asked_ |= connect;
    state = state_;
  }
  if (connect) {
    auto* task = new ConnectTask;
    task->channel = weak_from_this();
    Executor::Process().Submit(task);
  }
  return state;
}

// Goes on until there is a connection, or none can be, or no channel any more.
void NearChannel::ConnectTask::Run() {
  const std::unique_ptr<ConnectTask> self(this);
  while (const std::shared_ptr<NearChannel> asking = channel.lock()) {
    MutexLock lock(&asking->mu_);
    const absl::Status result =
        asking
            ->AcquireLocked(nullptr, Deadline::AfterMillis(kAskMillis),
                            /*wait_for_ready=*/true)
            .status();
    if (absl::IsDeadlineExceeded(result)) continue;
    asking->connect_asked_ = false;
    return;
  }
}

bool NearChannel::WaitForStateChangeUntil(
    ConnectivityState last, std::chrono::system_clock::time_point until) {
  const Deadline deadline = DeadlineAt(until);
  AboutToBlock();
  MutexLock lock(&mu_);
  while (mistake_.ok() && state_ == last) {
    if (!changed_.WaitUntil(&mu_, deadline)) return state_ != last;
  }
  if (mistake_.ok()) return true;
  while (changed_.WaitUntil(&mu_, deadline)) {
  }
  return false;
}

}  // namespace nearcall::internal
