#include "tests/call/call_test.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>

namespace nearcall::test {

using internal::ChildProcess;

ChildProcess ExecUntilReady(const std::vector<std::string>& argv,
                            std::string* line) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  ChildProcess child = ChildProcess::Fork([&] {
    dup2(ends[1], STDOUT_FILENO);
    std::vector<char*> arguments;
    for (const std::string& argument : argv) {
      arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    arguments.push_back(nullptr);
    execv(arguments[0], arguments.data());
    perror(arguments[0]);
    return 127;
  });
  close(ends[1]);
  line->clear();
  char c;
  while (read(ends[0], &c, 1) == 1 && c != '\n') line->push_back(c);
  close(ends[0]);
  return child;
}

Served::Served(const TransportCase& transport, const std::string& target,
               const ServerSettings& settings) {
  if (transport.one_process) {
    ServerSettings here = settings;
    here.targets = {target};
    here_ = std::make_unique<TestServer>(here);
    EXPECT_NE(here_->server(), nullptr);
    return;
  }
  std::vector<std::string> argv = {NEARCALL_CALL_SERVER};
  if (settings.callback) argv.push_back("--callback");
  const auto option = [&argv](const char* name, int value) {
    if (value != 0) argv.push_back(name + std::to_string(value));
  };
  option("--max-receive=", settings.max_receive);
  option("--max-send=", settings.max_send);
  option("--max-threads=", settings.max_threads);
  argv.push_back(target);
  std::string line;
  process_ = ExecUntilReady(argv, &line);
  EXPECT_EQ(line.rfind("ready ", 0), 0u) << "the server did not start";
}

void Served::Kill() {
  process_.Kill();
  here_.reset();
}

namespace {
char watched[256];
}

Watchdog::Watchdog(int seconds) {
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  std::snprintf(watched, sizeof watched, "%s.%s: no end in sight; aborting\n",
                info->test_suite_name(), info->name());
  signal(SIGALRM, [](int) {
    if (write(STDERR_FILENO, watched, strlen(watched)) < 0) _exit(3);
    abort();
  });
  alarm(static_cast<unsigned>(seconds));
}

Watchdog::~Watchdog() { alarm(0); }

CallTest::CallTest() = default;

std::shared_ptr<Channel> MakeChannel(const std::string& target) {
  ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  return CreateCustomChannel(target, InsecureChannelCredentials(), arguments);
}

std::shared_ptr<Channel> DefaultChannel(const std::string& target) {
  return CreateChannel(target, InsecureChannelCredentials());
}

std::chrono::system_clock::time_point In(std::chrono::nanoseconds time) {
  return std::chrono::system_clock::now() + time;
}

Message MakeMessage(size_t size, int64_t sequence) {
  Message message;
  message.set_sequence(sequence);
  std::string* payload = message.mutable_payload();
  payload->resize(size);
  for (size_t i = 0; i < size; ++i) {
    (*payload)[i] = static_cast<char>(i * 31 + static_cast<size_t>(sequence));
  }
  return message;
}

Gatekeeper::Gatekeeper(const std::string& target)
    : stub_(Control::NewStub(MakeChannel(target))) {}

void Gatekeeper::Open(const std::string& gate) {
  ClientContext context;
  GateState request;
  GateState reply;
  request.set_gate(gate);
  EXPECT_THAT(stub_->Open(&context, request, &reply), IsOk());
}

GateState Gatekeeper::Await(const GateState& least) {
  ClientContext context;
  GateState reply;
  EXPECT_THAT(stub_->Await(&context, least, &reply), IsOk());
  return reply;
}

GateState Gatekeeper::AwaitEntered(const std::string& gate, int64_t count) {
  GateState least;
  least.set_gate(gate);
  least.set_entered(count);
  return Await(least);
}

GateState Gatekeeper::AwaitEnded(const std::string& gate, int64_t count) {
  GateState least;
  least.set_gate(gate);
  least.set_ended(count);
  return Await(least);
}

GateState Gatekeeper::AwaitCancelled(const std::string& gate, int64_t count) {
  GateState least;
  least.set_gate(gate);
  least.set_cancelled(count);
  return Await(least);
}

ProcessState Gatekeeper::Process() {
  ClientContext context;
  ProcessState reply;
  EXPECT_THAT(stub_->Process(&context, ProcessState(), &reply), IsOk());
  return reply;
}

}  // namespace nearcall::test
