// What all server reactors have below their typed members: it keeps what is
// started before the call is bound, counts what is under way, and says when all
// is done.
#ifndef NEARCALL_IMPL_SERVER_REACTOR_H_
#define NEARCALL_IMPL_SERVER_REACTOR_H_

#include <nearcall/impl/message.h>
#include <nearcall/impl/server_call.h>
#include <nearcall/status.h>
#include <nearcall/write_options.h>

#include <memory>

namespace nearcall::internal {

/// gRPC's text for whatever a handler throws; what() stays in the process.
Status ExceptionStatus();

class ReactorCallState;
class ServerReactor;

/// Thread-safe.
class ServerReactorCore {
 public:
  explicit ServerReactorCore(ServerReactor* reactor);
  ~ServerReactorCore();
  ServerReactorCore(const ServerReactorCore&) = delete;
  ServerReactorCore& operator=(const ServerReactorCore&) = delete;

  /// `reply`: what a FinishUnary with OK sends.
  void Bind(ServerCallPtr call, std::unique_ptr<ReactorCallState> state,
            OutMessage reply);

  void StartSendInitialMetadata();
  void StartRead(InMessage into);
  void StartWrite(OutMessage message, WriteOptions options);
  void StartWriteAndFinish(OutMessage message, WriteOptions options,
                           Status status);
  void Finish(Status status);
  void FinishUnary(Status status);

 private:
  class Impl;
  Impl* const impl_;  ///< Once bound it deletes itself, before OnDone.
  bool bound_ = false;
};

/// The reactions, of all shapes.
class ServerReactor {
 public:
  ServerReactor() : core_(this) {}
  ServerReactor(const ServerReactor&) = delete;
  ServerReactor& operator=(const ServerReactor&) = delete;
  virtual ~ServerReactor() = default;

  /// The last reaction, exactly once, after Finish.
  virtual void OnDone() = 0;
  /// The client has cancelled or gone, or the deadline has passed. Finish is
  /// still due.
  virtual void OnCancel() {}
  virtual void OnSendInitialMetadataDone(bool /*ok*/) {}
  /// ok: the message is complete. False: there are no more.
  virtual void OnReadDone(bool /*ok*/) {}
  /// ok: the message has left. False: the call has ended.
  virtual void OnWriteDone(bool /*ok*/) {}

  /// For handlers.
  void InternalBind(ServerCallPtr call, std::unique_ptr<ReactorCallState> state,
                    OutMessage reply);

 protected:
  ServerReactorCore core_;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_IMPL_SERVER_REACTOR_H_
