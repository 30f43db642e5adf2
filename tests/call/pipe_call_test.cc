// The transport pipe: what becomes of the child that a channel starts, and of
// its channel.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/call/call_test.h"
#include "tests/signals/storm.h"
#include "tests/support/leak_audit.h"

namespace nearcall::test {
namespace {

using internal::ChildProcess;
using internal::LeakAudit;
using ::testing::HasSubstr;

constexpr TransportCase kPipe = {
    "pipe", [](const std::string&, int) -> std::string { return "pipe:"; },
    false, true};

// Threads that a process keeps once it has made a connection.
constexpr int kKeptThreads = 8;

class PipeTest : public ::testing::Test {
 protected:
  PipeTest() { settings_.targets = {"pipe:", "unix:control"}; }
  // Nothing may be left that its channel should have ended.
  ~PipeTest() override {
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
  }

  std::vector<std::string> Command() const { return ServerCommand(settings_); }
  /// The server behind a shell that does something else as well. `$0 "$@"` is
  /// the server's command.
  std::string InShell(const std::string& script) const {
    std::vector<std::string> argv = {"sh", "-c", script};
    for (const std::string& word : Command()) argv.push_back(word);
    return PipeTarget(argv);
  }
  static std::unique_ptr<TestService::Stub> Stub(const std::string& target) {
    return TestService::NewStub(DefaultChannel(target));
  }
  /// A stub whose first call was in too much of a hurry for its child, which
  /// has added a line to `starts` and waits for one from the FIFO `gate`.
  std::unique_ptr<TestService::Stub> LeaveAStartingChild(
      const std::string& starts, const std::string& gate) {
    EXPECT_EQ(mkfifo(gate.c_str(), 0600), 0);
    auto stub = Stub(InShell("echo >> " + starts + "; read x < " + gate +
                             "; exec \"$0\" \"$@\""));
    ClientContext context;
    context.set_deadline(In(std::chrono::milliseconds(50)));
    Message reply;
    EXPECT_THAT(stub->Echo(&context, Message(), &reply),
                IsStatus(DEADLINE_EXCEEDED, ""));
    return stub;
  }
  static Status Echo(TestService::Stub* stub) {
    ClientContext context;
    Message reply;
    return stub->Echo(&context, MakeMessage(100), &reply);
  }
  Served TheServed() const { return Served(kPipe, settings_); }
  /// Lines of a file, which is how scripts count.
  int Lines(const std::string& path) const {
    std::ifstream file(path);
    return static_cast<int>(std::count(std::istreambuf_iterator<char>(file),
                                       std::istreambuf_iterator<char>(), '\n'));
  }

  Watchdog watchdog_{60};
  internal::TempRuntimeDir directory_;
  ServerSettings settings_;
};

/// Blocks until the process, not necessarily a child, has ended.
class EndOf {
 public:
  explicit EndOf(int pid)
      : fd_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {
    EXPECT_GE(fd_, 0);
  }
  ~EndOf() { close(fd_); }
  void Await() const {
    pollfd ended{fd_, POLLIN, 0};
    while (poll(&ended, 1, -1) != 1) {
    }
  }

