// Signals between processes: what ends a server, and what changes nothing.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <future>
#include <string>
#include <vector>

#include "tests/call/call_test.h"
#include "tests/signals/storm.h"

namespace nearcall::test {
namespace {

using internal::ChildProcess;

class SignalsTest : public CallTest {
 protected:
  std::string Control() const { return "unix:control"; }

  /// A signal_server on Target(), ready.
  void Start(const std::vector<std::string>& options = {}) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    std::vector<std::string> argv = {NEARCALL_SIGNAL_SERVER};
    argv.insert(argv.end(), options.begin(), options.end());
    argv.push_back(Target());
    argv.push_back(Control());
    server_ = ChildProcess::Fork([&] {
      dup2(ends[1], STDOUT_FILENO);
      std::vector<char*> arguments;
      for (std::string& argument : argv) arguments.push_back(argument.data());
      arguments.push_back(nullptr);
      execv(arguments[0], arguments.data());
      return 127;
    });
    close(ends[1]);
    output_ = ends[0];
    ASSERT_EQ(Line(), "ready");
  }
  ~SignalsTest() override {
    if (output_ >= 0) close(output_);
  }

  /// The next line that the server writes; empty at its end.
  std::string Line() const {
    std::string line;
    char c;
    for (;;) {
      const ssize_t got = read(output_, &c, 1);
      if (got < 0 && errno == EINTR) continue;  // A storm's.
      if (got != 1 || c == '\n') return line;
      line.push_back(c);
    }
  }

  /// A call that waits in its handler at the gate "g".
  std::future<Status> BlockedCall() {
    auto result = std::async(std::launch::async, [this] {
      const auto stub = TestService::NewStub(DefaultChannel(Target()));
      ClientContext context;
      Plan plan;
      plan.set_gate("g");
      plan.set_wait(true);
      Message reply;
      return stub->Block(&context, plan, &reply);
    });
    Gatekeeper(Control()).AwaitEntered("g");
    return result;
  }

  /// Calls until one is refused: the server takes no new ones.
  void AwaitRefusal() {
    for (;;) {
      const auto stub = TestService::NewStub(DefaultChannel(Target()));
      ClientContext context;
      Message reply;
      const Status status = stub->Echo(&context, MakeMessage(8), &reply);
      if (status.ok()) continue;
      EXPECT_EQ(status.error_code(), UNAVAILABLE) << status.ToString();
      EXPECT_FALSE(context.maybe_sent());
      return;
    }
  }

  ChildProcess server_;
  int output_ = -1;
};

TEST_P(SignalsTest, TheFirstSignalDrains) {
  for (const int signal : {SIGTERM, SIGINT}) {
    ASSERT_NO_FATAL_FAILURE(Start());
    std::future<Status> blocked = BlockedCall();
    server_.Signal(signal);
    AwaitRefusal();
    Gatekeeper(Control()).Open("g");
    EXPECT_THAT(blocked.get(), IsOk());
    EXPECT_EQ(Line(), "drained");
    EXPECT_EQ(server_.Wait(), 0);
    close(output_);
  }
}

TEST_P(SignalsTest, TheSecondSignalCancels) {
  ASSERT_NO_FATAL_FAILURE(Start());
  std::future<Status> blocked = BlockedCall();
  server_.Signal(SIGTERM);
  AwaitRefusal();
  server_.Signal(SIGINT);
  EXPECT_THAT(blocked.get(), IsStatus(UNAVAILABLE, ""));
  EXPECT_EQ(Line(), "drained");
  EXPECT_EQ(server_.Wait(), 0);
}

TEST_P(SignalsTest, CallsAreCancelledAtTheEndOfTheGrace) {
  ASSERT_NO_FATAL_FAILURE(Start({"--grace-millis=20"}));
  std::future<Status> blocked = BlockedCall();
  server_.Signal(SIGTERM);
  EXPECT_THAT(blocked.get(), IsStatus(UNAVAILABLE, ""));
  EXPECT_EQ(Line(), "drained");
  EXPECT_EQ(server_.Wait(), 0);
}

TEST_P(SignalsTest, SignalsThatTheApplicationBlocksDrainToo) {
  ASSERT_NO_FATAL_FAILURE(Start({"--blocked"}));
  server_.Signal(SIGTERM);
  EXPECT_EQ(Line(), "drained");
  EXPECT_EQ(server_.Wait(), 0);
}

// A third one finds the default action, and so do those after it.
TEST_P(SignalsTest, AStuckProcessCanBeEnded) {
  ASSERT_NO_FATAL_FAILURE(Start({"--linger"}));
  server_.Signal(SIGTERM);
  EXPECT_EQ(Line(), "drained");
  std::thread insisting([pid = server_.pid()] {
    // Pending ones are one: more come until it is gone.
    while (kill(pid, SIGTERM) == 0 && !::testing::Test::HasFailure()) {
      siginfo_t info = {};
      waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT | WNOHANG);
      if (info.si_pid == pid) return;
    }
  });
  insisting.join();
  EXPECT_EQ(server_.Wait(), -SIGTERM);
}

