#include "tests/call/call_test.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

#include "tests/call/interceptors.h"

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

std::vector<std::string> ServerCommand(const ServerSettings& settings) {
  std::vector<std::string> argv = {NEARCALL_CALL_SERVER};
  if (settings.callback) argv.push_back("--callback");
  if (settings.record_hooks) argv.push_back("--record-hooks");
  if (settings.health) argv.push_back("--health");
  if (settings.reflection != Reflection::kSameUser) {
    argv.push_back("--reflection=" +
                   std::to_string(static_cast<int>(settings.reflection)));
  }
  const auto option = [&argv](const char* name, int value) {
    if (value != 0) argv.push_back(name + std::to_string(value));
  };
  option("--max-receive=", settings.max_receive);
  option("--max-send=", settings.max_send);
  option("--max-threads=", settings.max_threads);
  option("--buffering=", settings.buffering);
  option("--buffering-bytes=", settings.buffering_bytes);
  if (!settings.ledger.empty()) argv.push_back("--ledger=" + settings.ledger);
  argv.insert(argv.end(), settings.targets.begin(), settings.targets.end());
  return argv;
}

Served::Served(const TransportCase& transport, const ServerSettings& settings)
    : control_(settings.targets.back()),
      child_of_channel_(transport.child_of_channel) {
  if (transport.child_of_channel) return;
  if (transport.one_process) {
    here_ = std::make_unique<TestServer>(settings);
    EXPECT_NE(here_->server(), nullptr);
    return;
  }
  std::string line;
  process_ = ExecUntilReady(ServerCommand(settings), &line);
  EXPECT_EQ(line.rfind("ready ", 0), 0u) << "the server did not start";
}

int Served::pid() const {
  return here_ != nullptr ? getpid() : process().pid();
}

ChildProcess& Served::process() const {
  if (child_of_channel_ && !process_.running()) {
    process_ = ChildProcess::OfAnother(
        static_cast<pid_t>(Gatekeeper(*this).Process().pid()));
  }
  return process_;
}

void Served::Kill() {
  if (here_ == nullptr) process().Kill();
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

ServerSettings ServingTest::WithTargets(ServerSettings settings,
                                        const std::string& name) const {
  settings.targets = {transport().target(name, getpid()) + settings.options,
                      "unix:control-" + name};
  return settings;
}

std::string ServingTest::Target(const std::string& name) const {
  const auto served = served_.find(name);
  if (!transport().child_of_channel) {
    return transport().target(name, getpid()) +
           (served != served_.end() ? served->second.options : "");
  }
  return PipeTarget(ServerCommand(
      served != served_.end() ? served->second : WithTargets({}, name)));
}

Served ServingTest::Serve(ServerSettings settings, const std::string& name) {
  if (transport().child_of_channel && !settings.options.empty()) {
    Configure(std::exchange(settings.options, ""));
  }
  settings = WithTargets(std::move(settings), name);
  served_[name] = settings;
  return Served(transport(), settings);
}

// "?name=value&name=value"
void ServingTest::Configure(const std::string& options) {
  std::string json;
  std::istringstream pairs(options.substr(1));
  for (std::string name, value;
       std::getline(pairs, name, '=') && std::getline(pairs, value, '&');) {
    const bool number = std::all_of(value.begin(), value.end(), isdigit);
    const char* const quote = number ? "" : "\"";
    json += (json.empty() ? "{\"defaults\": {\"" : ", \"") + name +
            "\": " + quote + value + quote;
  }
  const std::string path = directory_.File("config.json");
  std::ofstream(path) << json << "}}";
  setenv("NEARCALL_CONFIG", path.c_str(), 1);
  EXPECT_TRUE(LoadConfig(path).ok());
  configured_ = true;
}

ServingTest::~ServingTest() {
  if (!configured_) return;
  unsetenv("NEARCALL_CONFIG");
  const std::string path = directory_.File("config.json");
  std::ofstream(path) << "{}";
  EXPECT_TRUE(LoadConfig(path).ok());
}

std::shared_ptr<Channel> MakeChannel(const std::string& target) {
  ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  return experimental::CreateCustomChannelWithInterceptors(
      target, InsecureChannelCredentials(), arguments,
      PassingClientInterceptors());
}

std::shared_ptr<Channel> DefaultChannel(const std::string& target) {
  return experimental::CreateCustomChannelWithInterceptors(
      target, InsecureChannelCredentials(), ChannelArguments(),
      PassingClientInterceptors());
}

std::shared_ptr<Channel> ConnectedChannel(const std::string& target) {
  std::shared_ptr<Channel> channel = DefaultChannel(target);
  EXPECT_TRUE(channel->WaitForConnected(In(std::chrono::seconds(30))));
  return channel;
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

Gatekeeper::Gatekeeper(const std::string& control)
    : stub_(Control::NewStub(MakeChannel(control))) {}

void Gatekeeper::Open(const std::string& gate) {
  ClientContext context;
  context.set_wait_for_ready(true);
  GateState request;
  GateState reply;
  request.set_gate(gate);
  EXPECT_THAT(stub_->Open(&context, request, &reply), IsOk());
}

GateState Gatekeeper::Await(const GateState& least) {
  ClientContext context;
  context.set_wait_for_ready(true);
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
  context.set_wait_for_ready(true);
  ProcessState reply;
  EXPECT_THAT(stub_->Process(&context, ProcessState(), &reply), IsOk());
  return reply;
}

int64_t Gatekeeper::Allocations() {
  ClientContext context;
  context.set_wait_for_ready(true);
  ProcessState reply;
  const Status status = stub_->Allocations(&context, ProcessState(), &reply);
  EXPECT_TRUE(status.ok()) << status.ToString();  // A matcher allocates.
  return reply.allocations();
}

}  // namespace nearcall::test
