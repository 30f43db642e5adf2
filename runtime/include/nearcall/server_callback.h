// The callback API of servers: reactors, as in gRPC.
#ifndef NEARCALL_SERVER_CALLBACK_H_
#define NEARCALL_SERVER_CALLBACK_H_

#include <nearcall/impl/context_access.h>
#include <nearcall/impl/message.h>
#include <nearcall/impl/server_call.h>
#include <nearcall/impl/server_reactor.h>
#include <nearcall/message_allocator.h>
#include <nearcall/server_context.h>
#include <nearcall/status.h>
#include <nearcall/write_options.h>

#include <functional>
#include <memory>
#include <utility>

namespace nearcall {

/// Reactions run on the library's executor, never under a lock of it; those of
/// different operations may overlap, OnCancel comes before OnDone, and OnDone
/// is the last: it may delete the reactor. Operations: any thread, one of each
/// kind at a time, from the constructor on. Finish exactly once.
class ServerUnaryReactor : public internal::ServerReactor {
 public:
  void StartSendInitialMetadata() { core_.StartSendInitialMetadata(); }
  /// Sends the response, if `status` is OK, and the status.
  void Finish(Status status) { core_.FinishUnary(std::move(status)); }
};

template <typename Request>
class ServerReadReactor : public internal::ServerReactor {
 public:
  void StartSendInitialMetadata() { core_.StartSendInitialMetadata(); }
  void StartRead(Request* request) {
    core_.StartRead(internal::MessageTraits<Request>::In(request));
  }
  void Finish(Status status) { core_.FinishUnary(std::move(status)); }
  void OnReadDone(bool /*ok*/) override {}
};

template <typename Response>
class ServerWriteReactor : public internal::ServerReactor {
 public:
  void StartSendInitialMetadata() { core_.StartSendInitialMetadata(); }
  /// `response` must stay until OnWriteDone.
  void StartWrite(const Response* response) {
    StartWrite(response, WriteOptions());
  }
  void StartWrite(const Response* response, WriteOptions options) {
    core_.StartWrite(internal::MessageTraits<Response>::Out(*response),
                     options);
  }
  void StartWriteLast(const Response* response, WriteOptions options) {
    StartWrite(response, options.set_last_message());
  }
  /// No OnWriteDone for it; `response` must stay until OnDone.
  void StartWriteAndFinish(const Response* response, WriteOptions options,
                           Status status) {
    core_.StartWriteAndFinish(internal::MessageTraits<Response>::Out(*response),
                              options, std::move(status));
  }
  void Finish(Status status) { core_.Finish(std::move(status)); }
  void OnWriteDone(bool /*ok*/) override {}
};

template <typename Request, typename Response>
class ServerBidiReactor : public internal::ServerReactor {
 public:
  void StartSendInitialMetadata() { core_.StartSendInitialMetadata(); }
  void StartRead(Request* request) {
    core_.StartRead(internal::MessageTraits<Request>::In(request));
  }
  /// `response` must stay until OnWriteDone.
  void StartWrite(const Response* response) {
    StartWrite(response, WriteOptions());
  }
  void StartWrite(const Response* response, WriteOptions options) {
    core_.StartWrite(internal::MessageTraits<Response>::Out(*response),
                     options);
  }
  void StartWriteLast(const Response* response, WriteOptions options) {
    StartWrite(response, options.set_last_message());
  }
  /// No OnWriteDone for it; `response` must stay until OnDone.
  void StartWriteAndFinish(const Response* response, WriteOptions options,
                           Status status) {
    core_.StartWriteAndFinish(internal::MessageTraits<Response>::Out(*response),
                              options, std::move(status));
  }
  void Finish(Status status) { core_.Finish(std::move(status)); }
  void OnReadDone(bool /*ok*/) override {}
  void OnWriteDone(bool /*ok*/) override {}
};

namespace experimental {
template <typename Request, typename Response>
using ServerBidiReactor = nearcall::ServerBidiReactor<Request, Response>;
using ServerUnaryReactor = nearcall::ServerUnaryReactor;
}  // namespace experimental

namespace internal {

/// Ends the call with a status, for a handler that gave no reactor.
template <typename Reactor>
class FinishOnlyReactor final : public Reactor {
 public:
  explicit FinishOnlyReactor(Status status) { this->Finish(std::move(status)); }
  void OnDone() override { delete this; }
};

/// Runs the user's function; what it throws, or a null reactor, ends the call.
template <typename Reactor, typename Get>
Reactor* GetReactor(Get&& get) {
#if defined(__cpp_exceptions)
  try {
    if (Reactor* reactor = get()) return reactor;
  } catch (...) {
    return new FinishOnlyReactor<Reactor>(ExceptionStatus());
  }
#else
  if (Reactor* reactor = get()) return reactor;
#endif
  return new FinishOnlyReactor<Reactor>(Status(UNIMPLEMENTED, ""));
}

/// What a reactor's call keeps until OnDone has returned.
class ReactorCallState {
 public:
  virtual ~ReactorCallState() = default;
  CallbackServerContext context;
};

template <typename Request, typename Response>
class CallbackUnaryHandler final : public MethodHandler {
 public:
  using Function = std::function<ServerUnaryReactor*(
      CallbackServerContext*, const Request*, Response*)>;
  explicit CallbackUnaryHandler(Function get_reactor)
      : get_reactor_(std::move(get_reactor)) {}

