// The fixture of the call tests: a server of test.proto on one transport, in a
// process of its own where the transport allows, and channels to it.
#ifndef NEARCALL_TESTS_CALL_CALL_TEST_H_
#define NEARCALL_TESTS_CALL_CALL_TEST_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nearcall/nearcall.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/call/test_server.h"
#include "tests/call/transports.h"
#include "tests/support/child_process.h"
#include "tests/support/slowness.h"
#include "tests/support/temp_runtime_dir.h"

namespace nearcall::test {

/// The command line of a call_server on `settings.targets`.
std::vector<std::string> ServerCommand(const ServerSettings& settings);

/// A served target: another process, or (inproc) objects of this one. Where
/// channels start their servers themselves this starts nothing, and the process
/// is the one that a channel has started, or will have: ask for it only when
/// there is such a channel.
class Served {
 public:
  Served() = default;
  /// The server listens on settings.targets, the last of which is its control
  /// target, which leads to the same process over any transport. Waits until it
  /// serves.
  Served(const TransportCase& transport, const ServerSettings& settings);

  /// Where Control and TestService are served beside the transport under test.
  const std::string& control() const { return control_; }
  int pid() const;
  /// Not for inproc.
  internal::ChildProcess& process() const;
  /// Ends it at once (a process: SIGKILL).
  void Kill();

 private:
  std::string control_;
  bool child_of_channel_ = false;
  mutable internal::ChildProcess process_;
  std::unique_ptr<TestServer> here_;
};

/// Runs `program` and waits for the line that it writes first; the rest of its
/// output goes where ours goes. Empty: it ended without one.
internal::ChildProcess ExecUntilReady(const std::vector<std::string>& argv,
                                      std::string* line);

/// Ends the test program, with the test's name, when a test takes this long:
/// far beyond anything but a hang.
class Watchdog {
 public:
  explicit Watchdog(int seconds);
  ~Watchdog();
};

class ServingTest : public ::testing::Test {
 protected:
  ~ServingTest() override;

  /// The one under test.
  virtual const TransportCase& transport() const = 0;

  /// What a channel to the server of that name is given. Where it starts the
  /// server, the settings are those of the last Serve.
  std::string Target(const std::string& name = "test") const;
  Served Serve(ServerSettings settings = {}, const std::string& name = "test");

  static constexpr int kSeconds = 60 * internal::kSanitizerSlowness;
  Watchdog watchdog_{kSeconds};
  internal::TempRuntimeDir directory_;

 private:
  ServerSettings WithTargets(ServerSettings settings,
                             const std::string& name) const;
  /// Options for targets that cannot have them: this process's and its
  /// children's configuration.
  void Configure(const std::string& options);

  std::map<std::string, ServerSettings> served_;
  bool configured_ = false;
};

/// One test body over each transport.
class CallTest : public ServingTest,
                 public ::testing::WithParamInterface<TransportCase> {
 protected:
  const TransportCase& transport() const override { return GetParam(); }
};

/// A channel with limits above every message of the tests.
std::shared_ptr<Channel> MakeChannel(const std::string& target);
/// A channel as users make it.
std::shared_ptr<Channel> DefaultChannel(const std::string& target);
/// The same, connected: a server that channels start is there.
std::shared_ptr<Channel> ConnectedChannel(const std::string& target);

std::chrono::system_clock::time_point In(std::chrono::nanoseconds time);

Message MakeMessage(size_t size, int64_t sequence = 0);

/// Drives the gates of a server over a channel of its own, to the control
/// target; waits for a server that is yet to start.
class Gatekeeper {
 public:
  explicit Gatekeeper(const Served& served) : Gatekeeper(served.control()) {}
  explicit Gatekeeper(const std::string& control);
  void Open(const std::string& gate);
  /// Waits for the counts; returns them.
  GateState AwaitEntered(const std::string& gate, int64_t count = 1);
  GateState AwaitEnded(const std::string& gate, int64_t count = 1);
  GateState AwaitCancelled(const std::string& gate, int64_t count = 1);
  ProcessState Process();
  int64_t Allocations();

 private:
  GateState Await(const GateState& least);
  const std::unique_ptr<Control::Stub> stub_;
};

MATCHER_P2(IsStatus, code, text, "") {
  *result_listener << arg.ToString();
  return arg.error_code() == code &&
         arg.error_message().find(text) != std::string::npos;
}
MATCHER(IsOk, "") {
  *result_listener << arg.ToString();
  return arg.ok();
}

}  // namespace nearcall::test

#endif  // NEARCALL_TESTS_CALL_CALL_TEST_H_