 private:
  const int fd_;
};

/// Descriptor and pipe, of each that the process has.
std::map<std::string, std::string> Pipes(const std::string& process) {
  std::map<std::string, std::string> pipes;
  for (const auto& entry :
       std::filesystem::directory_iterator(process + "/fd")) {
    std::error_code gone;
    const std::string file = std::filesystem::read_symlink(entry, gone);
    if (file.rfind("pipe:", 0) == 0) pipes[entry.path().filename()] = file;
  }
  return pipes;
}

bool Contains(const std::map<std::string, std::string>& pipes,
              const std::string& file) {
  return std::any_of(pipes.begin(), pipes.end(),
                     [&file](const auto& pipe) { return pipe.second == file; });
}

TEST_F(PipeTest, WhatCannotBeStartedIsNamed) {
  const std::string path = directory_.File("no program");
  std::ofstream(path) << "text";
  EXPECT_THAT(
      Echo(Stub("pipe:./no/such --flag").get()),
      IsStatus(FAILED_PRECONDITION, "cannot start './no/such': No such"));
  EXPECT_THAT(Echo(Stub("pipe:no-such-program").get()),
              IsStatus(FAILED_PRECONDITION, "looked up in PATH"));
  EXPECT_THAT(Echo(Stub("pipe:./no?spin_micros=0").get()),
              IsStatus(FAILED_PRECONDITION, "takes no ?options"));
  EXPECT_THAT(Echo(Stub(PipeTarget({path})).get()),
              IsStatus(PERMISSION_DENIED, path));
  chmod(path.c_str(), 0700);
  EXPECT_THAT(Echo(Stub(PipeTarget({path})).get()),
              IsStatus(FAILED_PRECONDITION, "#!"));
  EXPECT_THAT(Echo(Stub("pipe:").get()),
              IsStatus(INVALID_ARGUMENT, "names no command"));
  EXPECT_THAT(Echo(Stub("pipe:server 'x").get()),
              IsStatus(INVALID_ARGUMENT, "character 8"));
  EXPECT_THAT(Echo(Stub("pipe:server > log").get()),
              IsStatus(INVALID_ARGUMENT, "for a shell"));
}

TEST_F(PipeTest, AServerThatNoChannelStartedDoesNotStart) {
  ServerBuilder builder;
  builder.AddListeningPort("pipe:", InsecureServerCredentials());
  const auto server = builder.Start();
  EXPECT_THAT(std::string(server.status().message()),
              HasSubstr("not started by a channel"));
}

TEST_F(PipeTest, AChildThatEndsBeforeItServesIsNamedAndNotStartedAllTheTime) {
  const std::string starts = directory_.File("starts");
  const auto stub =
      Stub(PipeTarget({"sh", "-c", "echo >> \"$0\"; exit 3", starts}));
  constexpr int kCalls = 200;
  for (int i = 0; i < kCalls; ++i) {
    ASSERT_THAT(Echo(stub.get()),
                IsStatus(UNAVAILABLE, "exited with status 3"));
  }
  EXPECT_GE(Lines(starts), 1);
  EXPECT_LT(Lines(starts), kCalls / 2);
}

TEST_F(PipeTest, TheEndOfTheChildEndsTheCallAndTheNextStartsAnother) {
  const auto stub = Stub(PipeTarget(Command()));
  ASSERT_THAT(Echo(stub.get()), IsOk());
  Served first = TheServed();
  std::thread blocked([&] {
    ClientContext context;
    Plan plan;
    plan.set_gate("held");
    plan.set_wait(true);
    Message reply;
    EXPECT_THAT(stub->Block(&context, plan, &reply),
                IsStatus(UNAVAILABLE, "was ended by signal 9 (SIGKILL)"));
  });
  Gatekeeper(first).AwaitEntered("held");
  const int pid = first.pid();
  first.process().Signal(SIGKILL);
  blocked.join();
  EXPECT_THAT(Echo(stub.get()), IsOk());
  EXPECT_NE(TheServed().pid(), pid);
}

TEST_F(PipeTest, TheEndOfAnIdleChildIsSeenAndItIsReaped) {
  const auto channel = DefaultChannel(PipeTarget(Command()));
  const auto stub = TestService::NewStub(channel);
  ASSERT_THAT(Echo(stub.get()), IsOk());
  const Served served = TheServed();
  const EndOf end(served.pid());
  served.process().Signal(SIGTERM);
  ASSERT_TRUE(channel->WaitForStateChange(ConnectivityState::kReady,
                                          In(std::chrono::seconds(30))));
  end.Await();
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
  EXPECT_THAT(Echo(stub.get()), IsOk());
}

TEST_F(PipeTest, TheChildsDeathIsSeenThoughAGrandchildHoldsThePipe) {
  // Started before the server could mark its descriptors.
  const std::string pid_file = directory_.File("grandchild");
  const auto stub = Stub(
      InShell("sleep 1000 & echo $! > " + pid_file + "; exec \"$0\" \"$@\""));
  ASSERT_THAT(Echo(stub.get()), IsOk());
  pid_t grandchild = -1;
  std::ifstream(pid_file) >> grandchild;
  std::thread blocked([&] {
    ClientContext context;
    Plan plan;
    plan.set_gate("held");
    plan.set_wait(true);
    Message reply;
    EXPECT_THAT(stub->Block(&context, plan, &reply),
                IsStatus(UNAVAILABLE, "(SIGKILL)"));
  });
  const Served served = TheServed();
  Gatekeeper(served).AwaitEntered("held");
  served.process().Signal(SIGKILL);
  blocked.join();
  EXPECT_EQ(kill(grandchild, 0), 0) << "it goes on";
  kill(grandchild, SIGKILL);
  EXPECT_THAT(Echo(stub.get()), IsOk());
  std::ifstream(pid_file) >> grandchild;
  kill(grandchild, SIGKILL);
}

TEST_F(PipeTest, TheChildHasItsStandardStreamsAndNoSignalOfOursIsBlocked) {
  sigset_t usr1, before;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &usr1, &before);
  const auto pipe_before = signal(SIGPIPE, SIG_IGN);
  ::testing::internal::CaptureStdout();
  const auto stub = Stub(InShell("echo noise; exec \"$0\" \"$@\""));
  EXPECT_THAT(Echo(stub.get()), IsOk());
  EXPECT_THAT(::testing::internal::GetCapturedStdout(), HasSubstr("noise\n"));
  signal(SIGPIPE, pipe_before);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  std::ifstream status("/proc/" + std::to_string(TheServed().pid()) +
                       "/status");
  // Signals from 32 on are the C library's own and the real-time ones.
  constexpr uint64_t kOfUsers = 0x7fffffff;
  int seen = 0;
  for (std::string key, value; status >> key && std::getline(status, value);) {
    if (key != "SigBlk:" && key != "SigIgn:") continue;
    ++seen;
    EXPECT_EQ(std::stoull(value, nullptr, 16) & kOfUsers, 0u) << key;
  }
  EXPECT_EQ(seen, 2);
}

TEST_F(PipeTest, ThePipesHaveTheConfiguredSizeAndCloseOnExecInTheChild) {
  const std::string path = directory_.File("config.json");
  std::ofstream(path) << R"({"targets": {"server": {"uri": ")"
                      << PipeTarget(Command())
                      << R"(", "options": {"pipe_bytes": 4096}}}})";
  ASSERT_TRUE(LoadConfig(path).ok());
  const auto before = Pipes("/proc/self");
  const auto stub = Stub("server");
  ASSERT_THAT(Echo(stub.get()), IsOk());
  const std::string process = "/proc/" + std::to_string(TheServed().pid());
  int pipes = 0;
  for (const auto& [number, file] : Pipes(process)) {
    if (Contains(before, file)) continue;
    ++pipes;
    std::ifstream info(process + "/fdinfo/" + number);
    for (std::string key, value; info >> key >> value;) {
      if (key != "flags:") continue;
      const int flags = std::stoi(value, nullptr, 8);
      EXPECT_NE(flags & O_CLOEXEC, 0);
      const int fd = open((process + "/fd/" + number).c_str(),
                          (flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC);
      EXPECT_EQ(fcntl(fd, F_GETPIPE_SZ), 4096);
      close(fd);
    }
  }
  EXPECT_EQ(pipes, 2);
  ClientContext context;
  const Message request = MakeMessage(3 << 20);
  Message reply;
  EXPECT_THAT(stub->Echo(&context, request, &reply), IsOk());
  EXPECT_TRUE(reply.payload() == request.payload());
  std::ofstream(path) << "{}";
  ASSERT_TRUE(LoadConfig(path).ok());
}

