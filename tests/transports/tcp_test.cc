// TCP: addresses, ports, tokens, and who is at the other end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nearcall/stale_resources.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <string>

#include "tests/support/child_process.h"
#include "tests/support/temp_runtime_dir.h"
#include "tests/transports/rendezvous_util.h"
#include "transports/tcp_owner.h"
#include "transports/tcp_token.h"

namespace nearcall::internal {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr uid_t kStranger = 65534;

/// A TCP socket of no library, at loopback.
class RawSocket {
 public:
  RawSocket() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  explicit RawSocket(int fd) : fd_(fd) {}
  RawSocket(RawSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~RawSocket() { Close(); }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

  /// The port; 0: it was not to be had.
  int Listen(int port = 0) {
    address_.sin_port = htons(static_cast<uint16_t>(port));
    socklen_t size = sizeof address_;
    auto* const generic = reinterpret_cast<sockaddr*>(&address_);
    if (bind(fd_, generic, size) != 0 || listen(fd_, 16) != 0 ||
        getsockname(fd_, generic, &size) != 0) {
      return 0;
    }
    return ntohs(address_.sin_port);
  }
  bool Connect(int port) {
    address_.sin_port = htons(static_cast<uint16_t>(port));
    return connect(fd_, reinterpret_cast<sockaddr*>(&address_),
                   sizeof address_) == 0;
  }
  RawSocket Accept() const { return RawSocket(accept(fd_, nullptr, nullptr)); }
  void Send(const std::string& bytes) const {
    EXPECT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  /// All until the peer ends, or `most`.
  std::string Receive(size_t most = 1 << 20) const {
    std::string all;
    char part[256];
    ssize_t got;
    while (all.size() < most &&
           (got = recv(fd_, part, std::min(sizeof part, most - all.size()),
                       0)) > 0) {
      all.append(part, static_cast<size_t>(got));
    }
    return all;
  }

 private:
  int fd_;
  sockaddr_in address_{};
};

std::string Port(const Listener& listener) {
  return std::to_string(listener.port());
}

std::unique_ptr<Listener> MustListen(const std::string& uri) {
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listen(uri);
  EXPECT_TRUE(listener.ok()) << listener.status();
  return listener.ok() ? *std::move(listener) : nullptr;
}

void ExpectMeet(Listener* listener, const std::string& uri) {
  const Meeting meeting = Meet(listener, uri);
  ASSERT_TRUE(meeting.client.ok()) << meeting.client.status();
  ASSERT_TRUE(meeting.server.ok()) << meeting.server.status();
  ExpectConnected(meeting.client->get(), meeting.server->get());
  ExpectConnected(meeting.server->get(), meeting.client->get());
}

/// Both sides say why there is no link.
void ExpectRefused(Listener* listener, const std::string& uri,
                   const std::string& text) {
  const Meeting meeting = Meet(listener, uri);
  EXPECT_EQ(meeting.client.status().code(), absl::StatusCode::kPermissionDenied)
      << meeting.client.status();
  EXPECT_THAT(Text(meeting.client.status()), HasSubstr(text));
  EXPECT_EQ(meeting.server.status().code(), absl::StatusCode::kPermissionDenied)
      << meeting.server.status();
}

// --- Targets ---

TEST(TcpTarget, MistakesNameTheRemedy) {
  const auto server = [](const char* uri) {
    return Text(Listen(uri).status());
  };
  EXPECT_THAT(server("tcp:0.0.0.0:1"), HasSubstr("allow_remote=true"));
  EXPECT_THAT(server("tcp:[::]:1"), HasSubstr("allow_remote=true"));
  EXPECT_THAT(server("tcp:192.0.2.1:1"), HasSubstr("allow_remote=true"));
  EXPECT_THAT(server("tcp:example.org:1"), HasSubstr("grpc:example.org:1"));
  EXPECT_THAT(server("example.org:1"), HasSubstr("allow_remote=true"));
  EXPECT_THAT(server("tcp:localhost"), HasSubstr("no port"));
  EXPECT_THAT(server("tcp:localhost:1?auth=never"),
              HasSubstr("must be token or none"));
  EXPECT_THAT(server("tcp:localhost:1?token_file=secret"),
              HasSubstr("absolute path"));
  EXPECT_THAT(server("tcp:localhost:1?allow_uids=root"), HasSubstr("user ids"));
  const auto client = [](const char* uri) { return Text(Dial(uri).status()); };
  EXPECT_THAT(client("tcp:localhost:0"), HasSubstr("for servers"));
  EXPECT_THAT(client("tcp:0.0.0.0:1"), HasSubstr("tcp:localhost:PORT"));
  EXPECT_THAT(client("tcp:192.0.2.1:1"), HasSubstr("allow_remote=true"));
}

TEST(TcpTarget, ThePortThatWasChosenIsTold) {
  const TempRuntimeDir directory;
  const auto listener = MustListen("tcp:127.0.0.1:0");
  EXPECT_GT(listener->port(), 0);
  EXPECT_EQ(listener->address(), "tcp:127.0.0.1:" + Port(*listener));
  ExpectMeet(listener.get(), listener->address());
}

TEST(TcpTarget, LocalhostIsBothFamilies) {
  const TempRuntimeDir directory;
  const auto listener = MustListen("tcp:localhost:0");
  ExpectMeet(listener.get(), "tcp:127.0.0.1:" + Port(*listener));
  ExpectMeet(listener.get(), "tcp:[::1]:" + Port(*listener));
  ExpectMeet(listener.get(), "localhost:" + Port(*listener));
  ExpectMeet(listener.get(), "dns:///localhost:" + Port(*listener));
}

TEST(TcpTarget, AWildcardOfGrpcsMeansLoopbackAndSaysSo) {
  const TempRuntimeDir directory;
  for (const char* uri : {"0.0.0.0:0", "[::]:0"}) {
    testing::internal::CaptureStderr();
    const auto listener = MustListen(uri);
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                AllOf(HasSubstr(uri), HasSubstr("allow_remote=true"),
                      HasSubstr("127.0.0.1:" + Port(*listener)),
                      HasSubstr("[::1]:" + Port(*listener))));
    ExpectMeet(listener.get(), "0.0.0.0:" + Port(*listener));
    ExpectMeet(listener.get(), "[::1]:" + Port(*listener));
  }
}

TEST(TcpTarget, AllowRemoteListensEverywhere) {
  const TempRuntimeDir directory;
  for (const char* uri : {"tcp:0.0.0.0:0", "[::]:0"}) {
    const auto listener = MustListen(std::string(uri) + "?allow_remote=true");
    EXPECT_EQ(listener->address(), "tcp:localhost:" + Port(*listener));
    ExpectMeet(listener.get(), "tcp:127.0.0.2:" + Port(*listener));
  }
}

TEST(TcpTarget, PeersAreNamedAsGrpcNamesThem) {
  const TempRuntimeDir directory;
  const auto listener = MustListen("tcp:localhost:0");
  const Meeting v4 = Meet(listener.get(), "tcp:127.0.0.1:" + Port(*listener));
  EXPECT_EQ((*v4.client)->info().peer_name,
            "ipv4:127.0.0.1:" + Port(*listener));
  EXPECT_THAT((*v4.server)->info().peer_name, StartsWith("ipv4:127.0.0.1:"));
  const Meeting v6 = Meet(listener.get(), "tcp:[::1]:" + Port(*listener));
  EXPECT_EQ((*v6.client)->info().peer_name, "ipv6:[::1]:" + Port(*listener));
  EXPECT_THAT((*v6.server)->info().peer_name, StartsWith("ipv6:[::1]:"));
}

// --- Ports ---

TEST(TcpPort, NobodyThere) {
  const TempRuntimeDir directory;
  RawSocket closed;
  const int port = closed.Listen();
  closed.Close();
  const absl::Status status =
      Dial("tcp:localhost:" + std::to_string(port)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Text(status),
              HasSubstr("no server at tcp:127.0.0.1:" + std::to_string(port)));
}

TEST(TcpPort, ASecondServerFailsAndTheFirstIsUntouched) {
  const TempRuntimeDir directory;
  const auto first = MustListen("tcp:localhost:0");
  for (const char* auth : {"", "?auth=none"}) {
    const absl::Status second = Listen(first->address() + auth).status();
    EXPECT_EQ(second.code(), absl::StatusCode::kAlreadyExists) << second;
    EXPECT_THAT(Text(second), HasSubstr("pid " + std::to_string(getpid())));
    ExpectMeet(first.get(), first->address());
  }
}

TEST(TcpPort, AForeignProgramsPortIsTaken) {
  const TempRuntimeDir directory;
  RawSocket foreign;
  const int port = foreign.Listen();
  const absl::Status status =
      Listen("tcp:localhost:" + std::to_string(port)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(Text(status), HasSubstr("pid " + std::to_string(getpid())));
  EXPECT_THAT(directory.List(), IsEmpty());
}

TEST(TcpPort, IsFreeAtOnceWhileOldConnectionsLinger) {
  const TempRuntimeDir directory;
  auto listener = MustListen("tcp:127.0.0.1:0");
  const std::string address = listener->address();
  {
    // The server's end closes first, and keeps the port in TIME_WAIT.
    Meeting meeting = Meet(listener.get(), address);
    meeting.server->reset();
    meeting.client->reset();
  }
  listener.reset();
  EXPECT_THAT(directory.List(), IsEmpty());
  listener = MustListen(address);
  ExpectMeet(listener.get(), address);
}

TEST(TcpPort, ADeadServersTokenIsReplaced) {
  const TempRuntimeDir directory;
  RawSocket probe;
  const std::string uri = "tcp:127.0.0.1:" + std::to_string(probe.Listen());
  probe.Close();
  Baton ready;
  ChildProcess server = ChildProcess::Fork([&] {
    const auto listener = Listen(uri);
    if (!listener.ok()) return 1;
    ready.Pass();
    for (;;) pause();
  });
  ASSERT_TRUE(ready.Await());
  server.Kill();
  EXPECT_THAT(directory.List(), Not(IsEmpty()));
  EXPECT_THAT(RemoveStaleResources().problems, IsEmpty());
  EXPECT_THAT(directory.List(), IsEmpty());
  std::ofstream(
      directory.File("tcp-" + uri.substr(uri.rfind(':') + 1) + ".token"))
      << "what another one left";
  auto listener = MustListen(uri);
  ExpectMeet(listener.get(), uri);
  listener.reset();
  EXPECT_THAT(directory.List(), IsEmpty());
}

// --- Tokens ---

TEST(TcpToken, IsAFreshSecretOfTheServersUser) {
  const TempRuntimeDir directory;
  auto listener = MustListen("tcp:127.0.0.1:0");
  const std::string address = listener->address();
  const std::string path = directory.File("tcp-" + Port(*listener) + ".token");
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  const Token first = ReadTokenFile(path).value();
  EXPECT_FALSE(SameToken(first, Token{}));
  listener.reset();
  listener = MustListen(address);
  EXPECT_FALSE(SameToken(first, ReadTokenFile(path).value()));
}

TEST(TcpToken, WithoutItThereIsNoLink) {
  std::unique_ptr<Listener> listener;
  std::string address;
  const TempRuntimeDir servers;
  listener = MustListen("tcp:127.0.0.1:0");
  address = listener->address();
  const std::string path = servers.File("tcp-" + Port(*listener) + ".token");
  ExpectRefused(listener.get(), address + "?auth=none", "says auth=none");
  const std::string hidden = path + ".hidden";
  ASSERT_EQ(rename(path.c_str(), hidden.c_str()), 0);
  ExpectRefused(listener.get(), address, "does not exist");
  // Of another server, or an earlier one.
  ASSERT_TRUE(MakeTokenFile(path).ok());
  ExpectRefused(listener.get(), address, "refuses our token");
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  EXPECT_THAT(Text(Dial(address).status()), HasSubstr("remove it"));
  ASSERT_EQ(rename(hidden.c_str(), path.c_str()), 0);
  ExpectMeet(listener.get(), address);
}

TEST(TcpToken, AuthNoneTakesEverybody) {
  const TempRuntimeDir directory;
  const auto listener = MustListen("tcp:127.0.0.1:0?auth=none");
  EXPECT_THAT(directory.List(), IsEmpty());
  ExpectMeet(listener.get(), listener->address() + "?auth=none");
  // A client that has no token to show is told of none.
  ExpectMeet(listener.get(), listener->address());
}

TEST(TcpToken, AFileOfBothSidesTakesItsPlace) {
  const TempRuntimeDir directory;
  const std::string file = directory.File("secret");
  const std::string option = "?token_file=" + file;
  EXPECT_THAT(Text(Listen("tcp:127.0.0.1:0" + option).status()),
              HasSubstr("head -c 32"));
  std::ofstream(file) << std::string(64, 'a') << "\n";
  ASSERT_EQ(chmod(file.c_str(), 0644), 0);
  EXPECT_THAT(Text(Listen("tcp:127.0.0.1:0" + option).status()),
              HasSubstr("0644"));
  ASSERT_EQ(chmod(file.c_str(), 0640), 0);
  const auto listener = MustListen("tcp:127.0.0.1:0" + option);
  ExpectMeet(listener.get(), listener->address() + option);
  ExpectRefused(listener.get(), listener->address(), "does not exist");
  std::ofstream(file) << "short";
  EXPECT_THAT(Text(Dial(listener->address() + option).status()),
              HasSubstr("must have 32 bytes"));
}

TEST(TcpToken, TokensAreComparedWhole) {
  Token a{}, b{};
  EXPECT_TRUE(SameToken(a, b));
  for (size_t i = 0; i < a.size(); ++i) {
    b = a;
    b[i] = std::byte{0x80};
    EXPECT_FALSE(SameToken(a, b)) << i;
  }
}

// --- Peers that speak something else ---

TEST(TcpPeer, AServerThatSpeaksGrpcIsRecognised) {
  const TempRuntimeDir directory;
  RawSocket listener;
  const int port = listener.Listen();
  std::thread serving([&] {
    const RawSocket peer = listener.Accept();
    peer.Send(std::string("\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64", 15));
    peer.Receive(kTcpHelloBytes);
  });
  const absl::Status status =
      Dial("tcp:127.0.0.1:" + std::to_string(port)).status();
  serving.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Text(status), HasSubstr("speaks gRPC: use grpc:127.0.0.1:" +
                                      std::to_string(port)));
}

TEST(TcpPeer, AClientThatSpeaksGrpcIsRecognised) {
  const TempRuntimeDir directory;
  const auto listener = MustListen("tcp:127.0.0.1:0");
  RawSocket client;
  ASSERT_TRUE(client.Connect(listener->port()));
  client.Send("PRI * HTTP/2.0\r\n");  // Less than our own hello.
  const auto link = AcceptOne(listener.get());
  EXPECT_THAT(Text(link.status()), HasSubstr("speaks gRPC"));
  EXPECT_EQ(client.Receive(), "");
}

TEST(TcpPeer, ASilentOneKeepsNobodyWaiting) {
  const TempRuntimeDir directory;
  const auto listener = MustListen("tcp:127.0.0.1:0");
  std::vector<RawSocket> silent(kMaxHalfOpen - 1);
  for (RawSocket& one : silent) ASSERT_TRUE(one.Connect(listener->port()));
  ExpectMeet(listener.get(), listener->address());
}

TEST(TcpPeer, NonsenseIsRefused) {
  const TempRuntimeDir directory;
  const auto listener = MustListen("tcp:127.0.0.1:0");
  RawSocket client;
  ASSERT_TRUE(client.Connect(listener->port()));
  client.Send(std::string(kTcpHelloBytes, 'x'));
  EXPECT_EQ(AcceptOne(listener.get()).status().code(),
            absl::StatusCode::kInternal);
  EXPECT_EQ(client.Receive(), "");
}

// --- Whose the other end is ---

TEST(TcpOwner, ReadsTheKernelsTable) {
  EXPECT_FALSE(ParseTcpTableRow("  sl  local_address rem_address   st "));
  const auto row = ParseTcpTableRow(
      "   3: 0100007F:C383 00000000:0000 0A 00000000:00000000 00:00000000 "
      "00000000  1000        0 20431 1 0000000000000000 100 0 0 10 0\n");
  ASSERT_TRUE(row.has_value());
  EXPECT_EQ(row->local, std::string("\x7f\0\0\1", 4));
  EXPECT_EQ(row->local_port, 50051);
  EXPECT_EQ(row->state, kTcpListen);
  EXPECT_EQ(row->uid, 1000u);
  EXPECT_EQ(row->inode, 20431u);
  const auto mapped = ParseTcpTableRow(
      "   0: 0000000000000000FFFF00000100007F:0016 "
      "00000000000000000000000001000000:8000 01 00000000:00000000 00:00000000 "
      "00000000     0        0 7 1 0 20 4 30 10 -1\n");
  ASSERT_TRUE(mapped.has_value());
  EXPECT_EQ(mapped->local, std::string("\x7f\0\0\1", 4));
  EXPECT_EQ(mapped->remote, std::string(15, '\0') + '\1');
  EXPECT_EQ(mapped->remote_port, 32768);
}

TEST(TcpOwner, AStrangerWhoTookThePortGetsNoToken) {
  if (geteuid() != 0) GTEST_SKIP() << "needs another uid: run as root";
  const TempRuntimeDir directory;
  int report[2];
  ASSERT_EQ(pipe(report), 0);
  ChildProcess stranger = ChildProcess::Fork([&] {
    if (setresuid(kStranger, kStranger, kStranger) != 0) return 1;
    RawSocket socket;
    const int port = socket.Listen();
    if (write(report[1], &port, sizeof port) != sizeof port) return 2;
    const std::string received = socket.Accept().Receive();
    return received.empty() ? 0 : 3;
  });
  int port = 0;
  ASSERT_EQ(read(report[0], &port, sizeof port),
            static_cast<ssize_t>(sizeof port));
  ASSERT_TRUE(
      MakeTokenFile(directory.File("tcp-" + std::to_string(port) + ".token"))
          .ok());
  const absl::Status status =
      Dial("tcp:127.0.0.1:" + std::to_string(port)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Text(status), HasSubstr("uid 65534"));
  EXPECT_EQ(stranger.Wait(), 0) << "3: bytes were sent to it";
  close(report[0]);
  close(report[1]);
}

/// What a client of another user gets from the listener.
int DialAsStranger(Listener* listener, const std::string& uri,
                   absl::StatusCode expected) {
  ChildProcess client = ChildProcess::Fork([&] {
    if (setresuid(kStranger, kStranger, kStranger) != 0) return 1;
    unsetenv("NEARCALL_RUNTIME_DIR");
    const auto link = Dial(uri);
    if (link.status().code() == expected) return 0;
    fprintf(stderr, "%s\n", link.status().ToString().c_str());
    return 2;
  });
  (void)AcceptOne(listener);
  return client.Wait();
}

TEST(TcpOwner, AnotherUserNeedsToBeNamed) {
  if (geteuid() != 0) GTEST_SKIP() << "needs another uid: run as root";
  const TempRuntimeDir directory;
  auto listener = MustListen("tcp:127.0.0.1:0");
  EXPECT_EQ(DialAsStranger(listener.get(), listener->address(),
                           absl::StatusCode::kPermissionDenied),
            0);
  listener = MustListen("tcp:127.0.0.1:0?allow_uids=65534");
  EXPECT_EQ(DialAsStranger(listener.get(), listener->address(),
                           absl::StatusCode::kOk),
            0);
  listener = MustListen("tcp:127.0.0.1:0?allow_uids=12345");
  EXPECT_EQ(DialAsStranger(listener.get(), listener->address(),
                           absl::StatusCode::kPermissionDenied),
            0);
}

}  // namespace
}  // namespace nearcall::internal
