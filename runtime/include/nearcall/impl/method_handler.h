// The typed ends of sync handlers: they hold the messages and call the user's
// function.
#ifndef NEARCALL_IMPL_METHOD_HANDLER_H_
#define NEARCALL_IMPL_METHOD_HANDLER_H_

#include <nearcall/impl/context_access.h>
#include <nearcall/impl/server_call.h>
#include <nearcall/impl/server_reactor.h>
#include <nearcall/server_context.h>
#include <nearcall/status.h>
#include <nearcall/sync_stream.h>

#include <functional>
#include <utility>

namespace nearcall::internal {

/// Runs `handler` and turns whatever it throws into a status.
template <typename Handler>
Status CatchingCall(Handler&& handler) {
#if defined(__cpp_exceptions)
  try {
    return handler();
  } catch (...) {
    return ExceptionStatus();
  }
#else
  return handler();
#endif
}

/// The messages of a unary method, kept from call to call unless they are big.
template <typename Request, typename Response>
struct UnaryMessages final : HandlerCache {
  Request request;
  Response response;
};

template <typename ServiceType, typename Request, typename Response>
class RpcMethodHandler final : public MethodHandler {
 public:
  using Function = std::function<Status(ServiceType*, ServerContext*,
                                        const Request*, Response*)>;
  RpcMethodHandler(Function function, ServiceType* service)
      : function_(std::move(function)), service_(service) {}

  void Run(ServerCallPtr call) override {
    using Messages = UnaryMessages<Request, Response>;
    std::unique_ptr<HandlerCache>& cache = call->cache(this);
    if (cache == nullptr) cache = std::make_unique<Messages>();
    auto* messages = static_cast<Messages*>(cache.get());
    ServerContext context;
    ServerContextAccess::Bind(&context, call.get());
    Status status =
        call->ReadRequest(MessageTraits<Request>::In(&messages->request));
    if (status.ok()) {
      status = CatchingCall([&] {
        return function_(service_, &context, &messages->request,
                         &messages->response);
      });
    }
    call->Finish(status, MessageTraits<Response>::Out(messages->response));
    if (call->large()) {
      cache.reset();
    } else {
      messages->request.Clear();
      messages->response.Clear();
    }
  }
  bool blocks() const override { return false; }
  bool single_request() const override { return true; }

 private:
  Function function_;
  ServiceType* const service_;
};

template <typename ServiceType, typename Request, typename Response>
class ServerStreamingHandler final : public MethodHandler {
 public:
  using Function = std::function<Status(
      ServiceType*, ServerContext*, const Request*, ServerWriter<Response>*)>;
  ServerStreamingHandler(Function function, ServiceType* service)
      : function_(std::move(function)), service_(service) {}

  void Run(ServerCallPtr call) override {
    Request request;
    ServerContext context;
    ServerContextAccess::Bind(&context, call.get());
    Status status = call->ReadRequest(MessageTraits<Request>::In(&request));
    if (status.ok()) {
      ServerWriter<Response> writer(call.get());
      status = CatchingCall(
          [&] { return function_(service_, &context, &request, &writer); });
    }
    call->Finish(status, {});
    call->Wait(Op::kFinish);
  }
  bool blocks() const override { return true; }
  bool single_request() const override { return true; }

 private:
  Function function_;
  ServiceType* const service_;
};

template <typename ServiceType, typename Request, typename Response>
class ClientStreamingHandler final : public MethodHandler {
 public:
  using Function = std::function<Status(ServiceType*, ServerContext*,
                                        ServerReader<Request>*, Response*)>;
  ClientStreamingHandler(Function function, ServiceType* service)
      : function_(std::move(function)), service_(service) {}

  void Run(ServerCallPtr call) override {
    Response response;
    ServerContext context;
    ServerContextAccess::Bind(&context, call.get());
    ServerReader<Request> reader(call.get());
    const Status status = CatchingCall(
        [&] { return function_(service_, &context, &reader, &response); });
    call->Finish(status, MessageTraits<Response>::Out(response));
    call->Wait(Op::kFinish);
  }
  bool blocks() const override { return true; }
  bool single_request() const override { return false; }

 private:
  Function function_;
  ServiceType* const service_;
};

template <typename ServiceType, typename Request, typename Response>
class BidiStreamingHandler final : public MethodHandler {
 public:
  using Function = std::function<Status(
      ServiceType*, ServerContext*, ServerReaderWriter<Response, Request>*)>;
  BidiStreamingHandler(Function function, ServiceType* service)
      : function_(std::move(function)), service_(service) {}

  void Run(ServerCallPtr call) override {
    ServerContext context;
    ServerContextAccess::Bind(&context, call.get());
    ServerReaderWriter<Response, Request> stream(call.get());
    const Status status =
        CatchingCall([&] { return function_(service_, &context, &stream); });
    call->Finish(status, {});
    call->Wait(Op::kFinish);
  }
  bool blocks() const override { return true; }
  bool single_request() const override { return false; }

 private:
  Function function_;
  ServiceType* const service_;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_IMPL_METHOD_HANDLER_H_