TEST_F(PipeTest, AnApplicationThatIgnoresSigchldLosesTheExitStatusOnly) {
  struct sigaction ignore = {}, before, after;
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGCHLD, &ignore, &before);
  {
    const auto stub = Stub(PipeTarget(Command()));
    ASSERT_THAT(Echo(stub.get()), IsOk());
    std::thread blocked([&] {
      ClientContext context;
      Plan plan;
      plan.set_gate("held");
      plan.set_wait(true);
      Message reply;
      EXPECT_THAT(
          stub->Block(&context, plan, &reply),
          IsStatus(UNAVAILABLE, "exit status taken by the application"));
    });
    const Served served = TheServed();
    Gatekeeper(served).AwaitEntered("held");
    kill(served.pid(), SIGKILL);
    blocked.join();
    EXPECT_THAT(Echo(stub.get()), IsOk());
  }
  sigaction(SIGCHLD, &before, &after);
  EXPECT_EQ(after.sa_handler, SIG_IGN);
}

TEST_F(PipeTest, ACallerInAHurryLeavesTheStartingChildToTheNext) {
  const std::string starts = directory_.File("starts");
  const std::string gate = directory_.File("gate");
  const auto stub = LeaveAStartingChild(starts, gate);
  std::thread opening([&gate] { std::ofstream(gate) << "go\n"; });
  EXPECT_THAT(Echo(stub.get()), IsOk());
  opening.join();
  EXPECT_EQ(Lines(starts), 1);
}

