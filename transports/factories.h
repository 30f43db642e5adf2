// The make_dialer and listen functions of every transport, for the table in
// registry.cc. Their contracts are those of Transport (runtime/transport.h).
#ifndef NEARCALL_TRANSPORTS_FACTORIES_H_
#define NEARCALL_TRANSPORTS_FACTORIES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "runtime/transport.h"

namespace nearcall::internal {

// unix.cc: the schemes unix and unix-abstract.
absl::StatusOr<std::unique_ptr<Dialer>> MakeUnixDialer(const Target& target);
absl::StatusOr<std::unique_ptr<Listener>> ListenUnix(const Target& target);

// shm.cc
absl::StatusOr<std::unique_ptr<Dialer>> MakeShmDialer(const Target& target);
absl::StatusOr<std::unique_ptr<Listener>> ListenShm(const Target& target);

// fifo.cc
absl::StatusOr<std::unique_ptr<Dialer>> MakeFifoDialer(const Target& target);
absl::StatusOr<std::unique_ptr<Listener>> ListenFifo(const Target& target);

// tcp.cc
absl::StatusOr<std::unique_ptr<Dialer>> MakeTcpDialer(const Target& target);
absl::StatusOr<std::unique_ptr<Listener>> ListenTcp(const Target& target);

// fd.cc
absl::StatusOr<std::unique_ptr<Dialer>> MakeFdDialer(const Target& target);
absl::StatusOr<std::unique_ptr<Listener>> ListenFd(const Target& target);

// pipe.cc
absl::StatusOr<std::unique_ptr<Dialer>> MakePipeDialer(const Target& target);
absl::StatusOr<std::unique_ptr<Listener>> ListenPipe(const Target& target);

// inproc.cc
absl::StatusOr<std::unique_ptr<Dialer>> MakeInprocDialer(const Target& target);
absl::StatusOr<std::unique_ptr<Listener>> ListenInproc(const Target& target);

// sysv.cc
absl::StatusOr<std::unique_ptr<Dialer>> MakeSysvDialer(const Target& target);
absl::StatusOr<std::unique_ptr<Listener>> ListenSysv(const Target& target);

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_FACTORIES_H_
