// Calls without generated code: any method, messages as bytes (or any type with
// MessageTraits). gRPC's names.
#ifndef NEARCALL_GENERIC_H_
#define NEARCALL_GENERIC_H_

#include <nearcall/byte_buffer.h>
#include <nearcall/channel_interface.h>
#include <nearcall/client_callback.h>
#include <nearcall/impl/blocking_unary_call.h>
#include <nearcall/server_callback.h>
#include <nearcall/stub_options.h>
#include <nearcall/sync_stream.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace nearcall {

namespace internal {
class GenericHandler;
/// The same text for the life of the process.
const char* InternPath(const std::string& path);
}  // namespace internal

/// Thread-safe. `method` is "/package.Service/Method".
template <typename Request, typename Response>
class TemplatedGenericStub final {
 public:
  explicit TemplatedGenericStub(std::shared_ptr<ChannelInterface> channel)
      : channel_(std::move(channel)) {}

  void UnaryCall(ClientContext* context, const std::string& method,
                 StubOptions options, const Request* request,
                 Response* response, std::function<void(Status)> done) {
    internal::CallbackUnaryCall(
        channel_.get(),
        Method(method, options, internal::RpcMethod::NORMAL_RPC), context,
        request, response, std::move(done));
  }
  /// The reactor's StartCall begins it.
  void PrepareUnaryCall(ClientContext* context, const std::string& method,
                        StubOptions options, const Request* request,
                        Response* response, ClientUnaryReactor* reactor) {
    internal::ClientCallbackUnaryFactory::Create(
        channel_.get(),
        Method(method, options, internal::RpcMethod::NORMAL_RPC), context,
        request, response, reactor);
  }
  void PrepareBidiStreamingCall(ClientContext* context,
                                const std::string& method, StubOptions options,
                                ClientBidiReactor<Request, Response>* reactor) {
    internal::ClientCallbackReaderWriterFactory<Request, Response>::Create(
        channel_.get(),
        Method(method, options, internal::RpcMethod::BIDI_STREAMING), context,
        reactor);
  }

  /// Beyond gRPC: the blocking forms.
  Status UnaryCall(ClientContext* context, const std::string& method,
                   const Request& request, Response* response) {
    return internal::BlockingUnaryCall(
        channel_.get(),
        Method(method, StubOptions(), internal::RpcMethod::NORMAL_RPC), context,
        request, response);
  }
  std::unique_ptr<ClientReaderWriter<Request, Response>> BidiStreamingCall(
      ClientContext* context, const std::string& method) {
    return std::unique_ptr<ClientReaderWriter<Request, Response>>(
        internal::ClientReaderWriterFactory<Request, Response>::Create(
            channel_.get(),
            Method(method, StubOptions(), internal::RpcMethod::BIDI_STREAMING),
            context));
  }

 private:
  internal::RpcMethod Method(const std::string& method, StubOptions options,
                             internal::RpcMethod::RpcType type) const {
    return internal::RpcMethod(internal::InternPath(method),
                               options.suffix_for_stats(), type, channel_);
  }

  const std::shared_ptr<ChannelInterface> channel_;
};

using GenericStub = TemplatedGenericStub<ByteBuffer, ByteBuffer>;

class GenericCallbackServerContext final : public CallbackServerContext {
 public:
  /// "/package.Service/Method".
  const std::string& method() const { return method_; }
  const std::string& host() const { return host_; }

 private:
  friend class internal::GenericHandler;
  std::string method_;
  std::string host_;
};

using ServerGenericBidiReactor = ServerBidiReactor<ByteBuffer, ByteBuffer>;
namespace experimental {
using nearcall::ServerGenericBidiReactor;
}

/// Answers every method that no registered service does. Thread-safe.
class CallbackGenericService {
 public:
  CallbackGenericService() = default;
  virtual ~CallbackGenericService() = default;
  /// Null, and by default: UNIMPLEMENTED.
  virtual ServerGenericBidiReactor* CreateReactor(
      GenericCallbackServerContext* context);
};

}  // namespace nearcall

#endif  // NEARCALL_GENERIC_H_