TEST_F(PipeTest, AChildThatEndedAfterItsCallerLeftIsReplaced) {
  const std::string starts = directory_.File("starts");
  const std::string gate = directory_.File("gate");
  const auto stub = LeaveAStartingChild(starts, gate);
  std::ofstream(gate) << "go\n";
  // It serves, and has said so to nobody yet.
  const pid_t first =
      static_cast<pid_t>(Gatekeeper(TheServed()).Process().pid());
  const EndOf end(first);
  kill(first, SIGKILL);
  end.Await();
  std::thread opening([&gate] { std::ofstream(gate) << "go\n"; });
  EXPECT_THAT(Echo(stub.get()), IsOk());
  opening.join();
  EXPECT_EQ(Lines(starts), 2);
}

TEST_F(PipeTest, ClosingEndsAChildThatDoesNotEndByItself) {
  const std::string served = directory_.File("served");
  {
    // The server ends with its pipe; what the shell becomes then does not.
    const auto stub = Stub(InShell("trap '' TERM; \"$0\" \"$@\"; echo >> " +
                                   served + "; exec sleep 1000"));
    ASSERT_THAT(Echo(stub.get()), IsOk());
  }
  EXPECT_EQ(Lines(served), 1);
}

TEST_F(PipeTest, TheServerEndsWithItsParentThoughThatOneWasKilled) {
  const LeakAudit audit;
  ChildProcess parent =
      ChildProcess::Exec({NEARCALL_CALL_CLIENT, PipeTarget(Command()), "held"});
  std::optional<EndOf> end;
  {
    // Over the control target: the server is no child of ours.
    Gatekeeper gates(TheServed());
    gates.AwaitEntered("held");
    end.emplace(static_cast<int>(gates.Process().pid()));
  }
  const auto killed = std::chrono::system_clock::now();
  parent.Kill();
  end->Await();
  EXPECT_LT(std::chrono::system_clock::now() - killed, std::chrono::seconds(1));
  end.reset();
  audit.Check(kKeptThreads);
}

TEST_F(PipeTest, NothingIsLeftOfAChannelAndItsChild) {
  const auto once = [this](bool kill) {
    const auto channel = DefaultChannel(PipeTarget(Command()));
    const auto stub = TestService::NewStub(channel);
    ASSERT_THAT(Echo(stub.get()), IsOk());
    if (!kill) return;
    TheServed().process().Signal(SIGKILL);
    EXPECT_TRUE(channel->WaitForStateChange(ConnectivityState::kReady,
                                            In(std::chrono::seconds(30))));
  };
  once(false);
  const LeakAudit audit;
  for (const bool kill : {false, true, true, false}) once(kill);
  audit.Check(kKeptThreads);
}

TEST_F(PipeTest, AStormOfSignalsChangesNothing) {
  Storm storm;
  storm.Begin();
  const int before = storm.count();
  while (storm.count() < before + 300) {
    const auto stub = Stub(PipeTarget(Command()));
    for (const size_t size : {size_t{8}, size_t{5000}, size_t{300'000}}) {
      ClientContext context;
      const Message request = MakeMessage(size);
      Message reply;
      ASSERT_THAT(stub->Echo(&context, request, &reply), IsOk());
      ASSERT_EQ(reply.payload(), request.payload());
    }
  }
}

TEST_F(PipeTest, AChildThatWouldStartItselfForEverIsAnError) {
  const std::string target = PipeTarget(Command());
  const auto stub = Stub(target);
  ClientContext context;
  NestedRequest request;
  request.set_target(target);
  Message reply;
  EXPECT_THAT(stub->Nested(&context, request, &reply),
              IsStatus(INVALID_ARGUMENT, "for ever"));
}

TEST_F(PipeTest, AttachesToAChildThatWasStartedByHand) {
  setenv("NEARCALL_PIPE_REATTACH", "unix:by-hand", 1);
  std::string line;
  ChildProcess by_hand = ExecUntilReady(Command(), &line);
  EXPECT_THAT(line, HasSubstr("ready unix:"));
  {
    const auto stub = Stub("pipe:not/started");
    ClientContext context;
    InfoReply reply;
    EXPECT_THAT(stub->Info(&context, Message(), &reply), IsOk());
    EXPECT_EQ(reply.pid(), by_hand.pid());
  }
  setenv("NEARCALL_PIPE_REATTACH", "tcp:x", 1);
  EXPECT_THAT(Echo(Stub("pipe:not/started").get()),
              IsStatus(INVALID_ARGUMENT, "NEARCALL_PIPE_REATTACH=tcp:x"));
  unsetenv("NEARCALL_PIPE_REATTACH");
  by_hand.Kill();
}

}  // namespace
}  // namespace nearcall::test
