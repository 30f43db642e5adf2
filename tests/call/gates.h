// Gates at which handlers wait, and the counts by which tests know that they
// are there: events in place of sleeps.
#ifndef NEARCALL_TESTS_CALL_GATES_H_
#define NEARCALL_TESTS_CALL_GATES_H_

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "test.pb.h"

namespace nearcall::test {

/// Thread-safe. A gate is there once it is named, and stays open once opened.
class Gates {
 public:
  using Cancelled = std::function<bool()>;

  /// Each Echo writes its sequence number to this file, so that it can be read
  /// after the server was killed.
  void KeepLedger(const std::string& path) {
    ledger_ =
        open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (ledger_ < 0) abort();
  }
  void Record(int64_t sequence) {
    if (ledger_ >= 0 && write(ledger_, &sequence, sizeof sequence) < 0) abort();
  }

  /// A handler is at the gate.
  void Enter(const std::string& name) {
    Change(name, [](Gate& gate) { ++gate.entered; });
  }
  /// A handler that was there ends.
  void End(const std::string& name, bool cancelled) {
    Change(name, [cancelled](Gate& gate) {
      ++gate.ended;
      gate.cancelled += cancelled ? 1 : 0;
    });
  }
  /// Blocks until the gate opens; false: the call was cancelled before.
  bool Wait(const std::string& name, const Cancelled& cancelled) {
    return Until(cancelled, [&] { return gates_[name].open; });
  }
  /// The same for reactors: runs `opened` when the gate opens (now, if it is
  /// open). It may be called late; the reactor's own state must tell it so.
  void WhenOpen(const std::string& name, std::function<void()> opened) {
    {
      std::lock_guard<std::mutex> lock(mu_);
      Gate& gate = gates_[name];
      if (!gate.open) {
        gate.waiting.push_back(std::move(opened));
        return;
      }
    }
    opened();
  }
  void Open(const std::string& name) {
    std::vector<std::function<void()>> waiting;
    Change(name, [&](Gate& gate) {
      gate.open = true;
      waiting.swap(gate.waiting);
    });
    for (const auto& opened : waiting) opened();
  }
  /// Blocks until the gate's counts are at least `least`; false: cancelled.
  bool Await(const GateState& least, const Cancelled& cancelled) {
    return Until(cancelled, [&] {
      const Gate& gate = gates_[least.gate()];
      return gate.entered >= least.entered() && gate.ended >= least.ended() &&
             gate.cancelled >= least.cancelled();
    });
  }
  GateState State(const std::string& name) {
    std::lock_guard<std::mutex> lock(mu_);
    const Gate& gate = gates_[name];
    GateState state;
    state.set_gate(name);
    state.set_entered(gate.entered);
    state.set_ended(gate.ended);
    state.set_cancelled(gate.cancelled);
    return state;
  }

 private:
  struct Gate {
    int64_t entered = 0;
    int64_t ended = 0;
    int64_t cancelled = 0;
    bool open = false;
    std::vector<std::function<void()>> waiting;
  };

  template <typename Body>
  void Change(const std::string& name, Body body) {
    std::lock_guard<std::mutex> lock(mu_);
    body(gates_[name]);
    changed_.notify_all();
  }
  // A blocking handler learns of its cancellation by asking.
  template <typename Condition>
  bool Until(const Cancelled& cancelled, Condition condition) {
    std::unique_lock<std::mutex> lock(mu_);
    while (!condition()) {
      if (cancelled()) return false;
      changed_.wait_for(lock, std::chrono::milliseconds(2));
    }
    return true;
  }

  int ledger_ = -1;
  std::mutex mu_;
  std::condition_variable changed_;
  std::map<std::string, Gate> gates_;
};

}  // namespace nearcall::test

#endif  // NEARCALL_TESTS_CALL_GATES_H_
