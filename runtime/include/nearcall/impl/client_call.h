// One call as the client's surfaces (sync, callback) drive it, over any kind of
// channel. The surfaces are typed and have no call logic; a ClientCall has all
// of it and knows no message type.
#ifndef NEARCALL_IMPL_CLIENT_CALL_H_
#define NEARCALL_IMPL_CLIENT_CALL_H_

#include <nearcall/impl/message.h>
#include <nearcall/impl/ref.h>
#include <nearcall/peer_credentials.h>
#include <nearcall/status.h>
#include <nearcall/write_options.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace nearcall::internal {

/// What can be under way on a call, at most one of each at a time.
enum class Op : uint8_t {
  kInitialMetadata,  ///< Client: received. Server: sent.
  kWrite,
  kWritesDone,
  kRead,
  kFinish,
};
inline constexpr int kOps = 5;

/// Where completions of operations go when nobody waits for them.
class OpSink {
 public:
  /// On an executor thread, without locks; operations may overlap.
  virtual void OnOp(Op op, bool ok) = 0;

 protected:
  ~OpSink() = default;
};

/// All members: any thread, unless said otherwise. With a sink each operation
/// ends in one OnOp; without one each is awaited by Wait.
class ClientCall : public RefCounted {
 public:
  /// Sends the initial metadata and, where given, the first message and the
  /// half-close. `corked`: the metadata may wait for the first message.
  virtual void Start(OutMessage message, bool half_close, bool corked) = 0;
  /// ok: the message has left (by the stream's buffering rule).
  virtual void Write(OutMessage message, WriteOptions options) = 0;
  virtual void WritesDone() = 0;
  /// ok: some arrived; otherwise the call ended without.
  virtual void ReadInitialMetadata() = 0;
  /// ok: `into` was parsed. Otherwise there are no more messages.
  virtual void Read(InMessage into) = 0;
  /// Ends with ok always; `*status` is set before. `reply`: where the one
  /// message of a call goes that has just one; an OK call without it ends with
  /// INTERNAL.
  virtual void Finish(Status* status, InMessage reply) = 0;
  /// Blocks until `op`, which was started, is done.
  virtual bool Wait(Op op) = 0;
  /// Start with message and half-close, Read, Finish and Wait in one.
  virtual Status Unary(OutMessage request, InMessage response) = 0;
  /// After a Finish that was not waited for, of a call with one message each
  /// way. True: no handler has seen the call, and it was started again, with
  /// the same message; it is to be finished again, and what the first Finish
  /// gave is void.
  virtual bool Retry(OutMessage request) = 0;
  /// Whether somebody looks at what is sent, so that Start should be given the
  /// caller's message and not its bytes.
  virtual bool shows_messages() const { return false; }

  virtual void Cancel() = 0;

  /// The size of the next message if Read would return one now.
  virtual bool NextMessageSize(uint32_t* size) = 0;

  /// Blocks of metadata; valid as long as the call, complete after the
  /// operation that receives them.
  virtual std::string_view initial_metadata() const = 0;
  virtual std::string_view trailing_metadata() const = 0;
  virtual std::string peer() const = 0;
  virtual PeerCredentials peer_credentials() const = 0;
  /// Whether a handler may have seen a call that failed: false, a retry is
  /// safe.
  virtual bool maybe_sent() const = 0;
};

using ClientCallPtr = RefPtr<ClientCall>;

/// A call whose cancellation cancels calls made on its behalf.
class CancelParent : public RefCounted {
 public:
  /// Once this is cancelled, `child` is; at once if it is already. The child is
  /// kept until this call ends.
  virtual void CancelWith(ClientCallPtr child) = 0;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_IMPL_CLIENT_CALL_H_
