// gRPC's ways to write an address, HOST:PORT foremost, and what they have in
// common: one host and one port.
#ifndef NEARCALL_RUNTIME_TARGET_SPELLING_H_
#define NEARCALL_RUNTIME_TARGET_SPELLING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace nearcall::internal {

struct HostPort {
  std::string host;  ///< A name or a literal address, without brackets.
  uint16_t port = 0;
};

/// "HOST:PORT" or "[IPV6]:PORT". INVALID_ARGUMENT says what is missing.
absl::StatusOr<HostPort> ParseHostPort(std::string_view text);

/// The opposite: brackets around an IPv6 address.
std::string HostPortText(const HostPort& address);

/// "localhost", any 127.x.y.z, "::1".
bool IsLoopbackHost(std::string_view host);
/// "0.0.0.0", "::": all addresses of the machine.
bool IsWildcardHost(std::string_view host);

/// The address in a target (without options) that is written as gRPC writes it:
/// HOST:PORT, dns:HOST:PORT, dns:///HOST:PORT, ipv4:ADDRESS:PORT,
/// ipv6:[ADDRESS]:PORT. Nothing: it is none of these. INVALID_ARGUMENT: it is
/// one, with something in it that has no meaning here (a list of addresses, a
/// name server, no port).
absl::StatusOr<std::optional<HostPort>> ParseGrpcSpelling(
    std::string_view target);

/// The name of a target in the configuration: all spellings of this machine's
/// loopback and of all its addresses are "localhost:PORT", those of another
/// host "HOST:PORT"; anything else is its own name.
std::string ConfigurationName(std::string_view target);

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_TARGET_SPELLING_H_
