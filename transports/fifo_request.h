// What the two sides of fifo: say to each other before there is a link. The
// specification is in docs/wire.md.
//
//   client, into the server's well-known FIFO, in one write:
//     "\nnearcall fifo VV TOKEN"   VV: version, TOKEN: 32 hexadecimal digits
//   server, into the client's private FIFO:
//     "nearcall fifo VV"           then the link's frames
//
// Many clients write into one FIFO, and a write of at most PIPE_BUF bytes is
// never torn apart. A request begins with the only byte that cannot occur in
// it, so whatever another writer left before it, a piece of a request or mere
// garbage, spoils no request but its own. It carries no path: the private FIFOs
// are named after the server's own path and the token.
#ifndef NEARCALL_TRANSPORTS_FIFO_REQUEST_H_
#define NEARCALL_TRANSPORTS_FIFO_REQUEST_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace nearcall::internal {

inline constexpr int kFifoVersion = 1;
inline constexpr size_t kFifoTokenBytes = 32;
inline constexpr size_t kFifoAnswerBytes = 16;
inline constexpr size_t kFifoRequestBytes =
    1 + kFifoAnswerBytes + 1 + kFifoTokenBytes;

struct FifoRequest {
  int version = kFifoVersion;
  std::string token;  ///< Digits 0-9 and a-f only.
};

/// Fresh and unguessable. Empty when the kernel gives no random bytes.
std::string NewFifoToken();
bool IsFifoToken(absl::string_view text);

std::string EncodeFifoRequest(const FifoRequest& request);
std::string EncodeFifoAnswer(int version);
/// The server's version; nothing when it is no answer of nearcall's.
std::optional<int> DecodeFifoAnswer(absl::string_view bytes);

/// Finds the requests in what was written into a well-known FIFO.
class FifoRequestReader {
 public:
  /// At most kFifoRequestBytes at a time, so that at most one request is
  /// complete with them. Whatever is no request is skipped.
  std::optional<FifoRequest> Add(absl::string_view bytes);

 private:
  std::string begun_;  ///< From a newline on.
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_FIFO_REQUEST_H_
