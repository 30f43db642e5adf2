// How the two ends of a TCP connection, of whose users the kernel says nothing,
// come to trust each other (docs/wire.md). Before any frame:
//
//   client: HELLO   magic "NCTK", version u32, token (32 bytes; zeros: none)
//   server: ANSWER  magic "NCTA", version u32, code u32, 0 u32
//
// The token of a server lies in its runtime directory, where only its user can
// read it, and is a new one at each start.
#ifndef NEARCALL_TRANSPORTS_TCP_TOKEN_H_
#define NEARCALL_TRANSPORTS_TCP_TOKEN_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "transports/rendezvous.h"

namespace nearcall::internal {

inline constexpr size_t kTokenBytes = 32;
using Token = std::array<std::byte, kTokenBytes>;

inline constexpr uint32_t kTcpVersion = 1;
inline constexpr size_t kTcpHelloBytes = 8 + kTokenBytes;
inline constexpr size_t kTcpAnswerBytes = 16;

enum class TcpCode : uint32_t {
  kOk = 0,
  kVersion = 1,  ///< The server's version is in the message.
  kToken = 2,    ///< No token, or another one.
};

std::array<std::byte, kTcpHelloBytes> EncodeTcpHello(
    const std::optional<Token>& token);
std::array<std::byte, kTcpAnswerBytes> EncodeTcpAnswer(TcpCode code);
struct TcpHello {
  uint32_t version = 0;
  Token token;
};
struct TcpAnswer {
  uint32_t version = 0;
  TcpCode code = TcpCode::kOk;
};
/// INTERNAL: no such message.
absl::StatusOr<TcpHello> DecodeTcpHello(std::span<const std::byte> bytes);
absl::StatusOr<TcpAnswer> DecodeTcpAnswer(
    std::span<const std::byte, kTcpAnswerBytes> bytes);

/// In constant time.
bool SameToken(const Token& a, const Token& b);

/// Where the server on `port` keeps its token. Errors as RuntimeDirectory.
absl::StatusOr<std::string> TokenPath(Side side, uint16_t port);

/// Makes a new token and writes it to `path`, in place of what lies there: the
/// caller holds the name's lock.
absl::StatusOr<Token> MakeTokenFile(const std::string& path);

/// As Transport::remove_stale: a token of a server that was killed.
absl::Status RemoveStaleToken(const std::string& path,
                              std::vector<std::string>* removed);

/// What a server wrote. NOT_FOUND: there is none. PERMISSION_DENIED: not a file
/// that only our user (or root) can have written and read.
absl::StatusOr<Token> ReadTokenFile(const std::string& path);

/// A file that the option token_file names: 32 bytes or 64 hexadecimal digits,
/// without access for everybody. INVALID_ARGUMENT or PERMISSION_DENIED.
absl::StatusOr<Token> ReadSecretFile(const std::string& path);

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_TCP_TOKEN_H_
