// Listening sockets behind one descriptor, and accept() that survives a process
// without descriptors (accept_gate.h).
#ifndef NEARCALL_TRANSPORTS_ACCEPTOR_H_
#define NEARCALL_TRANSPORTS_ACCEPTOR_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/fd.h"
#include "runtime/link.h"
#include "transports/accept_gate.h"

namespace nearcall::internal {

/// One thread at a time.
class Acceptor {
 public:
  /// `sockets` listen and are non-blocking; `name` is for messages.
  /// RESOURCE_EXHAUSTED: no descriptors.
  static absl::StatusOr<std::unique_ptr<Acceptor>> Create(
      std::vector<Fd> sockets, std::string name);

  /// Readable when Accept may have something.
  Pollable incoming() const { return gate_->incoming(); }
  /// An empty result: nothing now. RESOURCE_EXHAUSTED: it is quiet for a while.
  absl::StatusOr<Fd> Accept();

 private:
  explicit Acceptor(std::string name) : name_(std::move(name)) {}

  const std::string name_;
  std::vector<Fd> sockets_;
  Fd set_;  ///< An epoll set of sockets_.
  std::unique_ptr<AcceptGate> gate_;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_ACCEPTOR_H_
