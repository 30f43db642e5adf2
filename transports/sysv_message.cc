#include "transports/sysv_message.h"

#include <sys/msg.h>
#include <sys/random.h>

#include <cerrno>

namespace nearcall::internal {

int SysvSendEmpty(int queue, long type) {
  const long message[2] = {type, 0};
  return msgsnd(queue, message, 0, IPC_NOWAIT) == 0 ? 0 : errno;
}

int SysvSend(int queue, const SysvMessage& message, size_t size) {
  return msgsnd(queue, &message, size, IPC_NOWAIT) == 0 ? 0 : errno;
}

int SysvReceive(int queue, long type, bool block, SysvMessage* message,
                size_t* size) {
  const int flags = MSG_NOERROR | (block ? 0 : IPC_NOWAIT);
  const ssize_t got = msgrcv(queue, message, sizeof message->data, type, flags);
  if (got < 0) return errno == ENOMSG ? EAGAIN : errno;
  *size = static_cast<size_t>(got);
  return 0;
}

uint64_t SysvRandom() {
  uint64_t value = 0;
  while (getrandom(&value, sizeof value, 0) < 0 && errno == EINTR) {
  }
  return value;
}

long SysvRandomBase() {
  constexpr uint64_t kAboveTheFixed = uint64_t{1} << 32;
  constexpr uint64_t kBelowTheSign = (uint64_t{1} << 62) - 1;
  return SysvBase(
      static_cast<long>((SysvRandom() & kBelowTheSign) | kAboveTheFixed));
}

}  // namespace nearcall::internal
