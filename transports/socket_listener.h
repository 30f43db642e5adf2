// The server's end of shm: connections that have not said hello yet are kept
// here, a bounded number for a bounded time.
#ifndef NEARCALL_TRANSPORTS_SOCKET_LISTENER_H_
#define NEARCALL_TRANSPORTS_SOCKET_LISTENER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "runtime/deadline.h"
#include "runtime/fd.h"
#include "runtime/transport.h"
#include "transports/ring_options.h"
#include "transports/shm_establish.h"
#include "transports/unix_socket.h"

namespace nearcall::internal {

class ShmListener final : public Listener {
 public:
  /// Errors as Transport::listen.
  static absl::StatusOr<std::unique_ptr<Listener>> Listen(
      const UnixAddress& address, const RingWish& wish, LinkInfo info);
  ~ShmListener() override { Close(); }

  const std::string& address() const override { return address_; }
  Pollable incoming() const override;
  absl::StatusOr<std::unique_ptr<Link>> Accept() override;
  void Close() override;

 private:
  /// A connection whose hello has not come in full.
  struct HalfOpen {
    ConnectedSocket socket;
    Deadline until;
    std::array<std::byte, kShmHelloBytes> hello;
    size_t received = 0;
    bool ready = false;
  };
  using HalfOpens = std::list<HalfOpen>;

  ShmListener(RingWish wish, LinkInfo info);
  absl::Status TakeConnections();
  absl::StatusOr<std::unique_ptr<Link>> Advance(HalfOpens::iterator half_open);
  void DropLate();
  void WatchSocket(bool watch);
  void SetTimer();

  const RingWish wish_;
  const LinkInfo info_;
  const std::string address_;
  const uint32_t generation_;
  std::unique_ptr<UnixListenSocket> socket_;
  Pollable socket_incoming_;
  Fd epoll_;  ///< What incoming() shows: socket_, timer_, the half-open ones.
  Fd timer_;  ///< Fires when the oldest half-open connection is late.
  bool watching_ = false;
  HalfOpens half_open_;  ///< Oldest first.
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_SOCKET_LISTENER_H_
