// What stands between a client's reactor and its call: it keeps what is started
// before the call, counts what is under way, and says when all is done.
#ifndef NEARCALL_IMPL_CLIENT_REACTOR_CALL_H_
#define NEARCALL_IMPL_CLIENT_REACTOR_CALL_H_

#include <nearcall/channel_interface.h>
#include <nearcall/impl/client_call.h>
#include <nearcall/impl/message.h>
#include <nearcall/impl/rpc_method.h>
#include <nearcall/status.h>

namespace nearcall::internal {

/// The reactions, of all shapes.
class ClientReactor {
 public:
  virtual ~ClientReactor() = default;
  /// The last one, exactly once for a call that was started.
  virtual void OnDone(const Status& status) = 0;
  /// ok: metadata arrived. False: the call ended without.
  virtual void OnReadInitialMetadataDone(bool ok) = 0;
  /// ok: the message is complete. False: there are no more.
  virtual void OnReadDone(bool /*ok*/) {}
  /// ok: the message has left. False: the call has ended.
  virtual void OnWriteDone(bool /*ok*/) {}
  virtual void OnWritesDoneDone(bool /*ok*/) {}
};

/// Thread-safe. Deletes itself before OnDone is called.
class ClientReactorCall {
 public:
  /// `request`: with it the client sends just that; it is copied now, or,
  /// behind interceptors, must stay until they have let it go on.
  /// `reply`: with it the server sends just one message.
  static ClientReactorCall* Create(ChannelInterface* channel,
                                   const RpcMethod& method,
                                   ClientContext* context,
                                   ClientReactor* reactor, OutMessage request,
                                   InMessage reply);

  virtual void StartCall() = 0;
  virtual void StartRead(InMessage into) = 0;
  virtual void StartWrite(OutMessage message, WriteOptions options) = 0;
  virtual void StartWritesDone() = 0;
  virtual void AddHolds(int holds) = 0;
  virtual void RemoveHold() = 0;

 protected:
  ~ClientReactorCall() = default;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_IMPL_CLIENT_REACTOR_CALL_H_
