// The executor: that it grows.
#include "runtime/executor.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

namespace nearcall::internal {
namespace {

class Flag {
 public:
  void Set() {
    const std::lock_guard<std::mutex> lock(mu_);
    set_ = true;
    changed_.notify_all();
  }
  void Wait() {
    std::unique_lock<std::mutex> lock(mu_);
    changed_.wait(lock, [this] { return set_; });
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  bool set_ = false;
};

/// Ends once it is told to.
struct WaitingTask final : Executor::Task {
  Flag go;
  Flag ended;
  void Run() override {
    go.Wait();
    ended.Set();
  }
};
struct SettingTask final : Executor::Task {
  Flag* flag = nullptr;
  void Run() override { flag->Set(); }
};

TEST(ExecutorTest, WorkBehindAThreadThatIsAboutToWakeGetsOneOfItsOwn) {
  for (int i = 0; i < 300; ++i) {
    Executor executor(1, 4);
    Flag started;
    SettingTask starter;
    starter.flag = &started;
    executor.Submit(&starter);
    started.Wait();
    // Mostly, its thread is idle by then.
    for (int yields = 0; yields < 20; ++yields) std::this_thread::yield();
    // It is there for the first, and none for the second, which must not wait
    // for the first's end.
    WaitingTask first;
    SettingTask second;
    second.flag = &first.go;
    executor.Submit(&first);
    executor.Submit(&second);
    first.ended.Wait();
  }
}

}  // namespace
}  // namespace nearcall::internal
