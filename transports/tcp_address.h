// The addresses of a tcp: target, and which of them may be used.
#ifndef NEARCALL_TRANSPORTS_TCP_ADDRESS_H_
#define NEARCALL_TRANSPORTS_TCP_ADDRESS_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/target.h"
#include "runtime/target_spelling.h"
#include "transports/rendezvous.h"

namespace nearcall::internal {

/// An IPv4 or IPv6 address with a port.
class SocketAddress {
 public:
  SocketAddress() = default;
  /// `host` is a literal address. False: it is not.
  bool Set(const std::string& host, uint16_t port);
  /// From what a system call fills in.
  sockaddr* data() { return reinterpret_cast<sockaddr*>(&storage_); }
  const sockaddr* data() const {
    return reinterpret_cast<const sockaddr*>(&storage_);
  }
  static constexpr socklen_t kCapacity = sizeof(sockaddr_storage);
  socklen_t size() const;

  int family() const { return storage_.ss_family; }
  uint16_t port() const;
  void set_port(uint16_t port);
  bool loopback() const;
  std::string host() const;      ///< "127.0.0.1", "::1".
  std::string Text() const;      ///< "127.0.0.1:50051", "[::1]:50051".
  std::string PeerName() const;  ///< "ipv4:127.0.0.1:50051", as gRPC has it.
  /// In network order; an IPv4 address that came through an IPv6 socket is
  /// IPv4.
  std::string bytes() const;

 private:
  sockaddr_storage storage_{};
};

/// What a target says about addresses.
struct TcpAddresses {
  HostPort named;  ///< As written, for messages and address().
  bool allow_remote = false;
  /// A server that was asked for all addresses and gets loopback only.
  bool narrowed = false;
  /// Literal addresses in the order in which they are tried; those after the
  /// first need not exist (::1 of localhost). Empty: `named` must be resolved.
  std::vector<SocketAddress> known;
};

/// INVALID_ARGUMENT: not HOST:PORT, or an address that only allow_remote
/// permits.
absl::StatusOr<TcpAddresses> ParseTcpAddresses(const Target& target, Side side);

/// `known`, or what the system's resolver says (which may block).
absl::StatusOr<std::vector<SocketAddress>> Resolve(
    const TcpAddresses& addresses);

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_TCP_ADDRESS_H_
