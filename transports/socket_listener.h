// The one Listener of everything that accepts connected sockets. Where clients
// have to say something before they have a link (shm's hello, TCP's token),
// those that have not are kept here, a bounded number for a bounded time.
#ifndef NEARCALL_TRANSPORTS_SOCKET_LISTENER_H_
#define NEARCALL_TRANSPORTS_SOCKET_LISTENER_H_

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/deadline.h"
#include "runtime/fd.h"
#include "runtime/transport.h"
#include "transports/connection_source.h"

namespace nearcall::internal {

class SocketListener final : public Listener {
 public:
  /// Makes the link of a connection from the bytes that came first, or says why
  /// there is none.
  using MakeLink = std::function<absl::StatusOr<std::unique_ptr<Link>>(
      ConnectedSocket socket, std::span<const std::byte> hello)>;
  struct Options {
    std::string address;     ///< As Listener::address.
    int port = 1;            ///< As Listener::port.
    size_t hello_bytes = 0;  ///< What a client says first; 0: nothing.
    MakeLink make_link;
  };

  /// RESOURCE_EXHAUSTED: no descriptors.
  static absl::StatusOr<std::unique_ptr<Listener>> Create(
      std::unique_ptr<ConnectionSource> source, Options options);
  ~SocketListener() override { Close(); }

  const std::string& address() const override { return options_.address; }
  int port() const override { return options_.port; }
  Pollable incoming() const override { return incoming_; }
  absl::StatusOr<std::unique_ptr<Link>> Accept() override;
  void Close() override;

 private:
  /// A connection whose hello has not come in full.
  struct HalfOpen {
    ConnectedSocket socket;
    Deadline until;
    std::vector<std::byte> hello;
    size_t received = 0;
    bool ready = false;
  };
  using HalfOpens = std::list<HalfOpen>;

  explicit SocketListener(Options options);
  absl::StatusOr<std::unique_ptr<Link>> AcceptGreeted();
  absl::Status TakeConnections();
  absl::StatusOr<std::unique_ptr<Link>> Advance(HalfOpens::iterator half_open);
  void DropLate();
  void WatchSource(bool watch);
  void SetTimer();

  const Options options_;
  const uint32_t generation_;
  Pollable incoming_;

  std::unique_ptr<ConnectionSource> source_;
  // With a hello only. What incoming() shows: the source, timer_, the half-open
  // ones.
  Fd epoll_;
  // Fires when the oldest half-open connection is late.
  Fd timer_;
  bool watching_ = false;
  HalfOpens half_open_;  // Oldest first.
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_SOCKET_LISTENER_H_
