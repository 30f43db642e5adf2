// The transports that the call tests run over: one line each.
#ifndef NEARCALL_TESTS_CALL_TRANSPORTS_H_
#define NEARCALL_TESTS_CALL_TRANSPORTS_H_

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace nearcall::test {

struct TransportCase {
  const char* scheme;
  /// A target that no other test uses; the runtime directory is the test's own,
  /// names outside it carry the `pid`.
  std::string (*target)(const std::string& name, int pid);
  bool one_process = false;  ///< Between threads only.
  /// Each channel starts a server of its own, and `target` is what that one
  /// listens on: CallTest::Target says what the channel is given.
  bool child_of_channel = false;
  /// The kernel says which process is at the other end.
  bool tells_pid = true;
  /// It says of which user that process is.
  bool tells_uid = true;
  /// What peer() begins with; null: the scheme.
  const char* peer = nullptr;
  /// "&key=value": the least that can be between the two ends.
  const char* smallest_options = "";

  const char* peer_prefix() const { return peer != nullptr ? peer : scheme; }
};

/// The port of a name, the same one each time: free when it was first asked
/// for, and not one that the kernel gives to clients.
inline int PortOf(const std::string& name, int pid) {
  static auto* const ports = new std::map<std::string, int>;
  int& port = (*ports)[name];
  constexpr int kFirst = 10000, kCount = 20000;
  for (int i = 0; port == 0 && i < kCount; ++i) {
    const int candidate = kFirst + (pid * 8 + i) % kCount;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(candidate));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
      port = candidate;
    }
    close(fd);
  }
  return port;
}

inline std::vector<TransportCase> AllTransports() {
  using S = std::string;
  return {
      {.scheme = "shm",
       .target = [](const S& n, int) { return "shm:" + n; },
       .smallest_options = "&ring_bytes=4096"},
      {"unix", [](const S& n, int) { return "unix:" + n; }},
      {"sysv", [](const S& n, int) { return "sysv:" + n; }},
      {.scheme = "fifo",
       .target = [](const S& n, int) { return "fifo:" + n; },
       .tells_pid = false,
       .smallest_options = "&pipe_bytes=4096"},
      {.scheme = "tcp",
       .target =
           [](const S& n, int pid) {
             return "tcp:localhost:" + std::to_string(PortOf(n, pid));
           },
       .tells_pid = false,
       .tells_uid = false,
       .peer = "ipv4:127.0.0.1:"},
      {.scheme = "pipe",
       .target = [](const S&, int) -> S { return "pipe:"; },
       .child_of_channel = true,
       .smallest_options = "&pipe_bytes=4096"},
      {.scheme = "inproc",
       .target = [](const S& n, int) { return "inproc:" + n; },
       .one_process = true,
       .smallest_options = "&ring_bytes=4096"},
      {"unix-abstract",
       [](const S& n, int pid) {
         return "unix-abstract:nearcall-test-" + n + std::to_string(pid);
       }},
  };
}

inline std::vector<TransportCase> TransportsBetweenProcesses() {
  std::vector<TransportCase> cases = AllTransports();
  std::erase_if(cases, [](const TransportCase& c) { return c.one_process; });
  return cases;
}

/// For tests of several channels to one server.
inline std::vector<TransportCase> TransportsThatShareAServer() {
  std::vector<TransportCase> cases = AllTransports();
  std::erase_if(cases,
                [](const TransportCase& c) { return c.child_of_channel; });
  return cases;
}

/// For tests of a server's life and death: a process of its own, which channels
/// find or do not find.
inline std::vector<TransportCase> TransportsToStandingServers() {
  std::vector<TransportCase> cases = TransportsThatShareAServer();
  std::erase_if(cases, [](const TransportCase& c) { return c.one_process; });
  return cases;
}

inline std::ostream& operator<<(std::ostream& out, const TransportCase& value) {
  return out << value.scheme;
}

/// For INSTANTIATE_TEST_SUITE_P.
template <typename Info>
std::string NameOfTransport(const Info& info) {
  std::string name = info.param.scheme;
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
}

}  // namespace nearcall::test

#endif  // NEARCALL_TESTS_CALL_TRANSPORTS_H_
