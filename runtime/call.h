// One call on a session, seen from either end: a stream of messages out, a
// stream of messages in, each under byte credit. What opens and what ends it
// differs by side and is the derived class's (near_client_call,
// near_server_call).
//
// Everything here is guarded by the session's mutex, unless it says that the
// reader role holder alone may touch it.
#ifndef NEARCALL_RUNTIME_CALL_H_
#define NEARCALL_RUNTIME_CALL_H_

#include <nearcall/impl/buffer.h>
#include <nearcall/impl/message.h>
#include <nearcall/status.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/fifo.h"
#include "runtime/wire.h"

namespace nearcall::internal {

class Session;

class Call {
 public:
  virtual void RefCall() = 0;
  virtual void UnrefCall() = 0;

  uint64_t id() const { return id_; }
  bool ended() const { return ended_; }

 protected:
  friend class Session;

  virtual ~Call() = default;
  /// For an object that is used again: as new, but with its memory.
  void ResetStreams();

  // --- What the derived class does ---

  static constexpr int64_t kNone = -1;
  static constexpr int64_t kNoSlot = -2;
  /// Bytes of the body of the frame that must precede messages (kOpen,
  /// kHeaders); kNone: there is none (any more); kNoSlot: its turn will come.
  virtual int64_t PrologueSize(Session* session) = 0;
  virtual wire::Header WritePrologue(uint8_t* body) = 0;
  /// The frame after the last message (kStatus, or the half-close), likewise.
  virtual int64_t EpilogueSize() = 0;
  virtual wire::Header WriteEpilogue(uint8_t* body) = 0;
  /// True: the half-close goes with the last message, and has now been written.
  virtual bool TakeHalfClose() = 0;
  /// Something changed: complete the operations that can be.
  virtual void OnProgress() = 0;
  /// The peer, or the death of the link, ended the call.
  virtual void OnReset(StatusCode code, std::string_view text,
                       bool refused) = 0;
  /// A whole message is larger than `limit`.
  virtual void OnTooLarge(uint32_t size) = 0;

  // --- Sending ---

  struct Outgoing {
    Buffer bytes;
    uint32_t sent = 0;
    bool begun = false;
  };
  enum class Wrote : uint8_t {
    kNothing,  ///< There is nothing (more) to write.
    kMore,     ///< One frame was committed; there may be more.
    kBlocked,  ///< The link has no space.
    kStalled,  ///< Waits for credit or for a call slot.
  };
  /// Commits at most one frame.
  Wrote WriteOne(Session* session);
  /// Whether a Write has done its part.
  bool written() const { return out_.empty() || unbounded_limit_ != 0; }
  /// Whether `size` more bytes are too many for an unbounded stream.
  bool OverLimit(size_t size) const {
    return unbounded_limit_ != 0 &&
           out_bytes_ + static_cast<int64_t>(size) > unbounded_limit_;
  }
  /// The text of the call's end then.
  std::string OverLimitText(size_t size) const;
  /// Queues `message`, serialized now.
  void Enqueue(const OutMessage& message, size_t size);
  /// Ends the call on this side: a kReset follows if the peer knows the call.
  void EndWithReset(Session* session, StatusCode code, std::string_view text,
                    bool refused = false);

  // --- Receiving ---

  /// What the peer may still send us is topped up when half of it is used, or
  /// at once to what a message that somebody waits for still lacks.
  void Grant(Session* session);
  /// Somebody waits for the next message from now on.
  void Want(Session* session);
  bool has_message() const { return !in_.empty(); }
  /// The oldest message; its credit goes back to the peer.
  Buffer TakeMessage(Session* session);

  uint64_t id_ = 0;  ///< 0: not opened yet.
  bool ended_ = false;
  bool queued_ = false;    ///< In the session's write queue.
  bool attached_ = false;  ///< The session holds a reference.

  Fifo<Outgoing> out_;
  int64_t out_bytes_ = 0;        ///< Of the messages in out_.
  int64_t unbounded_limit_ = 0;  ///< Above 0: Write waits for nothing.
  bool rendezvous_out_ = false;  ///< A message leaves when it is granted.
  bool may_send_ = false;        ///< One is.
  int64_t send_credit_ = 0;
  uint32_t grant_pending_ = 0;

  Fifo<Buffer> in_;
  bool in_end_ = false;         ///< The peer half-closed.
  bool wants_message_ = false;  ///< Somebody waits for the message that comes.
  bool rendezvous_in_ = false;  ///< Each message is granted,
  bool message_granted_ = false;        ///< the next one has been,
  bool message_grant_pending_ = false;  ///< and the peer is yet to hear of it.
  int64_t receive_window_ = 0;          ///< What the peer may still send.
  int64_t unread_ = 0;  ///< Cost of what is in in_ and assembling_.
  uint32_t max_receive_ = 0;
  uint32_t budget_held_ = 0;   ///< Of the session's, for a large message.
  bool wants_budget_ = false;  ///< In the session's queue for it.
  bool in_message_ = false;    ///< A message has begun and is not complete.
  uint32_t message_size_ = 0;  ///< Of the message that has begun,
  uint32_t message_here_ = 0;  ///< and how much of it has come.
  Buffer assembling_;          ///< The reader role's.

 private:
  Wrote WriteMessageChunk(Session* session);
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_CALL_H_
