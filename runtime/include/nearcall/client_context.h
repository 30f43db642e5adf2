// What a client says about one call, and what it learns of it.
#ifndef NEARCALL_CLIENT_CONTEXT_H_
#define NEARCALL_CLIENT_CONTEXT_H_

#include <nearcall/auth_context.h>
#include <nearcall/impl/client_call.h>
#include <nearcall/impl/metadata.h>
#include <nearcall/peer_credentials.h>
#include <nearcall/string_ref.h>
#include <nearcall/time.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>

namespace nearcall {

class CallbackServerContext;
class ServerContextBase;

namespace internal {
class ClientContextAccess;
}

/// Which of a server call's properties a call made from its handler inherits.
class PropagationOptions {
 public:
  PropagationOptions& enable_deadline_propagation() {
    deadline_ = true;
    return *this;
  }
  PropagationOptions& disable_deadline_propagation() {
    deadline_ = false;
    return *this;
  }
  PropagationOptions& enable_cancellation_propagation() {
    cancellation_ = true;
    return *this;
  }
  PropagationOptions& disable_cancellation_propagation() {
    cancellation_ = false;
    return *this;
  }
  /// These change nothing: there is no census.
  PropagationOptions& enable_census_stats_propagation() { return *this; }
  PropagationOptions& disable_census_stats_propagation() { return *this; }
  PropagationOptions& enable_census_tracing_propagation() { return *this; }
  PropagationOptions& disable_census_tracing_propagation() { return *this; }
  bool deadline() const { return deadline_; }
  bool cancellation() const { return cancellation_; }

 private:
  bool deadline_ = true;
  bool cancellation_ = true;
};

/// Made for one call, set up before it, and kept until it has ended. TryCancel:
/// any thread; the rest: one thread at a time.
class ClientContext {
 public:
  ClientContext() = default;
  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;
  /// The call must have ended, or is cancelled.
  ~ClientContext();

  /// A context for a call that a handler makes on behalf of its own.
  static std::unique_ptr<ClientContext> FromServerContext(
      const ServerContextBase& server_context,
      PropagationOptions options = PropagationOptions());
  static std::unique_ptr<ClientContext> FromCallbackServerContext(
      const CallbackServerContext& server_context,
      PropagationOptions options = PropagationOptions());

  /// `key`: a-z 0-9 - _ . only. `value`: printable ASCII, any bytes if the key
  /// ends in "-bin". A mistake ends the call with INTERNAL, saying which.
  void AddMetadata(const std::string& key, const std::string& value) {
    metadata_.Add(key, value);
  }

  /// After ReadInitialMetadata, or the first message, or the end.
  const std::multimap<string_ref, string_ref>& GetServerInitialMetadata() const;
  /// After the end.
  const std::multimap<string_ref, string_ref>& GetServerTrailingMetadata()
      const;

  /// Default: none. The call ends with DEADLINE_EXCEEDED when it passes.
  template <typename T>
  void set_deadline(const T& deadline) {
    deadline_ = TimePoint<T>(deadline).time();
  }
  std::chrono::system_clock::time_point deadline() const { return deadline_; }

  /// True: a call waits, until its deadline, for a server to be there. Default:
  /// it fails with UNAVAILABLE at once.
  void set_wait_for_ready(bool wait) {
    wait_for_ready_ = wait;
    wait_for_ready_set_ = true;
  }

  /// gRPC's older name, the other way round.
  void set_fail_fast(bool fail_fast) { set_wait_for_ready(!fail_fast); }

  /// Changes nothing: what stays on one machine is not compressed.
  void set_compression_algorithm(int /*algorithm*/) {}

  /// Streams: the initial metadata travels with the first message.
  void set_initial_metadata_corked(bool corked) { corked_ = corked; }

  /// What the server sees as the host. Default: the channel's target.
  void set_authority(const std::string& authority) { authority_ = authority; }

  /// "unix:/run/...", after the call has found its connection; "" before.
  std::string peer() const;

  /// Who serves, as the kernel says; after the call has found its connection.
  PeerCredentials peer_credentials() const;
  std::shared_ptr<const AuthContext> auth_context() const;

  /// Ends the call with CANCELLED, now or, before it starts, when it starts.
  void TryCancel();

  /// For logs: the state of the call in a form that may change.
  std::string debug_error_string() const;

  /// For a call that failed: false when no handler can have seen it, so that
  /// calling again is safe whatever the method does.
  bool maybe_sent() const;

 private:
  friend class internal::ClientContextAccess;

  internal::MetadataBlock metadata_;
  std::chrono::system_clock::time_point deadline_ =
      std::chrono::system_clock::time_point::max();
  bool wait_for_ready_ = false;
  bool wait_for_ready_set_ = false;
  bool corked_ = false;
  std::atomic<bool> cancelled_{false};
  std::atomic<internal::ClientCall*> call_{nullptr};
  std::string authority_;
  internal::RefPtr<internal::CancelParent> parent_;
  mutable internal::ReceivedMetadata initial_metadata_;
  mutable internal::ReceivedMetadata trailing_metadata_;
};

}  // namespace nearcall

#endif  // NEARCALL_CLIENT_CONTEXT_H_
