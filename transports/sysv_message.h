// What lies in System V queues: one message layout, and the types that select
// whom a message is for. See docs/transports.md.
//
// A link's bytes (each frame after its length, as on every byte stream) travel
// in fragments, a message each. Everything else that the two sides tell each
// other is the message's type alone: a message without bytes enters a queue
// that is full of bytes, too.
#ifndef NEARCALL_TRANSPORTS_SYSV_MESSAGE_H_
#define NEARCALL_TRANSPORTS_SYSV_MESSAGE_H_

#include <cstddef>
#include <cstdint>

namespace nearcall::internal {

/// To whoever receives from the queue: look up. Sent by its own process.
inline constexpr long kSysvWake = 1;
/// A SysvConnect or a SysvAnswer.
inline constexpr long kSysvControl = 2;

/// A link owns kSysvKinds types in each of its two queues, from a base that
/// the receiving side drew at random for it: who was not told the base cannot
/// send on the link.
enum SysvKind : long {
  kSysvData = 0,
  kSysvEnd = 1,    ///< Nothing follows.
  kSysvMark = 2,   ///< The queue was full; answer kSysvSpace on reading this.
  kSysvSpace = 3,  ///< The mark was read, and all that lay before it.
  kSysvConfirm =
      4,  ///< The client has the answer: it lives, and its pid is so.
};
inline constexpr long kSysvKinds = 8;
inline constexpr long SysvBase(long type) { return type & ~(kSysvKinds - 1); }

/// A page less the kernel's header of a message: one allocation there, and four
/// fill a queue of the default msgmnb (16384).
inline constexpr size_t kSysvFragment = 4048;

struct SysvMessage {
  long type;
  std::byte data[kSysvFragment + 8];  ///< A longer one is seen to be one.
};

// --- Establishing, in messages of type kSysvControl ---

inline constexpr uint32_t kSysvMagic = 0x7673636e;  // "ncsv"
inline constexpr uint32_t kSysvVersion = 1;

struct SysvConnect {
  uint32_t magic = kSysvMagic;
  uint32_t version = kSysvVersion;
  int32_t queue = -1;      ///< The client's own.
  int32_t pid = 0;         ///< The client's, and
  uint32_t number = 0;     ///< with it the name of the queue's record.
  uint32_t max_frame = 0;  ///< The most that the client takes.
  int64_t base = 0;        ///< The link's types in the client's queue.
  uint64_t nonce = 0;      ///< Returned in the answer.
};

enum class SysvVerdict : uint32_t {
  kAccepted = 0,
  kBusy = 1,     ///< Too many half-open connections: ask again.
  kRefused = 2,  ///< Another user.
  kVersion = 3,  ///< The server speaks another version, which `version` names.
};

struct SysvAnswer {
  uint32_t magic = kSysvMagic;
  uint32_t version = kSysvVersion;
  SysvVerdict verdict = SysvVerdict::kAccepted;
  int32_t pid = 0;
  uint32_t max_frame = 0;  ///< Of the link: the smaller of both sides'.
  uint32_t reserved = 0;
  int64_t base = 0;  ///< The link's types in the server's queue.
  uint64_t nonce = 0;
};

// Without padding, as docs/wire.md has them.
static_assert(sizeof(SysvConnect) == 40 && sizeof(SysvAnswer) == 40);

// --- The system calls. They return 0 or errno and never block, but for a
// receive that is told to. ---

int SysvSendEmpty(int queue, long type);
/// The first `size` bytes of data.
int SysvSend(int queue, const SysvMessage& message, size_t size);
/// `type` 0: the first message of any. EAGAIN: there is none. `*size` above
/// kSysvFragment: the message was longer than any of ours, and was cut.
int SysvReceive(int queue, long type, bool block, SysvMessage* message,
                size_t* size);
/// Positive, a multiple of kSysvKinds, and not to be guessed.
long SysvRandomBase();
uint64_t SysvRandom();

template <typename T>
int SysvSendControl(int queue, const T& body) {
  static_assert(sizeof(T) <= kSysvFragment);
  SysvMessage message;
  message.type = kSysvControl;
  __builtin_memcpy(message.data, &body, sizeof body);
  return SysvSend(queue, message, sizeof body);
}

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_SYSV_MESSAGE_H_
