// The callback API of clients: reactors, as in gRPC.
#ifndef NEARCALL_CLIENT_CALLBACK_H_
#define NEARCALL_CLIENT_CALLBACK_H_

#include <nearcall/channel_interface.h>
#include <nearcall/client_context.h>
#include <nearcall/impl/client_reactor_call.h>
#include <nearcall/impl/message.h>
#include <nearcall/impl/rpc_method.h>
#include <nearcall/status.h>
#include <nearcall/write_options.h>

#include <functional>
#include <utility>

namespace nearcall {

namespace internal {
class ReactorAccess;
}

/// Reactions run on the library's executor, never under a lock of it; those of
/// different operations may overlap. They may start further calls, block for a
/// while, and OnDone, which is the last, may delete the reactor. Operations:
/// any thread, one of each kind at a time, also before StartCall.
class ClientUnaryReactor : public internal::ClientReactor {
 public:
  /// Begins the call. Once; the reactor lives until OnDone.
  void StartCall() { call_->StartCall(); }
  void OnDone(const Status& status) override = 0;
  void OnReadInitialMetadataDone(bool /*ok*/) override {}

 private:
  friend class internal::ReactorAccess;
  internal::ClientReactorCall* call_ = nullptr;
};

template <typename Response>
class ClientReadReactor : public internal::ClientReactor {
 public:
  void StartCall() { call_->StartCall(); }
  void StartRead(Response* response) {
    call_->StartRead(internal::MessageTraits<Response>::In(response));
  }
  /// OnDone waits until every hold is removed: for operations that are started
  /// from outside the reactions.
  void AddHold() { AddMultipleHolds(1); }
  void AddMultipleHolds(int holds) { call_->AddHolds(holds); }
  void RemoveHold() { call_->RemoveHold(); }

  void OnDone(const Status& status) override = 0;
  void OnReadInitialMetadataDone(bool /*ok*/) override {}
  void OnReadDone(bool /*ok*/) override {}

 private:
  friend class internal::ReactorAccess;
  internal::ClientReactorCall* call_ = nullptr;
};

template <typename Request>
class ClientWriteReactor : public internal::ClientReactor {
 public:
  void StartCall() { call_->StartCall(); }
  /// `request` must stay until OnWriteDone.
  void StartWrite(const Request* request) {
    StartWrite(request, WriteOptions());
  }
  void StartWrite(const Request* request, WriteOptions options) {
    call_->StartWrite(internal::MessageTraits<Request>::Out(*request), options);
  }
  void StartWriteLast(const Request* request, WriteOptions options) {
    StartWrite(request, options.set_last_message());
  }
  void StartWritesDone() { call_->StartWritesDone(); }
  void AddHold() { AddMultipleHolds(1); }
  void AddMultipleHolds(int holds) { call_->AddHolds(holds); }
  void RemoveHold() { call_->RemoveHold(); }

  void OnDone(const Status& status) override = 0;
  void OnReadInitialMetadataDone(bool /*ok*/) override {}
  void OnWriteDone(bool /*ok*/) override {}
  void OnWritesDoneDone(bool /*ok*/) override {}

 private:
  friend class internal::ReactorAccess;
  internal::ClientReactorCall* call_ = nullptr;
};

template <typename Request, typename Response>
class ClientBidiReactor : public internal::ClientReactor {
 public:
  void StartCall() { call_->StartCall(); }
  void StartRead(Response* response) {
    call_->StartRead(internal::MessageTraits<Response>::In(response));
  }
  /// `request` must stay until OnWriteDone.
  void StartWrite(const Request* request) {
    StartWrite(request, WriteOptions());
  }
  void StartWrite(const Request* request, WriteOptions options) {
    call_->StartWrite(internal::MessageTraits<Request>::Out(*request), options);
  }
  void StartWriteLast(const Request* request, WriteOptions options) {
    StartWrite(request, options.set_last_message());
  }
  void StartWritesDone() { call_->StartWritesDone(); }
  void AddHold() { AddMultipleHolds(1); }
  void AddMultipleHolds(int holds) { call_->AddHolds(holds); }
  void RemoveHold() { call_->RemoveHold(); }

  void OnDone(const Status& status) override = 0;
  void OnReadInitialMetadataDone(bool /*ok*/) override {}
  void OnReadDone(bool /*ok*/) override {}
  void OnWriteDone(bool /*ok*/) override {}
  void OnWritesDoneDone(bool /*ok*/) override {}

 private:
  friend class internal::ReactorAccess;
  internal::ClientReactorCall* call_ = nullptr;
};

namespace internal {

class ReactorAccess {
 public:
  template <typename Reactor>
  static void Bind(Reactor* reactor, ClientReactorCall* call) {
    reactor->call_ = call;
  }
};

/// The unary call that ends in a function.
void StartFunctionCall(ChannelInterface* channel, const RpcMethod& method,
                       ClientContext* context, OutMessage request,
                       InMessage response, std::function<void(Status)> done);

template <typename Request, typename Response>
void CallbackUnaryCall(ChannelInterface* channel, const RpcMethod& method,
                       ClientContext* context, const Request* request,
                       Response* response, std::function<void(Status)> done) {
  StartFunctionCall(channel, method, context,
                    MessageTraits<Request>::Out(*request),
                    MessageTraits<Response>::In(response), std::move(done));
}

class ClientCallbackUnaryFactory {
 public:
  template <typename Request, typename Response>
  static void Create(ChannelInterface* channel, const RpcMethod& method,
                     ClientContext* context, const Request* request,
                     Response* response, ClientUnaryReactor* reactor) {
    ReactorAccess::Bind(reactor, ClientReactorCall::Create(
                                     channel, method, context, reactor,
                                     MessageTraits<Request>::Out(*request),
                                     MessageTraits<Response>::In(response)));
  }
};

template <typename Response>
class ClientCallbackReaderFactory {
 public:
  template <typename Request>
  static void Create(ChannelInterface* channel, const RpcMethod& method,
                     ClientContext* context, const Request* request,
                     ClientReadReactor<Response>* reactor) {
    ReactorAccess::Bind(
        reactor,
        ClientReactorCall::Create(channel, method, context, reactor,
                                  MessageTraits<Request>::Out(*request), {}));
  }
};

template <typename Request>
class ClientCallbackWriterFactory {
 public:
  template <typename Response>
  static void Create(ChannelInterface* channel, const RpcMethod& method,
                     ClientContext* context, Response* response,
                     ClientWriteReactor<Request>* reactor) {
    ReactorAccess::Bind(reactor, ClientReactorCall::Create(
                                     channel, method, context, reactor, {},
                                     MessageTraits<Response>::In(response)));
  }
};

template <typename Request, typename Response>
class ClientCallbackReaderWriterFactory {
 public:
  static void Create(ChannelInterface* channel, const RpcMethod& method,
                     ClientContext* context,
                     ClientBidiReactor<Request, Response>* reactor) {
    ReactorAccess::Bind(
        reactor,
        ClientReactorCall::Create(channel, method, context, reactor, {}, {}));
  }
};

}  // namespace internal

namespace experimental {
using nearcall::ClientUnaryReactor;
template <typename R>
using ClientReadReactor = nearcall::ClientReadReactor<R>;
template <typename W>
using ClientWriteReactor = nearcall::ClientWriteReactor<W>;
template <typename W, typename R>
using ClientBidiReactor = nearcall::ClientBidiReactor<W, R>;
}  // namespace experimental

}  // namespace nearcall

#endif  // NEARCALL_CLIENT_CALLBACK_H_
