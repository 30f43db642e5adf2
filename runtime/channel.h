// A channel to one target over nearcall's own links.
#ifndef NEARCALL_RUNTIME_CHANNEL_H_
#define NEARCALL_RUNTIME_CHANNEL_H_

#include <nearcall/channel_arguments.h>
#include <nearcall/channel_interface.h>
#include <nearcall/status.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/node_hash_map.h"
#include "absl/status/statusor.h"
#include "runtime/client_session.h"
#include "runtime/deadline.h"
#include "runtime/executor.h"
#include "runtime/service_config.h"
#include "runtime/sync.h"
#include "runtime/target_settings.h"
#include "runtime/transport.h"

namespace nearcall::internal {

class NearClientCall;

class NearChannel final : public ChannelInterface,
                          public std::enable_shared_from_this<NearChannel> {
 public:
  NearChannel(Target target, std::unique_ptr<Dialer> dialer,
              const ChannelArguments& arguments, const TargetSettings& settings,
              std::shared_ptr<const ServiceConfig> service_config);
  /// A lame channel: every call ends with `mistake`.
  explicit NearChannel(absl::Status mistake);
  ~NearChannel() override;

  ConnectivityState GetState(bool try_to_connect) override;
  ClientCallPtr CreateCall(const RpcMethod& method, ClientContext* context,
                           OpSink* sink) override;
  uint32_t RegisterMethod(const char* path) override;

  /// A session for `call`: the current one, or a new one, dialled on this
  /// thread. Errors: why there is none, with the call's deadline and
  /// cancellation among the reasons.
  absl::StatusOr<std::shared_ptr<ClientSession>> Acquire(NearClientCall* call);
  /// Whether Acquire would return at once.
  bool Ready() ABSL_LOCKS_EXCLUDED(mu_);
  /// Blocks until `until`, or until the call, which has no session, is
  /// cancelled.
  void WaitUntilCancelled(const NearClientCall* call, Deadline until)
      ABSL_LOCKS_EXCLUDED(mu_);
  /// Ends a wait in Acquire of a call that was cancelled.
  void InterruptAcquire();

  const TargetSettings& settings() const { return settings_; }
  /// What the service config says of the method; null: nothing.
  const MethodConfig* ConfigOf(const char* path) const {
    return service_config_ == nullptr ? nullptr : service_config_->Find(path);
  }
  const std::string& authority() const { return authority_; }

 private:
  bool WaitForStateChangeUntil(
      ConnectivityState last,
      std::chrono::system_clock::time_point deadline) override;

  /// GetState's wish, on an executor thread.
  struct ConnectTask final : Executor::Task {
    std::weak_ptr<NearChannel> channel;
    void Run() override;
  };

  /// Dials and shakes hands.
  absl::StatusOr<std::shared_ptr<ClientSession>> Connect(Deadline deadline);
  absl::StatusOr<Hello> ShakeHands(Link* link, const Hello& ours,
                                   Deadline deadline) ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<std::shared_ptr<ClientSession>> AcquireLocked(
      NearClientCall* call, Deadline deadline, bool wait_for_ready)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  /// With connecting_, between two attempts: until the next one is due.
  void WaitForServerLocked(Deadline deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AttemptFailedLocked(const absl::Status& error)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void InterruptLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetStateLocked(ConnectivityState state)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Target target_;
  const absl::Status mistake_;
  const std::string authority_;
  const std::string agent_prefix_;
  const uint32_t generation_;
  const TargetSettings settings_;
  const std::shared_ptr<const ServiceConfig> service_config_;  ///< Or null.

  Mutex mu_;
  CondVar changed_;
  std::unique_ptr<Dialer> dialer_;  ///< Used by who has connecting_.
  std::shared_ptr<ClientSession> session_ ABSL_GUARDED_BY(mu_);
  ConnectivityState state_ ABSL_GUARDED_BY(mu_) = ConnectivityState::kIdle;
  bool connecting_ ABSL_GUARDED_BY(mu_) = false;
  bool connect_asked_ ABSL_GUARDED_BY(mu_) = false;
  // What wakes who has connecting_: in the dialer, then in the handshake; and
  // whether it was woken.
  int interrupt_fd_ ABSL_GUARDED_BY(mu_) = -1;
  Link* handshaking_ ABSL_GUARDED_BY(mu_) = nullptr;
  bool interrupted_ ABSL_GUARDED_BY(mu_) = false;
  bool waiting_for_server_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t attempts_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status last_error_ ABSL_GUARDED_BY(mu_);
  int64_t backoff_nanos_ ABSL_GUARDED_BY(mu_) = 0;
  Deadline next_attempt_ ABSL_GUARDED_BY(mu_) = Deadline::AtNanos(0);
  absl::node_hash_map<std::string, uint32_t> tags_ ABSL_GUARDED_BY(mu_);
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_CHANNEL_H_
