// What an interceptor sees of a call, on either side: gRPC's interface.
#ifndef NEARCALL_INTERCEPTOR_H_
#define NEARCALL_INTERCEPTOR_H_

#include <nearcall/byte_buffer.h>
#include <nearcall/status.h>
#include <nearcall/string_ref.h>

#include <map>
#include <memory>
#include <string>

namespace nearcall {

class ChannelInterface;

namespace experimental {

/// The points of a call at which its interceptors are asked. PRE_ hooks run
/// from the first interceptor to the last, POST_ hooks from the last to the
/// first.
enum class InterceptionHookPoints {
  PRE_SEND_INITIAL_METADATA,
  PRE_SEND_MESSAGE,
  /// The message has been handed on (GetSendMessageStatus: with success).
  POST_SEND_MESSAGE,
  /// Servers: the handler has given the call's status.
  PRE_SEND_STATUS,
  /// Clients: the half-close; with the request where there is just one.
  PRE_SEND_CLOSE,
  /// Calls that were hijacked: the hijacker gives what the client waits for.
  PRE_RECV_INITIAL_METADATA,
  PRE_RECV_MESSAGE,
  PRE_RECV_STATUS,
  /// Servers: before the handler runs.
  POST_RECV_INITIAL_METADATA,
  POST_RECV_MESSAGE,
  /// Clients.
  POST_RECV_STATUS,
  /// Servers, once, the last hook: the call is over.
  POST_RECV_CLOSE,
  /// TryCancel, once, in a batch of its own: every interceptor sees it, on the
  /// thread that cancels, which it must not block.
  PRE_SEND_CANCEL,
  NUM_INTERCEPTION_HOOKS
};

/// One or several hooks of a call that are intercepted together. Valid until
/// Proceed or Hijack is called, after which Intercept must not touch it. What a
/// member returns belongs to the call.
class InterceptorBatchMethods {
 public:
  virtual ~InterceptorBatchMethods() = default;

  virtual bool QueryInterceptionHookPoint(InterceptionHookPoints type) = 0;

  /// The call goes on, to the next interceptor first. Each Intercept is
  /// followed by one Proceed or Hijack, then or later, on any thread; what
  /// follows may run on that thread. Of a PRE_SEND_CANCEL it is no part: there
  /// it does nothing.
  virtual void Proceed() = 0;
  /// In place of Proceed, on a client's PRE_SEND_INITIAL_METADATA: the call
  /// never leaves. Interceptors after this one see no more of it, and this one
  /// answers in the PRE_RECV_ hooks of the call's operations. Anywhere else it
  /// is logged, and the call goes on.
  virtual void Hijack() = 0;

  /// PRE_SEND_MESSAGE: the message as bytes, which may be changed, serialized
  /// now if it was not; from then on GetSendMessage returns null. Null at other
  /// hooks.
  virtual ByteBuffer* GetSerializedSendMessage() = 0;
  /// PRE_SEND_MESSAGE: the message, of the type of the method; null at other
  /// hooks and once it is serialized.
  virtual const void* GetSendMessage() = 0;
  /// PRE_SEND_MESSAGE: sends `message`, of the type of the method, instead. It
  /// must live until POST_SEND_MESSAGE.
  virtual void ModifySendMessage(const void* message) = 0;
  /// POST_SEND_MESSAGE: whether it was sent.
  virtual bool GetSendMessageStatus() = 0;

  /// PRE_SEND_INITIAL_METADATA: what the context has, which may be changed;
  /// null at other hooks.
  virtual std::multimap<std::string, std::string>* GetSendInitialMetadata() = 0;
  /// PRE_SEND_STATUS; OK at other hooks.
  virtual Status GetSendStatus() = 0;
  virtual void ModifySendStatus(const Status& status) = 0;
  /// PRE_SEND_STATUS: what the context has, which may be changed; null at other
  /// hooks.
  virtual std::multimap<std::string, std::string>*
  GetSendTrailingMetadata() = 0;

  /// PRE_ and POST_RECV_MESSAGE: the parsed message, of the type of the method,
  /// which may be changed; null at other hooks and when there is none.
  virtual void* GetRecvMessage() = 0;
  /// PRE_ and POST_RECV_INITIAL_METADATA: what the context will show, which may
  /// be changed; whatever is added must live as long as the context. Null at
  /// other hooks.
  virtual std::multimap<string_ref, string_ref>* GetRecvInitialMetadata() = 0;
  /// PRE_ and POST_RECV_STATUS: may be changed; null at other hooks.
  virtual Status* GetRecvStatus() = 0;
  /// PRE_ and POST_RECV_STATUS: as GetRecvInitialMetadata.
  virtual std::multimap<string_ref, string_ref>* GetRecvTrailingMetadata() = 0;

  /// Clients: a channel for calls of the interceptor's own, which only the
  /// interceptors after this one see. It must not be used after the channel of
  /// the call has gone. Null on servers.
  virtual std::unique_ptr<ChannelInterface> GetInterceptedChannel() = 0;

  /// PRE_RECV_MESSAGE: there is no message, and there will be no more.
  virtual void FailHijackedRecvMessage() = 0;
  /// PRE_SEND_MESSAGE of a hijacked call: the write fails.
  virtual void FailHijackedSendMessage() = 0;
};

/// Sees one call, and is destroyed with it. Hooks of different operations of a
/// stream may run at the same time.
class Interceptor {
 public:
  virtual ~Interceptor() = default;
  virtual void Intercept(InterceptorBatchMethods* methods) = 0;
};

}  // namespace experimental
}  // namespace nearcall

#endif  // NEARCALL_INTERCEPTOR_H_
