#include "runtime/server_session.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/near_server_call.h"
#include "runtime/poller.h"

namespace nearcall::internal {
namespace {

// Requests above this run on the executor: reading them took long enough.
constexpr size_t kInlineRequest = 64 * 1024;

uint64_t NextConnectionId() {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

ServerSession::ServerSession(std::unique_ptr<Link> link, const Hello& ours,
                             const TargetSettings& settings,
                             CallAdmission* admission, Poller* poller)
    : Session(std::move(link), ours, settings.spin_micros),
      settings_(settings),
      admission_(admission),
      poller_(poller),
      connection_id_(NextConnectionId()) {}

Connection ServerSession::Describe() const {
  const LinkInfo& info = link().info();
  return {connection_id_, PeerName(), info.scheme, info.peer};
}

ServerSession::~ServerSession() {
  for (auto& spare : spares_) delete spare.load();
}

NearServerCall* ServerSession::TakeSpare() {
  for (auto& spare : spares_) {
    if (spare.load(std::memory_order_relaxed) == nullptr) continue;
    NearServerCall* call = spare.exchange(nullptr, std::memory_order_acquire);
    if (call != nullptr) return call;
  }
  return nullptr;
}

bool ServerSession::KeepSpare(NearServerCall* call) {
#if defined(__SANITIZE_ADDRESS__)
  return false;  // So that uses after the end are found.
#endif
  if (broken()) return false;
  for (auto& spare : spares_) {
    NearServerCall* none = nullptr;
    if (spare.load(std::memory_order_relaxed) == nullptr &&
        spare.compare_exchange_strong(none, call, std::memory_order_release,
                                      std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

// --- Reading ---

Io ServerSession::Read() {
  if (!handshaken_) return ReadHello();
  return ReadFrame();
}

Io ServerSession::ReadHello() {
  const ReadSpan span = link().Peek();
  if (span.io != Io::kOk) {
    if (span.io != Io::kAgain) Break(link().reason());
    return span.io;
  }
  // Copied before it is looked at.
  const std::string frame(reinterpret_cast<const char*>(span.data), span.size);
  link().Release();
  absl::StatusOr<Hello> theirs = ParseHello(frame);
  if (!theirs.ok()) {
    Break(std::string(theirs.status().message()));
    return Io::kBroken;
  }
  SetPeerHello(*theirs);
  if (!refusal_.empty()) {
    GoAway(refusal_);
    Break(refusal_);
    return Io::kBroken;
  }
  handshaken_ = true;
  if (admission_->events().wanted()) {
    admission_->events().Connected(Describe());
  }
  return Io::kOk;
}

RefPtr<NearServerCall> ServerSession::TakeReady() {
  return RefPtr<NearServerCall>::Adopt(std::exchange(ready_, nullptr));
}

bool ServerSession::WasOpenedLocked(uint64_t id) const {
  return (id & 1) != 0 && id <= last_id_;
}

bool ServerSession::OnFrame(const wire::Header& header, Buffer* body) {
  // A client's GOAWAY says nothing that its end would not.
  if (header.type == wire::Type::kGoaway) return true;
  return header.type == wire::Type::kOpen && OnOpen(header, body);
}

void ServerSession::OnBlockedLocked() { poller_->Attend(Self()); }

bool ServerSession::FindMethod(uint16_t alias, std::string_view path,
                               ServedMethod** method,
                               std::string_view* call_path) {
  Alias one_time;
  Alias* entry = &one_time;
  if (alias != wire::kNoAlias) {
    if (alias == 0 || alias > wire::kMaxAliases) return false;
    if (alias > aliases_.size()) {
      if (path.empty()) return false;
      aliases_.resize(alias);
    }
    entry = &aliases_[alias - 1];
  }
  if (!path.empty()) {
    entry->method = admission_->methods().Find({}, path);
    const bool known = entry->method != nullptr && !entry->method->path.empty();
    entry->path = known ? std::string() : std::string(path);
  }
  if (entry->method == nullptr && entry->path.empty()) return false;
  *method = entry->method;
  if (entry == &one_time) {
    one_time_path_ = std::move(one_time.path);
    *call_path = one_time_path_;
  } else {
    *call_path = entry->path;
  }
  return true;
}

void ServerSession::RefuseLocked(uint64_t id, StatusCode code,
                                 std::string_view text) {
  SendResetLocked(id, code, text, /*refused=*/true);
  PumpLocked();
}

bool ServerSession::OnOpen(const wire::Header& header, Buffer* body) {
  wire::Open open;
  if (!wire::ParseOpen(
          header.flags,
          {reinterpret_cast<const char*>(body->data()), body->size()}, &open)) {
    return false;
  }
  MutexLock lock(&mu);
  if ((header.call & 1) == 0 || header.call <= last_id_) return false;
  if (ControlFullLocked()) return false;
  last_id_ = header.call;
  ServedMethod* method = nullptr;
  std::string_view path;
  if (!FindMethod(header.code, open.path, &method, &path)) return false;
  if (!CanWriteLocked()) return true;
  if (method == nullptr) {
    const bool service = admission_->methods().HasService(path);
    RefuseLocked(header.call, UNIMPLEMENTED,
                 absl::StrCat(service ? "unknown method " : "unknown service: ",
                              std::string(path)));
    return true;
  }
  if (live_calls_locked() >= link_limits().max_calls) {
    RefuseLocked(header.call, RESOURCE_EXHAUSTED,
                 "too many calls under way on this connection");
    return true;
  }
  if (going_away_ || !admission_->BeginCall()) {
    RefuseLocked(header.call, UNAVAILABLE, "the server is shutting down");
    return true;
  }
  const RefPtr<NearServerCall> call = NearServerCall::Make(Self());
  call->Begin(header, method, path, body, open);
  return true;
}

void ServerSession::DispatchLocked(NearServerCall* call) {
  MethodHandler* const handler = call->method()->handler;
  const bool here = ready_ == nullptr && !handler->blocks() &&
                    call->request_size() <= kInlineRequest &&
                    call->method()->slow.load(std::memory_order_relaxed) == 0;
  call->Ref();  // The handler's.
  if (here) {
    ready_ = call;
    return;
  }
  if (admission_->executor().TrySubmit(call)) return;
  call->RefuseBusy();
  call->Unref();
}

// --- The end ---

void ServerSession::GoAway(std::string_view text) {
  MutexLock lock(&mu);
  if (std::exchange(going_away_, true)) return;
  SendControlLocked({wire::Type::kGoaway, 0, UNAVAILABLE, last_id_}, text);
  PumpLocked();
}

void ServerSession::CancelAll(std::string_view text) {
  MutexLock lock(&mu);
  std::vector<RefPtr<NearServerCall>> calls;
  for (const auto& [id, call] : calls_locked()) {
    calls.push_back(
        RefPtr<NearServerCall>::Share(static_cast<NearServerCall*>(call)));
  }
  for (const auto& call : calls) call->CancelLocked(UNAVAILABLE, text);
  PumpLocked();
}

}  // namespace nearcall::internal
