// Unary calls whose end a test awaits, made by blocking on a thread of their
// own or by callback, and proof that each ended exactly once.
#ifndef NEARCALL_TESTS_CALL_PENDING_CALL_H_
#define NEARCALL_TESTS_CALL_PENDING_CALL_H_

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <ostream>
#include <thread>
#include <utility>

#include "tests/call/call_test.h"

namespace nearcall::test {

enum class Surface { kBlocking, kCallback, kReactor };
inline constexpr Surface kSurfaces[] = {Surface::kBlocking, Surface::kCallback};
inline constexpr Surface kAllSurfaces[] = {
    Surface::kBlocking, Surface::kCallback, Surface::kReactor};

inline std::ostream& operator<<(std::ostream& out, Surface surface) {
  switch (surface) {
    case Surface::kBlocking:
      return out << "blocking";
    case Surface::kCallback:
      return out << "callback";
    case Surface::kReactor:
      return out << "reactor";
  }
  return out;
}

/// Set up `context` and the request, then start one of the methods.
class PendingCall {
 public:
  explicit PendingCall(Surface surface) : surface_(surface) {}
  ~PendingCall() {
    if (started_) (void)Await();
    if (thread_.joinable()) thread_.join();
    EXPECT_EQ(ends_, started_ ? 1 : 0) << "a call ends exactly once";
  }

  void StartEcho(TestService::Stub* stub, Message request) {
    message_ = std::move(request);
    Start([this, stub] { return stub->Echo(&context, message_, &reply); },
          [this, stub](auto done) {
            stub->async()->Echo(&context, &message_, &reply, done);
          });
  }
  void StartBlock(TestService::Stub* stub, Plan plan) {
    plan_ = std::move(plan);
    Start([this, stub] { return stub->Block(&context, plan_, &reply); },
          [this, stub](auto done) {
            stub->async()->Block(&context, &plan_, &reply, done);
          });
  }
  void StartFail(TestService::Stub* stub, Plan plan) {
    plan_ = std::move(plan);
    Start([this, stub] { return stub->Fail(&context, plan_, &reply); },
          [this, stub](auto done) {
            stub->async()->Fail(&context, &plan_, &reply, done);
          });
  }
  /// Blocks until it has ended.
  Status Await() {
    std::unique_lock<std::mutex> lock(mu_);
    ended_.wait(lock, [this] { return ends_ > 0; });
    return status_;
  }
  bool HasEnded() {
    std::lock_guard<std::mutex> lock(mu_);
    return ends_ > 0;
  }
  /// From the start to the end; after it.
  std::chrono::nanoseconds Took() const { return end_ - begin_; }
  /// After the end: how long after the deadline that was.
  std::chrono::nanoseconds Late() const { return end_ - context.deadline(); }

  ClientContext context;
  Message reply;

 private:
  template <typename Blocking, typename Callback>
  void Start(Blocking blocking, Callback callback) {
    started_ = true;
    begin_ = std::chrono::system_clock::now();
    switch (surface_) {
      case Surface::kBlocking:
        thread_ = std::thread([this, blocking] { End(blocking()); });
        return;
      case Surface::kCallback:
        callback([this](Status status) { End(std::move(status)); });
        return;
      case Surface::kReactor:
        callback(&reactor_);
        reactor_.StartCall();
        return;
    }
  }
  class Reactor final : public ClientUnaryReactor {
   public:
    explicit Reactor(PendingCall* call) : call_(*call) {}
    void OnReadInitialMetadataDone(bool) override { ++initial_metadata_; }
    void OnDone(const Status& status) override {
      EXPECT_EQ(initial_metadata_, 1) << "told once, before the end";
      call_.End(status);
    }

   private:
    PendingCall& call_;
    int initial_metadata_ = 0;
  };
  void End(Status status) {
    std::lock_guard<std::mutex> lock(mu_);
    end_ = std::chrono::system_clock::now();
    ++ends_;
    status_ = std::move(status);
    ended_.notify_all();
  }

  const Surface surface_;
  Reactor reactor_{this};
  std::thread thread_;
  Message message_;
  Plan plan_;
  std::chrono::system_clock::time_point begin_;
  std::chrono::system_clock::time_point end_;
  std::mutex mu_;
  std::condition_variable ended_;
  int ends_ = 0;
  bool started_ = false;
  Status status_;
};

/// A plan that counts at `gate` and waits there.
inline Plan WaitAt(const std::string& gate) {
  Plan plan;
  plan.set_gate(gate);
  plan.set_wait(true);
  return plan;
}

}  // namespace nearcall::test

#endif  // NEARCALL_TESTS_CALL_PENDING_CALL_H_
