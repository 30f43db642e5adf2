// What hostile peers say after an honest handshake, as frames: the same over
// every transport.
#ifndef NEARCALL_TESTS_HOSTILE_BAD_FRAMES_H_
#define NEARCALL_TESTS_HOSTILE_BAD_FRAMES_H_

#include <nearcall/status.h>

#include <ostream>
#include <string>
#include <vector>

namespace nearcall::test {

enum class Outcome {
  kClosed,    ///< The link is closed.
  kAnswered,  ///< Call 1 ends with a code; the link lives on.
  kAlive,     ///< The link lives on.
  kEither,    ///< Closed or alive.
};

struct BadClient {
  std::string name;
  std::vector<std::string> frames;  ///< Without their length.
  Outcome outcome;
  int code = 0;  ///< With kAnswered.
};
std::vector<BadClient> BadClients();

/// Sent when the client's first call, with id 1, has come.
struct BadServer {
  std::string name;
  std::vector<std::string> frames;
  StatusCode code;  ///< How the unary call ends.
};
std::vector<BadServer> BadServers();

inline std::ostream& operator<<(std::ostream& out, const BadClient& bad) {
  return out << bad.name;
}
inline std::ostream& operator<<(std::ostream& out, const BadServer& bad) {
  return out << bad.name;
}

}  // namespace nearcall::test

#endif  // NEARCALL_TESTS_HOSTILE_BAD_FRAMES_H_