// With SIGPIPE's default action: were it raised, the process would end.
TEST_P(SignalsTest, NobodyGetsSigpipe) {
  struct sigaction action;
  ASSERT_EQ(sigaction(SIGPIPE, nullptr, &action), 0);
  ASSERT_EQ(action.sa_handler, SIG_DFL);
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto survivor = TestService::NewStub(DefaultChannel(Target()));
  Message reply;
  const std::string target = Target();
  // Clients that are killed while the server sends to them.
  for (int i = 0; i < 5; ++i) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    ChildProcess client = ChildProcess::Fork([&] {
      dup2(ends[1], STDOUT_FILENO);
      execl(NEARCALL_SIGNAL_CLIENT, NEARCALL_SIGNAL_CLIENT, target.c_str(),
            nullptr);
      return 127;
    });
    close(ends[1]);
    char c = 0;
    ASSERT_EQ(read(ends[0], &c, 1), 1);
    client.Kill();
    close(ends[0]);
    ClientContext context;
    ASSERT_THAT(survivor->Echo(&context, MakeMessage(8), &reply), IsOk());
  }
  // A server that is killed while this client sends to it.
  ClientContext context;
  Summary summary;
  auto writer = survivor->ClientStream(&context, &summary);
  ASSERT_TRUE(writer->Write(MakeMessage(1000)));
  server_.Kill();
  while (writer->Write(MakeMessage(100'000))) {
  }
  EXPECT_THAT(writer->Finish(), IsStatus(UNAVAILABLE, ""));
}

TEST_P(SignalsTest, AStormChangesNoResult) {
  ASSERT_NO_FATAL_FAILURE(Start({"--storm"}));
  Storm storm;
  storm.Begin();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  int64_t sequence = 0;
  const int before = storm.count();
  while (storm.count() < before + 500) {
    for (const size_t size : {size_t{8}, size_t{5000}, size_t{300'000}}) {
      ClientContext context;
      const Message request = MakeMessage(size, ++sequence);
      Message reply;
      ASSERT_THAT(stub->Echo(&context, request, &reply), IsOk());
      ASSERT_EQ(reply.payload(), request.payload());
    }
    // Connecting and ending, too.
    const auto other = TestService::NewStub(DefaultChannel(Target()));
    ClientContext context;
    Message reply;
    ASSERT_THAT(other->Echo(&context, MakeMessage(8), &reply), IsOk());
  }
  ClientContext context;
  context.set_deadline(In(std::chrono::milliseconds(50)));
  Plan plan;
  plan.set_gate("late");
  plan.set_wait(true);
  Message reply;
  EXPECT_THAT(stub->Block(&context, plan, &reply),
              IsStatus(DEADLINE_EXCEEDED, ""));
  server_.Signal(SIGTERM);
  EXPECT_EQ(Line(), "drained");
  EXPECT_EQ(server_.Wait(), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Transports, SignalsTest, ::testing::ValuesIn(TransportsToStandingServers()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);

// --- In one process: what is and is not touched ---

struct Served1 {
  explicit Served1(const std::string& target) : service(&gates) {
    ServerBuilder builder;
    builder.AddListeningPort(target, InsecureServerCredentials());
    builder.RegisterService(&service);
    server = builder.BuildAndStart();
  }
  Gates gates;
  SyncService service;
  std::unique_ptr<Server> server;
};

void (*HandlerOf(int signal))(int) {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);  // Some numbers are the C library's own.
  return action.sa_handler;
}

TEST(ShutdownOnSignals, ReplacesHandlersAndPutsThemBack) {
  const auto mine = [](int) { abort(); };
  signal(SIGTERM, mine);
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  std::vector<void (*)(int)> others;
  for (int number = 0; number < NSIG; ++number) {
    others.push_back(HandlerOf(number));
  }
  {
    Served1 one("inproc:signals-1");
    Served1 two("inproc:signals-2");
    Served1 other("inproc:signals-3");
    ASSERT_TRUE(one.server->ShutdownOnSignals({SIGTERM}));
    ASSERT_TRUE(two.server->ShutdownOnSignals({SIGTERM, SIGINT}));
    ASSERT_TRUE(other.server->ShutdownOnSignals({SIGUSR2}));
    for (int number = 1; number < NSIG; ++number) {
      if (number == SIGTERM || number == SIGINT || number == SIGUSR2) continue;
      EXPECT_EQ(HandlerOf(number), others[static_cast<size_t>(number)])
          << number;
    }
    ASSERT_EQ(kill(getpid(), SIGTERM), 0);
    one.server->Wait();
    two.server->Wait();
    // The third is not among those that the signal ends.
    const auto stub = TestService::NewStub(DefaultChannel("inproc:signals-3"));
    ClientContext context;
    Message reply;
    EXPECT_THAT(stub->Echo(&context, MakeMessage(8), &reply), IsOk());
  }
  EXPECT_EQ(HandlerOf(SIGTERM), static_cast<void (*)(int)>(mine));
  EXPECT_EQ(HandlerOf(SIGINT), SIG_DFL);
  EXPECT_EQ(HandlerOf(SIGUSR2), SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (int number = 1; number < NSIG; ++number) {
    EXPECT_EQ(sigismember(&before, number), sigismember(&after, number));
  }
}

TEST(ShutdownOnSignals, AForkedChildIsNotMeant) {
  Served1 served("inproc:signals-fork");
  ASSERT_TRUE(served.server->ShutdownOnSignals({SIGTERM}));
  ChildProcess child = ChildProcess::Fork([] {
    raise(SIGTERM);
    return 0;
  });
  EXPECT_EQ(child.Wait(), -SIGTERM);
  const auto stub = TestService::NewStub(DefaultChannel("inproc:signals-fork"));
  ClientContext context;
  Message reply;
  EXPECT_THAT(stub->Echo(&context, MakeMessage(8), &reply), IsOk());
}

TEST(ShutdownOnSignals, SignalsThatCannotBe) {
  Served1 served("inproc:signals-wrong");
  for (const int number : {SIGKILL, SIGSTOP, SIGSEGV, 0, -1, 4096}) {
    ::testing::internal::CaptureStderr();
    EXPECT_FALSE(served.server->ShutdownOnSignals({SIGINT, number}));
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                ::testing::HasSubstr("signal " + std::to_string(number)));
  }
  EXPECT_EQ(HandlerOf(SIGINT), SIG_DFL);
}

}  // namespace
}  // namespace nearcall::test
