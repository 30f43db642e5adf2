// The fixture of the call tests: a server of test.proto on one transport, in a
// process of its own where the transport allows, and channels to it.
#ifndef NEARCALL_TESTS_CALL_CALL_TEST_H_
#define NEARCALL_TESTS_CALL_CALL_TEST_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nearcall/nearcall.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/call/test_server.h"
#include "tests/call/transports.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_runtime_dir.h"

namespace nearcall::test {

/// A served target: another process, or (inproc) objects of this one.
class Served {
 public:
  Served() = default;
  /// Options as call_server's. Waits until it serves.
  Served(const TransportCase& transport, const std::string& target,
         const ServerSettings& settings);

  int pid() const { return process_.running() ? process_.pid() : getpid(); }
  internal::ChildProcess& process() { return process_; }
  /// Ends it at once (a process: SIGKILL).
  void Kill();

 private:
  internal::ChildProcess process_;
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

class CallTest : public ::testing::TestWithParam<TransportCase> {
 protected:
  CallTest();

  std::string Target(const std::string& name = "test") const {
    return GetParam().target(name, getpid());
  }
  Served Serve(const ServerSettings& settings = {},
               const std::string& name = "test") const {
    return Served(GetParam(), Target(name), settings);
  }

  static constexpr int kSeconds = 60;
  Watchdog watchdog_{kSeconds};
  internal::TempRuntimeDir directory_;
};

/// A channel with limits above every message of the tests.
std::shared_ptr<Channel> MakeChannel(const std::string& target);
/// A channel as users make it.
std::shared_ptr<Channel> DefaultChannel(const std::string& target);

std::chrono::system_clock::time_point In(std::chrono::nanoseconds time);

Message MakeMessage(size_t size, int64_t sequence = 0);

/// Drives the gates of a server over a channel of its own.
class Gatekeeper {
 public:
  explicit Gatekeeper(const std::string& target);
  void Open(const std::string& gate);
  /// Waits for the counts; returns them.
  GateState AwaitEntered(const std::string& gate, int64_t count = 1);
  GateState AwaitEnded(const std::string& gate, int64_t count = 1);
  GateState AwaitCancelled(const std::string& gate, int64_t count = 1);
  ProcessState Process();

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