  void SetMessageAllocator(MessageAllocator<Request, Response>* allocator) {
    allocator_ = allocator;
  }
  void Run(ServerCallPtr call) override {
    auto state = std::make_unique<State>();
    if (allocator_ != nullptr) {
      state->holder = allocator_->AllocateMessages();
      state->request = state->holder->request();
      state->response = state->holder->response();
      ServerContextAccess::SetAllocatorState(&state->context, state->holder);
    } else {
      state->request = &state->own_request;
      state->response = &state->own_response;
    }
    ServerContextAccess::Bind(&state->context, call.get());
    const Status parsed =
        call->ReadRequest(MessageTraits<Request>::In(state->request));
    ServerUnaryReactor* reactor =
        parsed.ok() ? GetReactor<ServerUnaryReactor>([&] {
          return get_reactor_(&state->context, state->request, state->response);
        })
                    : new FinishOnlyReactor<ServerUnaryReactor>(parsed);
    const OutMessage reply = MessageTraits<Response>::Out(*state->response);
    reactor->InternalBind(std::move(call), std::move(state), reply);
  }
  bool blocks() const override { return false; }
  bool single_request() const override { return true; }

 private:
  struct State final : ReactorCallState {
    ~State() override {
      if (holder != nullptr) holder->Release();
    }
    MessageHolder<Request, Response>* holder = nullptr;
    Request* request;
    Response* response;
    Request own_request;
    Response own_response;
  };
  const Function get_reactor_;
  MessageAllocator<Request, Response>* allocator_ = nullptr;
};

template <typename Request, typename Response>
class CallbackServerStreamingHandler final : public MethodHandler {
 public:
  using Function = std::function<ServerWriteReactor<Response>*(
      CallbackServerContext*, const Request*)>;
  explicit CallbackServerStreamingHandler(Function get_reactor)
      : get_reactor_(std::move(get_reactor)) {}

  void Run(ServerCallPtr call) override {
    using Reactor = ServerWriteReactor<Response>;
    auto state = std::make_unique<State>();
    ServerContextAccess::Bind(&state->context, call.get());
    const Status parsed =
        call->ReadRequest(MessageTraits<Request>::In(&state->request));
    Reactor* reactor = parsed.ok() ? GetReactor<Reactor>([&] {
      return get_reactor_(&state->context, &state->request);
    })
                                   : new FinishOnlyReactor<Reactor>(parsed);
    reactor->InternalBind(std::move(call), std::move(state), {});
  }
  bool blocks() const override { return false; }
  bool single_request() const override { return true; }

 private:
  struct State final : ReactorCallState {
    Request request;
  };
  const Function get_reactor_;
};

template <typename Request, typename Response>
class CallbackClientStreamingHandler final : public MethodHandler {
 public:
  using Function = std::function<ServerReadReactor<Request>*(
      CallbackServerContext*, Response*)>;
  explicit CallbackClientStreamingHandler(Function get_reactor)
      : get_reactor_(std::move(get_reactor)) {}

  void Run(ServerCallPtr call) override {
    auto state = std::make_unique<State>();
    ServerContextAccess::Bind(&state->context, call.get());
    auto* reactor = GetReactor<ServerReadReactor<Request>>(
        [&] { return get_reactor_(&state->context, &state->response); });
    const OutMessage reply = MessageTraits<Response>::Out(state->response);
    reactor->InternalBind(std::move(call), std::move(state), reply);
  }
  bool blocks() const override { return false; }
  bool single_request() const override { return false; }

 private:
  struct State final : ReactorCallState {
    Response response;
  };
  const Function get_reactor_;
};

template <typename Request, typename Response>
class CallbackBidiHandler final : public MethodHandler {
 public:
  using Function = std::function<ServerBidiReactor<Request, Response>*(
      CallbackServerContext*)>;
  explicit CallbackBidiHandler(Function get_reactor)
      : get_reactor_(std::move(get_reactor)) {}

  void Run(ServerCallPtr call) override {
    auto state = std::make_unique<ReactorCallState>();
    ServerContextAccess::Bind(&state->context, call.get());
    auto* reactor = GetReactor<ServerBidiReactor<Request, Response>>(
        [&] { return get_reactor_(&state->context); });
    reactor->InternalBind(std::move(call), std::move(state), {});
  }
  bool blocks() const override { return false; }
  bool single_request() const override { return false; }

 private:
  const Function get_reactor_;
};

}  // namespace internal
}  // namespace nearcall

#endif  // NEARCALL_SERVER_CALLBACK_H_
