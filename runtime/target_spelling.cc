#include "runtime/target_spelling.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "runtime/absl_view.h"

namespace nearcall::internal {
namespace {

bool IsIpv4(const std::string& host) {
  in_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool IsIpv6(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool AllDigits(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
}

bool IsHostName(absl::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
           c == '-' || c == '_';
  });
}

absl::Status Error(absl::string_view target, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("'", target, "' ", what));
}

absl::StatusOr<std::optional<HostPort>> AsOptional(
    absl::StatusOr<HostPort> address) {
  if (!address.ok()) return address.status();
  return std::optional<HostPort>(*std::move(address));
}

// What follows dns:, ipv4: or ipv6:.
absl::StatusOr<HostPort> ParseUriPath(absl::string_view target,
                                      absl::string_view path) {
  if (absl::ConsumePrefix(&path, "//") && !absl::StartsWith(path, "/")) {
    return Error(target,
                 "names a name server; write dns:HOST:PORT, or use grpc: for "
                 "gRPC's own name resolution");
  }
  absl::ConsumePrefix(&path, "/");
  if (absl::StrContains(path, ',')) {
    return Error(target,
                 "lists several addresses, of which a channel here can have "
                 "one; write one, or use grpc: for gRPC's own load balancing");
  }
  const std::string decoded =
      absl::StrReplaceAll(path, {{"%5B", "["}, {"%5D", "]"}});
  absl::StatusOr<HostPort> address = ParseHostPort(decoded);
  if (!address.ok()) {
    return Error(target, absl::StrCat("is not an address: ",
                                      address.status().message()));
  }
  return address;
}

}  // namespace

absl::StatusOr<HostPort> ParseHostPort(std::string_view text) {
  absl::string_view rest = AbslView(text);
  HostPort result;
  if (absl::ConsumePrefix(&rest, "[")) {
    const size_t end = rest.find(']');
    if (end == rest.npos) return Error(rest, "lacks the closing ']'");
    result.host = std::string(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    if (!IsIpv6(result.host)) {
      return Error(result.host,
                   "is not an IPv6 address, which is what [] is for");
    }
  } else {
    const size_t colon = rest.find(':');
    if (colon != rest.npos && rest.find(':', colon + 1) != rest.npos) {
      return Error(rest, "has more than one ':'; write [IPV6]:PORT");
    }
    result.host = std::string(rest.substr(0, colon));
    rest.remove_prefix(std::min(colon, rest.size()));
    if (!IsHostName(result.host)) {
      return Error(AbslView(text), "has no host; write HOST:PORT");
    }
  }
  if (!absl::ConsumePrefix(&rest, ":") || rest.empty()) {
    return Error(AbslView(text), "has no port; write HOST:PORT");
  }
  int port = 0;
  if (!AllDigits(rest) || !absl::SimpleAtoi(rest, &port) || port > 65535) {
    return Error(rest, "is not a port, a number from 0 to 65535");
  }
  result.port = static_cast<uint16_t>(port);
  return result;
}

std::string HostPortText(const HostPort& address) {
  if (absl::StrContains(address.host, ':')) {
    return absl::StrCat("[", address.host, "]:", address.port);
  }
  return absl::StrCat(address.host, ":", address.port);
}

bool IsLoopbackHost(std::string_view host) {
  const std::string text(host);
  if (absl::EqualsIgnoreCase(text, "localhost")) return true;
  if (IsIpv4(text)) return absl::StartsWith(text, "127.");
  in6_addr address;
  return inet_pton(AF_INET6, text.c_str(), &address) == 1 &&
         IN6_IS_ADDR_LOOPBACK(&address);
}

bool IsWildcardHost(std::string_view host) {
  const std::string text(host);
  in6_addr address;
  return text == "0.0.0.0" || (inet_pton(AF_INET6, text.c_str(), &address) &&
                               IN6_IS_ADDR_UNSPECIFIED(&address));
}

absl::StatusOr<std::optional<HostPort>> ParseGrpcSpelling(
    std::string_view target) {
  absl::string_view rest = AbslView(target);
  if (absl::ConsumePrefix(&rest, "dns:")) {
    return AsOptional(ParseUriPath(AbslView(target), rest));
  }
  for (const bool four : {true, false}) {
    if (!absl::ConsumePrefix(&rest, four ? "ipv4:" : "ipv6:")) continue;
    absl::StatusOr<HostPort> address = ParseUriPath(AbslView(target), rest);
    if (address.ok() &&
        !(four ? IsIpv4(address->host) : IsIpv6(address->host))) {
      return Error(AbslView(target),
                   absl::StrCat("must have ", four ? "an IPv4" : "an IPv6",
                                " address, not a name"));
    }
    return AsOptional(std::move(address));
  }
  // A scheme that does not exist has something else than digits behind it.
  const size_t colon = rest.rfind(':');
  if (colon == rest.npos || !AllDigits(rest.substr(colon + 1)) ||
      !(absl::StartsWith(rest, "[") || IsHostName(rest.substr(0, colon)))) {
    return std::optional<HostPort>();
  }
  return AsOptional(ParseHostPort(target));
}

std::string ConfigurationName(std::string_view target) {
  absl::StatusOr<std::optional<HostPort>> address = ParseGrpcSpelling(target);
  if (!address.ok() || !address->has_value()) return std::string(target);
  HostPort& found = **address;
  if (IsLoopbackHost(found.host) || IsWildcardHost(found.host)) {
    found.host = "localhost";
  }
  return HostPortText(found);
}

}  // namespace nearcall::internal
