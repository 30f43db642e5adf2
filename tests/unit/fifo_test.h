// A fifo: listener of this process, and raw clients of it.
#ifndef NEARCALL_TESTS_UNIT_FIFO_TEST_H_
#define NEARCALL_TESTS_UNIT_FIFO_TEST_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <memory>
#include <string>
#include <vector>

#include "runtime/target.h"
#include "runtime/transport.h"
#include "tests/support/temp_runtime_dir.h"

namespace nearcall::internal {

/// Far beyond anything but a hang.
inline constexpr int64_t kFifoWatchdogMillis = 20'000;

class FifoTest : public testing::Test {
 protected:
  static constexpr char kUri[] = "fifo:test";

  static absl::StatusOr<std::unique_ptr<Listener>> Listen() {
    const Target target = ParseTarget(kUri).value();
    return FindTransport("fifo")->listen(target);
  }
  static absl::StatusOr<std::unique_ptr<Link>> Dial(
      int64_t millis = kFifoWatchdogMillis, int interrupt_fd = -1,
      const std::string& uri = kUri) {
    const Target target = ParseTarget(uri).value();
    absl::StatusOr<std::unique_ptr<Dialer>> dialer =
        FindTransport("fifo")->make_dialer(target);
    if (!dialer.ok()) return dialer.status();
    return (*dialer)->Dial(Deadline::AfterMillis(millis), interrupt_fd);
  }
  /// Until incoming() shows something; false after the watchdog.
  static bool AwaitIncoming(Listener* listener) {
    pollfd entry{listener->incoming().fd, POLLIN, 0};
    return poll(&entry, 1, kFifoWatchdogMillis) == 1;
  }
  /// The next that is a link or an error.
  static absl::StatusOr<std::unique_ptr<Link>> Accept(Listener* listener) {
    while (AwaitIncoming(listener)) {
      auto link = listener->Accept();
      if (!link.ok() || *link != nullptr) return link;
    }
    return absl::DeadlineExceededError("nobody came");
  }

  static std::string Text(const absl::Status& status) {
    return status.ToString();
  }
  std::string path() const { return directory_.File("test.fifo"); }
  /// While a server holds the name.
  std::vector<std::string> Served() const {
    return {"test.fifo", "test.fifo.lock"};
  }

  TempRuntimeDir directory_;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TESTS_UNIT_FIFO_TEST_H_
