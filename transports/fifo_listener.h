// The server's end of fifo:. Nothing is half-open here: a client opens its ends
// of the private FIFOs before it asks, so a request is a link or nothing by the
// time it is read.
#ifndef NEARCALL_TRANSPORTS_FIFO_LISTENER_H_
#define NEARCALL_TRANSPORTS_FIFO_LISTENER_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/fd.h"
#include "runtime/transport.h"
#include "transports/accept_gate.h"
#include "transports/fd_link.h"
#include "transports/fifo_request.h"
#include "transports/rendezvous.h"

namespace nearcall::internal {

class FifoListener final : public Listener {
 public:
  /// Errors as Transport::listen. `pipe_bytes` 0: the kernel's default.
  static absl::StatusOr<std::unique_ptr<Listener>> Listen(
      const std::string& path, uint32_t pipe_bytes, FdLinkOptions link);
  ~FifoListener() override { Close(); }

  const std::string& address() const override { return address_; }
  Pollable incoming() const override { return incoming_; }
  absl::StatusOr<std::unique_ptr<Link>> Accept() override;
  void Close() override;

 private:
  FifoListener(const std::string& path, uint32_t pipe_bytes,
               FdLinkOptions link);
  absl::Status Open();
  absl::StatusOr<std::unique_ptr<Link>> Connect(const FifoRequest& request);

  const std::string path_;
  const uint32_t pipe_bytes_;
  const FdLinkOptions link_;
  const std::string address_;
  const uint32_t generation_ = ForkGeneration();
  NameLock lock_;
  Fd requests_;
  /// A writer of our own: without one the FIFO would show a hang-up for ever
  /// once the first client has gone.
  Fd keep_open_;
  dev_t device_ = 0;  ///< Of the FIFO that we made.
  ino_t inode_ = 0;
  std::unique_ptr<AcceptGate> gate_;  ///< Of requests_.
  Pollable incoming_;
  FifoRequestReader reader_;
  std::optional<FifoRequest> waiting_;  ///< For descriptors.
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_FIFO_LISTENER_H_
