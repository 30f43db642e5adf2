// Calls over sockets that the process was given: fd:N, AddListeningFd,
// CreateInsecureChannelFromFd.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "tests/call/pending_call.h"

namespace nearcall::test {
namespace {

using internal::ChildProcess;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class GivenSocketTest : public ::testing::Test {
 protected:
  /// A Unix socket that listens at the path and that children inherit.
  static int ListenAt(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address),
              0);
    EXPECT_EQ(listen(fd, 16), 0);
    return fd;
  }
  /// A server on the descriptor, which is closed here.
  static ChildProcess ServeOn(int fd, std::string* line) {
    ServerSettings settings;
    settings.targets = {"fd:" + std::to_string(fd)};
    ChildProcess server = ExecUntilReady(ServerCommand(settings), line);
    close(fd);
    return server;
  }
  /// The same, told by the variables of systemd.
  static ChildProcess Activate(int fd, const std::string& pid,
                               std::string* line) {
    ServerSettings settings;
    settings.targets = {"fd:" + std::to_string(fd)};
    std::vector<std::string> argv = {
        "/bin/sh", "-c",
        "LISTEN_FDS=$1 LISTEN_PID=" + pid +
            "; export LISTEN_FDS LISTEN_PID; shift; "
            "exec \"$@\"",
        "sh", std::to_string(fd - 2)};
    for (const std::string& word : ServerCommand(settings)) {
      argv.push_back(word);
    }
    return ExecUntilReady(argv, line);
  }
  static Status Echo(TestService::Stub* stub, ClientContext* context) {
    Message reply;
    return stub->Echo(context, MakeMessage(100), &reply);
  }
  static Status Echo(TestService::Stub* stub) {
    ClientContext context;
    context.set_deadline(In(std::chrono::seconds(20)));
    return Echo(stub, &context);
  }

  Watchdog watchdog_{60};
  internal::TempRuntimeDir directory_;
};

/// [0] is the client's and stays in this process, [1] is to be inherited.
struct Pair {
  int fds[2];
  Pair() {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    EXPECT_EQ(fcntl(fds[0], F_SETFD, FD_CLOEXEC), 0);
  }
};

TEST_F(GivenSocketTest, APairOfConnectedSockets) {
  const Pair pair;
  std::string line;
  ChildProcess server = ServeOn(pair.fds[1], &line);
  EXPECT_EQ(line, "ready fd:" + std::to_string(pair.fds[1]));
  const auto channel = CreateInsecureChannelFromFd("the pair", pair.fds[0]);
  const auto stub = TestService::NewStub(channel);
  ClientContext context;
  InfoReply info;
  ASSERT_THAT(stub->Info(&context, Message(), &info), IsOk());
  EXPECT_EQ(info.pid(), server.pid());
  EXPECT_EQ(info.transport(), "fd");
  EXPECT_EQ(info.peer_uid(), static_cast<int64_t>(getuid()));
  EXPECT_EQ(context.peer(), "fd:" + std::to_string(pair.fds[0]));
  server.Kill();
  EXPECT_THAT(Echo(stub.get()), IsStatus(UNAVAILABLE, ""));
  EXPECT_THAT(Echo(stub.get()), IsStatus(UNAVAILABLE, "cannot be made again"));
  // Waiting does not help, and costs nothing.
  ClientContext waiting;
  waiting.set_wait_for_ready(true);
  waiting.set_deadline(In(std::chrono::milliseconds(50)));
  EXPECT_THAT(Echo(stub.get(), &waiting), IsStatus(DEADLINE_EXCEEDED, ""));
}

// A deadline that ends before the server has come leaves the one connection to
// the next call.
TEST_F(GivenSocketTest, ACallThatGivesUpLeavesTheConnection) {
  const Pair pair;
  const auto stub =
      TestService::NewStub(DefaultChannel("fd:" + std::to_string(pair.fds[0])));
  ClientContext hasty;
  hasty.set_deadline(In(std::chrono::milliseconds(20)));
  EXPECT_THAT(Echo(stub.get(), &hasty), IsStatus(DEADLINE_EXCEEDED, ""));
  std::string line;
  ChildProcess server = ServeOn(pair.fds[1], &line);
  EXPECT_THAT(Echo(stub.get()), IsOk());
}

TEST_F(GivenSocketTest, TheServersEndOfItsOnlyClient) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  Gates gates;
  SyncService service(&gates);
  ServerBuilder builder;
  builder.RegisterService(&service);
  builder.AddListeningFd(fds[1], InsecureServerCredentials());
  const auto server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  {
    const auto stub =
        TestService::NewStub(CreateInsecureChannelFromFd("", fds[0]));
    EXPECT_THAT(Echo(stub.get()), IsOk());
    // It is the channel's now, and the other the server's.
    for (const int fd : fds) {
      const auto second = TryCreateChannel("fd:" + std::to_string(fd),
                                           InsecureChannelCredentials());
      EXPECT_THAT(std::string(second.status().message()),
                  HasSubstr("another channel or server"));
    }
  }
  server->Shutdown();
}

TEST_F(GivenSocketTest, AListenerWithCallersThatCameBeforeTheServer) {
  const std::string path = directory_.File("activated");
  const int fd = ListenAt(path);
  const auto stub = TestService::NewStub(DefaultChannel("unix:activated"));
  PendingCall early(Surface::kBlocking);
  early.StartEcho(stub.get(), MakeMessage(10));
  std::string line;
  ChildProcess server = Activate(fd, "$$", &line);
  close(fd);
  EXPECT_EQ(line, "ready unix:" + path);
  EXPECT_THAT(early.Await(), IsOk());
  EXPECT_THAT(Echo(TestService::NewStub(DefaultChannel("unix:" + path)).get()),
              IsOk());
  server.Kill();
  EXPECT_EQ(access(path.c_str(), F_OK), 0) << "it is not the server's";
  unlink(path.c_str());
}

TEST_F(GivenSocketTest, ASocketMeantForAnotherProcess) {
  const std::string path = directory_.File("activated");
  const int fd = ListenAt(path);
  ::testing::internal::CaptureStderr();
  std::string line;
  ChildProcess server = Activate(fd, "1", &line);
  EXPECT_EQ(server.Wait(), 1);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("passes this descriptor to pid 1 (LISTEN_PID)"));
  close(fd);
  unlink(path.c_str());
}

TEST_F(GivenSocketTest, ATcpListener) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(fd, 16), 0);
  socklen_t size = sizeof address;
  ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  Gates gates;
  SyncService service(&gates);
  ServerBuilder builder;
  builder.RegisterService(&service);
  int port = -1;
  builder.AddListeningFd(fd, InsecureServerCredentials(), &port);
  const auto server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  EXPECT_EQ(port, ntohs(address.sin_port));
  const std::string target = "tcp:127.0.0.1:" + std::to_string(port);
  EXPECT_THAT(server->addresses(), ElementsAre(target));
  EXPECT_THAT(Echo(TestService::NewStub(DefaultChannel(target)).get()), IsOk());
  // With the token, as on every port.
  EXPECT_THAT(
      Echo(TestService::NewStub(DefaultChannel(target + "?auth=none")).get()),
      IsStatus(PERMISSION_DENIED, "auth=none"));
  server->Shutdown();
}

}  // namespace
}  // namespace nearcall::test
