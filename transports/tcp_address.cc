#include "transports/tcp_address.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <array>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace nearcall::internal {
namespace {

sockaddr_in* V4(sockaddr_storage* storage) {
  return reinterpret_cast<sockaddr_in*>(storage);
}
const sockaddr_in* V4(const sockaddr_storage* storage) {
  return reinterpret_cast<const sockaddr_in*>(storage);
}
sockaddr_in6* V6(sockaddr_storage* storage) {
  return reinterpret_cast<sockaddr_in6*>(storage);
}
const sockaddr_in6* V6(const sockaddr_storage* storage) {
  return reinterpret_cast<const sockaddr_in6*>(storage);
}

std::vector<SocketAddress> Localhost(uint16_t port) {
  std::vector<SocketAddress> both(2);
  both[0].Set("127.0.0.1", port);
  both[1].Set("::1", port);
  return both;
}

}  // namespace

bool SocketAddress::Set(const std::string& host, uint16_t port) {
  if (inet_pton(AF_INET, host.c_str(), &V4(&storage_)->sin_addr) == 1) {
    storage_.ss_family = AF_INET;
  } else if (inet_pton(AF_INET6, host.c_str(), &V6(&storage_)->sin6_addr) ==
             1) {
    storage_.ss_family = AF_INET6;
  } else {
    return false;
  }
  set_port(port);
  return true;
}

socklen_t SocketAddress::size() const {
  return family() == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
}

// At the same place in both families.
uint16_t SocketAddress::port() const { return ntohs(V4(&storage_)->sin_port); }
void SocketAddress::set_port(uint16_t port) {
  V4(&storage_)->sin_port = htons(port);
}

std::string SocketAddress::bytes() const {
  if (family() == AF_INET) {
    return {reinterpret_cast<const char*>(&V4(&storage_)->sin_addr), 4};
  }
  const in6_addr& address = V6(&storage_)->sin6_addr;
  const char* const all = reinterpret_cast<const char*>(&address);
  return IN6_IS_ADDR_V4MAPPED(&address) ? std::string(all + 12, 4)
                                        : std::string(all, 16);
}

bool SocketAddress::loopback() const { return IsLoopbackHost(host()); }

std::string SocketAddress::host() const {
  const std::string address = bytes();
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(address.size() == 4 ? AF_INET : AF_INET6, address.data(),
            text.data(), text.size());
  return text.data();
}

std::string SocketAddress::Text() const {
  return HostPortText({host(), port()});
}

std::string SocketAddress::PeerName() const {
  return absl::StrCat(bytes().size() == 4 ? "ipv4:" : "ipv6:", Text());
}

absl::StatusOr<TcpAddresses> ParseTcpAddresses(const Target& target,
                                               Side side) {
  const auto error = [&](absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("target '", target.uri, "': ", what));
  };
  absl::StatusOr<HostPort> named = ParseHostPort(target.rest);
  if (!named.ok()) return error(named.status().message());
  if (named->port == 0 && side == Side::kClient) {
    return error("port 0 is for servers: write the port that one has chosen");
  }
  TcpAddresses result;
  result.named = *std::move(named);
  result.allow_remote = target.options.allow_remote();
  const std::string& host = result.named.host;
  const uint16_t port = result.named.port;
  if (IsWildcardHost(host)) {
    if (!result.allow_remote && HasScheme(target.uri)) {
      return error(
          side == Side::kServer
              ? "this listens on all addresses of the machine, which needs "
                "allow_remote=true; write tcp:localhost:PORT for this machine "
                "alone, or serve other machines on grpc:"
              : "this is an address to listen on; write tcp:localhost:PORT");
    }
    if (result.allow_remote && side == Side::kServer) {
      result.known.resize(1);
      result.known[0].Set(host, port);
      return result;
    }
    result.narrowed = side == Side::kServer;
    result.named.host = "localhost";
  } else if (!IsLoopbackHost(host) && !result.allow_remote) {
    return error(absl::StrCat(
        "'", host,
        "' is not an address of loopback, and others need allow_remote=true; "
        "write tcp:localhost:PORT for this machine, or use grpc:",
        target.rest, " between machines"));
  }
  SocketAddress literal;
  if (literal.Set(host, port) && !IsWildcardHost(host)) {
    result.known.push_back(literal);
  } else if (IsLoopbackHost(host)) {
    result.known = Localhost(port);
  }
  return result;
}

absl::StatusOr<std::vector<SocketAddress>> Resolve(
    const TcpAddresses& addresses) {
  if (!addresses.known.empty()) return addresses.known;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int error =
      getaddrinfo(addresses.named.host.c_str(), nullptr, &hints, &list);
  if (error != 0) {
    return absl::UnavailableError(absl::StrCat(
        "no address of '", addresses.named.host, "': ", gai_strerror(error)));
  }
  std::vector<SocketAddress> result;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
    SocketAddress& address = result.emplace_back();
    memcpy(address.data(), entry->ai_addr, entry->ai_addrlen);
    address.set_port(addresses.named.port);
  }
  freeaddrinfo(list);
  return result;
}

}  // namespace nearcall::internal
