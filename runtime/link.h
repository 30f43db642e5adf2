// The narrow waist: everything above it (calls, credit, chunking, threads) is
// written once; everything below it (a ring, a pipe, a queue) is one small unit
// per transport. A Link is a two-way, reliable, ordered connection that keeps
// frame boundaries.
//
// Frames. A frame is 1..info().max_frame bytes that the link does not look
// into. On the wire each frame follows its own length, a little-endian u32,
// which belongs to the link: it is not part of the spans below, and no byte
// stream or ring adds anything else (docs/wire.md).
//
// Threads. At any moment at most one thread is the writer (Reserve, Commit,
// Flush) and at most one is the reader (Peek, Release); they may be two
// different threads, and each role may pass to another thread between any two
// calls, provided the hand-over synchronises (a mutex, an atomic word). Sleep:
// one sleeper per want bit. Arm, Disarm: by the holder of the role that the
// want bit names. Interrupt, Close, info, reason: any thread, any time.
//
// End of life. kEnd (the peer closed, and everything it flushed before has
// been delivered) and kBroken (death, a violated protocol, a lost resource) are
// sticky: once a direction returned one of them it returns it for ever. A write
// that breaks must break the reads as well, after the frames that were already
// complete: frames committed and flushed before a death are delivered before
// it is reported. The owner destroys the link when nobody is inside.
//
// Errors on the hot path are small codes; the words come from reason().
#ifndef NEARCALL_RUNTIME_LINK_H_
#define NEARCALL_RUNTIME_LINK_H_

#include <nearcall/peer_credentials.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/deadline.h"

namespace nearcall::internal {

enum class Io : uint8_t {
  kOk,
  kAgain,        ///< Nothing to read, or no space, now.
  kTimeout,      ///< Sleep: the deadline passed.
  kInterrupted,  ///< Sleep: Interrupt() was called; this consumed it.
  kEnd,          ///< Sticky: the peer, or Close(), ended the link in order.
  kBroken,       ///< Sticky: see reason().
};

/// What a sleeper waits for; a bit set.
enum Want : unsigned {
  kReadable = 1,  ///< Peek would no longer return kAgain.
  kWritable =
      2,  ///< Reserve or Flush, which returned kAgain, may now progress.
};

struct WriteSpan {
  std::byte* data = nullptr;
  uint32_t size = 0;
  Io io = Io::kAgain;
};

struct ReadSpan {
  const std::byte* data = nullptr;
  uint32_t size = 0;
  Io io = Io::kAgain;
  /// False: the peer can still change the bytes (shared memory), so copy once,
  /// then look. True: the bytes are private until Release().
  bool stable = false;
};

using PeerIds = PeerCredentials;

enum LinkFeature : uint32_t {
  kPassesFds = 1,    ///< Reserved: frames may carry file descriptors.
  kAttachments = 2,  ///< Reserved: frames may carry side buffers.
};

/// Constant for the life of the link.
struct LinkInfo {
  std::string scheme;     ///< "shm", "unix", ...: the target's scheme.
  std::string address;    ///< The rest of the target, for humans and peer().
  std::string peer_name;  ///< What peer() says; empty: "scheme:address".
  PeerIds peer;
  /// The largest frame that Reserve accepts, in bytes. At least 256.
  uint32_t max_frame = 0;
  uint32_t features = 0;  ///< LinkFeature bits.
};

/// A descriptor for poll or epoll. fd -1: there is none.
struct Pollable {
  int fd = -1;
  uint32_t events = 0;  ///< EPOLL* bits, without EPOLLET.
};

class Link {
 public:
  Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  virtual ~Link() = default;

  virtual const LinkInfo& info() const = 0;

  // --- The writer role ---

  /// Space for a frame of `size` bytes (1..max_frame), contiguous and
  /// 4-aligned. kAgain: no space now. Never blocks. One reservation is open at
  /// a time: Reserve again without Commit replaces it.
  virtual WriteSpan Reserve(uint32_t size) = 0;
  /// Ends the reservation with a frame of its first `size` bytes; 0 drops it.
  /// The peer may see the frame now, and sees it at the latest after Flush.
  /// Many commits, one flush.
  virtual void Commit(uint32_t size) = 0;
  /// kOk: all that was committed is out, and a sleeping peer was rung once.
  /// kAgain: the link keeps the rest; wait for kWritable and flush again.
  virtual Io Flush() = 0;

  // --- The reader role ---

  /// The oldest frame not yet released; the same one until Release(). Never
  /// blocks.
  virtual ReadSpan Peek() = 0;
  /// Lets go of the frame of the last Peek that returned kOk.
  virtual void Release() = 0;

  // --- Waiting ---

  /// Blocks until a wanted direction may progress (kOk; spurious ones are
  /// allowed), the deadline, an interrupt or the end. Does not spin: arm,
  /// re-check, block, disarm. A pending interrupt returns at once.
  virtual Io Sleep(unsigned want, Deadline deadline) = 0;
  /// Wakes a sleeper of any want bit, or the next Sleep if there is none:
  /// latched, any thread, any number of times.
  virtual void Interrupt() = 0;

  /// Before parking in a Waiter: from here on a change of a wanted direction
  /// makes its PollFd fire. False: it may progress already, and nothing is
  /// armed. Arming again replaces the set.
  virtual bool Arm(unsigned want) = 0;
  /// After parking: lowers what Arm raised and drains the bell; only the link
  /// reads its own bell.
  virtual void Disarm() = 0;
  /// Where an armed `want` (one bit) shows. Constant for the life of the link;
  /// edge-triggered use must suffice. fd -1: the listener's own Waiter serves
  /// this link.
  virtual Pollable PollFd(Want want) const = 0;
  /// Fires on the peer's death or close only, never on traffic; armed or not.
  /// fd -1: the listener's own Waiter (server) or Sleep (client) reports it.
  virtual Pollable DeathFd() const = 0;
  /// A Waiter saw a hang-up on one of the descriptors. Their last edge has
  /// passed, so from here on Peek says kAgain only after a fresh look. Any
  /// thread.
  virtual void HungUp() {}

  // --- The end ---

  /// Any thread, idempotent. What was flushed reaches the peer, then it sees
  /// kEnd; here both directions return kEnd and sleepers wake.
  virtual void Close() = 0;
  /// After kEnd or kBroken: what happened, in words that a status can carry.
  virtual std::string reason() const = 0;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_LINK_H_
