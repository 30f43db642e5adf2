// What a handler learns of its call, and what it adds to the reply.
#ifndef NEARCALL_SERVER_CONTEXT_H_
#define NEARCALL_SERVER_CONTEXT_H_

#include <nearcall/auth_context.h>
#include <nearcall/impl/metadata.h>
#include <nearcall/impl/server_call.h>
#include <nearcall/peer_credentials.h>
#include <nearcall/string_ref.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>

namespace nearcall {

namespace internal {
class ServerContextAccess;
}

/// Valid until the handler has returned (sync) or OnDone was called (reactors).
/// IsCancelled and TryCancel: any thread; the rest: one thread at a time.
class ServerContextBase {
 public:
  ServerContextBase(const ServerContextBase&) = delete;
  ServerContextBase& operator=(const ServerContextBase&) = delete;
  virtual ~ServerContextBase();

  /// The wall clock's maximum when the client set none.
  std::chrono::system_clock::time_point deadline() const;

  /// Before the first message of the reply. Rules for key and value as in
  /// ClientContext::AddMetadata.
  void AddInitialMetadata(const std::string& key, const std::string& value);
  void AddTrailingMetadata(const std::string& key, const std::string& value);

  /// The client cancelled, died, or its deadline has passed.
  bool IsCancelled() const;
  /// Ends the call with CANCELLED.
  void TryCancel() const;

  /// These change nothing: what stays on one machine is not compressed.
  void set_compression_level(int /*level*/) {}
  void set_compression_algorithm(int /*algorithm*/) {}

  /// What the client added, and "user-agent".
  const std::multimap<string_ref, string_ref>& client_metadata() const;

  /// "unix:", "shm:greeter", ...: the transport, then what it knows of the
  /// peer.
  std::string peer() const;
  /// Who is calling, as the kernel says.
  PeerCredentials peer_credentials() const;
  std::shared_ptr<const AuthContext> auth_context() const;
  /// The transport's scheme: "shm", "unix", ...
  std::string transport() const;

 protected:
  ServerContextBase() = default;

 private:
  friend class internal::ServerContextAccess;

  internal::ServerCall* call_ = nullptr;
  mutable internal::ReceivedMetadata client_metadata_;
};

class ServerContext : public ServerContextBase {
 public:
  ServerContext() = default;
};

class RpcAllocatorState;
class ServerUnaryReactor;

class CallbackServerContext : public ServerContextBase {
 public:
  CallbackServerContext();
  ~CallbackServerContext() override;

  /// A reactor that reacts to nothing, for handlers that only Finish. Valid as
  /// long as the context; once.
  ServerUnaryReactor* DefaultReactor();

  /// What the method's MessageAllocator gave; null without one.
  RpcAllocatorState* GetRpcAllocatorState() { return allocator_state_; }

 private:
  friend class internal::ServerContextAccess;
  class Default;
  std::unique_ptr<ServerUnaryReactor> default_reactor_;
  RpcAllocatorState* allocator_state_ = nullptr;
};

}  // namespace nearcall

#endif  // NEARCALL_SERVER_CONTEXT_H_
