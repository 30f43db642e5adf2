// One call as the server's surfaces (sync handlers, reactors) drive it,
// whatever kind of port it came in through. Mirrors impl/client_call.h.
#ifndef NEARCALL_IMPL_SERVER_CALL_H_
#define NEARCALL_IMPL_SERVER_CALL_H_

#include <nearcall/impl/client_call.h>
#include <nearcall/impl/message.h>
#include <nearcall/impl/ref.h>
#include <nearcall/peer_credentials.h>
#include <nearcall/status.h>
#include <nearcall/write_options.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace nearcall {
class ServerContextBase;
}

namespace nearcall::internal {

class MethodHandler;
class MetadataBlock;

/// What a handler keeps between calls, so that a message type's memory is
/// allocated once; owned by the call, typed by the handler that put it there.
class HandlerCache {
 public:
  virtual ~HandlerCache() = default;
};

/// Where a server call's notices go: operations, and the cancellation.
class ServerCallSink : public OpSink {
 public:
  /// At most once, on an executor thread; returns before OnOp(kFinish) comes.
  virtual void OnCancel() = 0;
};

class ServerCall : public CancelParent {
 public:
  /// Reactors set it before their first operation; sync handlers never do.
  virtual void SetSink(ServerCallSink* sink) = 0;

  /// The handler's context, before anything else; it outlives what the handler
  /// does.
  virtual void SetContext(ServerContextBase* /*context*/) {}

  /// Sends the context's initial metadata now.
  virtual void SendInitialMetadata() = 0;
  virtual void Read(InMessage into) = 0;
  virtual void Write(OutMessage message, WriteOptions options) = 0;
  /// Ends the call: the message of a unary reply where given and the status is
  /// OK, then the status with the trailing metadata.
  virtual void Finish(const Status& status, OutMessage message) = 0;
  virtual bool Wait(Op op) = 0;
  virtual bool NextMessageSize(uint32_t* size) = 0;

  /// The request of a call whose client sends one message: parses it. Not OK:
  /// the status to finish with.
  virtual Status ReadRequest(InMessage into) = 0;

  virtual bool IsCancelled() = 0;
  /// The server side's own cancellation.
  virtual void Cancel() = 0;

  virtual std::string_view client_metadata() const = 0;
  virtual MetadataBlock* initial_metadata() = 0;
  virtual MetadataBlock* trailing_metadata() = 0;
  /// What the client's library says of itself.
  virtual std::string_view user_agent() const = 0;
  virtual std::string_view path() const = 0;
  virtual std::string_view host() const = 0;
  /// The transport's scheme.
  virtual std::string_view transport() const = 0;
  virtual std::string peer() const = 0;
  virtual PeerCredentials peer_credentials() const = 0;
  virtual std::chrono::system_clock::time_point deadline() const = 0;

  /// For the handler's use: see HandlerCache.
  std::unique_ptr<HandlerCache>& cache(const void* key) {
    if (cache_key_ != key) {
      cache_.reset();
      cache_key_ = key;
    }
    return cache_;
  }
  /// Whether a message was so large that what holds it should not be kept.
  bool large() const { return large_; }

 protected:
  static constexpr size_t kLargeMessage = 64 * 1024;
  void set_large(bool large = true) { large_ = large; }

 private:
  bool large_ = false;
  const void* cache_key_ = nullptr;
  std::unique_ptr<HandlerCache> cache_;
};

using ServerCallPtr = RefPtr<ServerCall>;

/// Runs one method's calls. Generated services own one per method.
class MethodHandler {
 public:
  virtual ~MethodHandler() = default;
  /// Called once for each call. A sync handler returns when the call has been
  /// finished; a reactor's may return before.
  virtual void Run(ServerCallPtr call) = 0;
  /// Whether Run waits for the peer (a sync stream), so that it must not run on
  /// the thread that reads.
  virtual bool blocks() const = 0;
  /// Whether the client sends exactly one message: Run begins when it is here.
  virtual bool single_request() const = 0;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_IMPL_SERVER_CALL_H_
