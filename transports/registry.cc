#include "runtime/transport.h"
#include "transports/factories.h"
#include "transports/fifo_files.h"
#include "transports/sysv_queue.h"
#include "transports/tcp_token.h"
#include "transports/unix_socket.h"

namespace nearcall::internal {
namespace {

// One line a scheme, in the order in which messages list them.
constexpr Transport kTransports[] = {
    {"shm", &MakeShmDialer, &ListenShm, false, &RemoveStaleUnixSocket},
    {"unix", &MakeUnixDialer, &ListenUnix, false, &RemoveStaleUnixSocket},
    {"unix-abstract", &MakeUnixDialer, &ListenUnix},
    {"sysv", &MakeSysvDialer, &ListenSysv, false, &RemoveSysvRecord},
    {"fifo", &MakeFifoDialer, &ListenFifo, false, &RemoveStaleFifos},
    {"tcp", &MakeTcpDialer, &ListenTcp, false, &RemoveStaleToken},
    {"fd", &MakeFdDialer, &ListenFd},
    {"pipe", &MakePipeDialer, &ListenPipe, /*takes_question_mark=*/true},
    {"inproc", &MakeInprocDialer, &ListenInproc},
};

}  // namespace

std::span<const Transport> Transports() { return kTransports; }

const Transport* FindTransport(std::string_view scheme) {
  for (const Transport& transport : kTransports) {
    if (transport.scheme == scheme) return &transport;
  }
  return nullptr;
}

}  // namespace nearcall::internal
