// A real server in a process of its own, a bystander who calls it all the time,
// and what must hold after every hostile peer.
#ifndef NEARCALL_TESTS_HOSTILE_HOSTILE_TEST_H_
#define NEARCALL_TESTS_HOSTILE_HOSTILE_TEST_H_

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "runtime/transport.h"
#include "tests/call/call_test.h"
#include "tests/link/link_test_util.h"
#include "tests/wire/raw_peer.h"

namespace nearcall::test {

/// Calls Echo one call after the other, on a connection of its own.
class Bystander {
 public:
  explicit Bystander(const std::string& target);
  ~Bystander();
  int64_t calls() const { return calls_.load(); }
  int64_t errors() const { return errors_.load(); }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> calls_{0};
  std::atomic<int64_t> errors_{0};
  std::thread thread_;
};

/// One server and one bystander for all tests of a suite.
class HostileTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();
  static std::string Path(const std::string& scheme);
  static std::string Target(const std::string& scheme) {
    return scheme + ":" + Path(scheme);
  }
  /// The server lives, its descriptors are back where they were, and the
  /// bystander went on undisturbed.
  static void ExpectUnharmed();
  static std::unique_ptr<internal::Link> Dial(const std::string& scheme);
  /// Dials and exchanges HELLO.
  static std::unique_ptr<internal::Link> DialHonestly(
      const std::string& scheme);

 private:
  struct Shared;
  static Shared* shared_;
};

/// Frames until the link ends.
void ExpectClosed(internal::Link* link);
/// A PING is answered, whatever else comes before.
void ExpectAlive(internal::Link* link);
/// The code with which call 1 ends; -1: the link ended.
int CodeOfCall(internal::Link* link);

}  // namespace nearcall::test

#endif  // NEARCALL_TESTS_HOSTILE_HOSTILE_TEST_H_
