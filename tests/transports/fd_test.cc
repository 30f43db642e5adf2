// fd: targets: which descriptors are taken, and who may be at the other end.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_runtime_dir.h"
#include "tests/transports/rendezvous_util.h"

namespace nearcall::internal {
namespace {

using ::testing::HasSubstr;

std::string Uri(int fd, const std::string& options = "") {
  return absl::StrCat("fd:", fd, options);
}

/// A TCP socket that listens on all addresses, or on loopback.
int TcpListening(uint32_t address = INADDR_LOOPBACK) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(address);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  EXPECT_EQ(listen(fd, 4), 0);
  return fd;
}

/// A TCP connection over loopback.
std::pair<int, int> TcpPair() {
  const int listening = TcpListening();
  sockaddr_in name{};
  socklen_t size = sizeof name;
  auto* const generic = reinterpret_cast<sockaddr*>(&name);
  EXPECT_EQ(getsockname(listening, generic, &size), 0);
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(connect(client, generic, size), 0);
  const int server = accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
  close(listening);
  return {client, server};
}

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST(FdTarget, MistakesSayWhatIsWrong) {
  const TempRuntimeDir directory;
  EXPECT_THAT(Text(Listen("fd:").status()), HasSubstr("write fd:N"));
  EXPECT_THAT(Text(Listen("fd:socket").status()), HasSubstr("write fd:N"));
  EXPECT_THAT(Text(Listen("fd:2").status()), HasSubstr("3 or more"));
  EXPECT_THAT(Text(Listen("fd:999").status()), HasSubstr("not open"));
  const int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_THAT(Text(Dial(Uri(file)).status()), HasSubstr("not a stream socket"));
  close(file);
  const int datagram = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  EXPECT_THAT(Text(Dial(Uri(datagram)).status()),
              HasSubstr("not a stream socket"));
  close(datagram);
  const int idle = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_THAT(Text(Listen(Uri(idle)).status()),
              HasSubstr("neither listens nor is connected"));
  EXPECT_THAT(Text(Dial(Uri(idle)).status()), HasSubstr("not connected"));
  EXPECT_THAT(Text(Listen(Uri(idle, "?mode=0660")).status()),
              HasSubstr("mode"));
  EXPECT_TRUE(IsOpen(idle)) << "an error takes nothing";
  close(idle);
  const int listening = TcpListening();
  EXPECT_THAT(Text(Dial(Uri(listening)).status()), HasSubstr("listening"));
  EXPECT_TRUE(IsOpen(listening));
  close(listening);
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  EXPECT_THAT(Text(Listen(Uri(pair[0], "?auth=none")).status()),
              HasSubstr("are for TCP"));
  close(pair[0]);
  close(pair[1]);
}

TEST(FdTarget, OtherMachinesNeedToBeAllowed) {
  const TempRuntimeDir directory;
  EXPECT_THAT(Text(Listen(Uri(TcpListening(INADDR_ANY))).status()),
              HasSubstr("allow_remote=true"));
  const auto listener =
      Listen(Uri(TcpListening(INADDR_ANY), "?allow_remote=true"));
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_EQ((*listener)->address(),
            absl::StrCat("tcp:localhost:", (*listener)->port()));
  const Meeting meeting = Meet(listener->get(), (*listener)->address());
  ASSERT_TRUE(meeting.client.ok()) << meeting.client.status();
  ExpectConnected(meeting.client->get(), meeting.server->get());
}

TEST(FdTarget, AConnectionOverTcpShowsASecretOfBothSides) {
  const TempRuntimeDir directory;
  const std::string file = directory.File("secret");
  std::ofstream(file) << std::string(64, 'a');
  ASSERT_EQ(chmod(file.c_str(), 0600), 0);
  const std::string option = "?token_file=" + file;
  for (const std::string& options : {option, std::string("?auth=none")}) {
    const auto [client, server] = TcpPair();
    auto listener = Listen(Uri(server, options));
    ASSERT_TRUE(listener.ok()) << listener.status();
    const Meeting meeting = Meet(listener->get(), Uri(client, options));
    ASSERT_TRUE(meeting.client.ok()) << meeting.client.status();
    ExpectConnected(meeting.client->get(), meeting.server->get());
  }
  {
    const auto [client, server] = TcpPair();
    auto listener = Listen(Uri(server, option));
    const Meeting meeting = Meet(listener->get(), Uri(client, "?auth=none"));
    EXPECT_EQ(meeting.client.status().code(),
              absl::StatusCode::kPermissionDenied);
  }
  const auto [client, server] = TcpPair();
  EXPECT_THAT(Text(Listen(Uri(server)).status()), HasSubstr("token_file=FILE"));
  close(client);
}

TEST(FdTarget, ASocketOfAnotherUserNeedsToBeNamed) {
  if (geteuid() != 0) GTEST_SKIP() << "needs another uid: run as root";
  const TempRuntimeDir directory;
  constexpr uid_t kStranger = 65534;
  // The kernel remembers who made the pair.
  int pair[2];
  ASSERT_EQ(seteuid(kStranger), 0);
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  ASSERT_EQ(seteuid(0), 0);
  const int other = fcntl(pair[0], F_DUPFD_CLOEXEC, 3);
  EXPECT_EQ(Listen(Uri(pair[0])).status().code(),
            absl::StatusCode::kPermissionDenied);
  const auto listener =
      Listen(Uri(other, absl::StrCat("?allow_uids=", kStranger)));
  EXPECT_TRUE(listener.ok()) << listener.status();
  close(pair[1]);
}

}  // namespace
}  // namespace nearcall::internal
