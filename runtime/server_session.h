// The server's end of a session: admits calls and says where they run.
#ifndef NEARCALL_RUNTIME_SERVER_SESSION_H_
#define NEARCALL_RUNTIME_SERVER_SESSION_H_

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/connection_events.h"
#include "runtime/executor.h"
#include "runtime/method_table.h"
#include "runtime/session.h"
#include "runtime/target_settings.h"

namespace nearcall::internal {

class NearServerCall;
class Poller;
class ServerCore;

/// Where calls of all sessions of one server are counted and run.
class CallAdmission {
 public:
  virtual const MethodTable& methods() const = 0;
  virtual Executor& executor() = 0;
  /// False: the server is shutting down.
  virtual bool BeginCall() = 0;
  virtual void EndCall() = 0;
  virtual ConnectionEvents& events() = 0;
  /// The link that the process was started to serve has ended. Any thread.
  virtual void OwnerGone() = 0;

 protected:
  ~CallAdmission() = default;
};

class ServerSession final : public Session {
 public:
  ServerSession(std::unique_ptr<Link> link, const Hello& ours,
                const TargetSettings& settings, CallAdmission* admission,
                Poller* poller);
  ~ServerSession() override;

  CallAdmission& admission() { return *admission_; }
  Poller& poller() { return *poller_; }
  const TargetSettings& settings() const { return settings_; }

  // --- The reader role: the poller's ---

  /// Reads one frame, the handshake's first. A call that became ready to run is
  /// in TakeReady.
  Io Read();
  /// The call whose handler the reader runs itself; null: none.
  RefPtr<NearServerCall> TakeReady();

  /// No new calls: tells the client, once.
  void GoAway(std::string_view text) ABSL_LOCKS_EXCLUDED(mu);
  /// Ends every call: contexts are cancelled, clients get UNAVAILABLE.
  void CancelAll(std::string_view text) ABSL_LOCKS_EXCLUDED(mu);
  bool handshaken() const { return handshaken_; }
  /// Before the handshake: it ends with GOAWAY, which says so.
  void Refuse(std::string text) { refusal_ = std::move(text); }
  /// For connection events.
  Connection Describe() const;

  std::shared_ptr<ServerSession> Self() {
    return std::static_pointer_cast<ServerSession>(shared_from_this());
  }

  /// A call's object for the next call; null: none is kept. With or without mu:
  /// the last reference to a call may go either way.
  NearServerCall* TakeSpare();
  bool KeepSpare(NearServerCall* call);

  // What the poller notes about it; the poller's holder only.
  struct Parking {
    const void* port = nullptr;  ///< The Port that it came by.
    bool hot = false;
    bool edge_seen = false;       ///< The Waiter reported it while it was hot.
    bool waits_to_write = false;  ///< Registered for kWritable as well.
    int64_t last_active = 0;
    int64_t spin_budget = -1;  ///< Of the present wait; -1: not waiting.
    int64_t handshake_until = 0;
    bool owns_server = false;  ///< Its listener does.
  } parking;

 private:
  struct Alias {
    ServedMethod* method = nullptr;
    std::string path;  ///< Kept where the method does not know it.
  };

  bool OnFrame(const wire::Header& header, Buffer* body) override;
  void OnBlockedLocked() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  bool WasOpenedLocked(uint64_t id) const override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  Io ReadHello();
  bool OnOpen(const wire::Header& header, Buffer* body);
  /// False: an alias that nobody defined.
  bool FindMethod(uint16_t alias, std::string_view path, ServedMethod** method,
                  std::string_view* call_path)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void RefuseLocked(uint64_t id, StatusCode code, std::string_view text)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

 public:
  /// A call's request is complete (or it is a stream's): runs it, here or
  /// there.
  void DispatchLocked(NearServerCall* call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

 private:
  const TargetSettings settings_;
  std::string refusal_;  ///< Empty: it is served.
  CallAdmission* const admission_;
  Poller* const poller_;
  const uint64_t connection_id_;
  bool handshaken_ = false;
  NearServerCall* ready_ = nullptr;  ///< The reader role's.
  uint64_t last_id_ ABSL_GUARDED_BY(mu) = 0;
  bool going_away_ ABSL_GUARDED_BY(mu) = false;
  std::vector<Alias> aliases_ ABSL_GUARDED_BY(mu);
  std::string one_time_path_ ABSL_GUARDED_BY(mu);
  /// Atomic, since a call may be let go with mu or without.
  std::array<std::atomic<NearServerCall*>, 4> spares_{};
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_SERVER_SESSION_H_
