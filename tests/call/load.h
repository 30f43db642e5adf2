// Clients that call at the same time, each with a channel and a thread of its
// own, and how often each of them was served.
#ifndef NEARCALL_TESTS_CALL_LOAD_H_
#define NEARCALL_TESTS_CALL_LOAD_H_

#include <nearcall/nearcall.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "test.nearcall.pb.h"

namespace nearcall::test {

class Load {
 public:
  /// Every client has been served once when it returns, or has failed.
  Load(const std::string& target, int clients)
      : counts_(static_cast<size_t>(clients), 0) {
    for (int i = 0; i < clients; ++i) {
      threads_.emplace_back([this, i, target] { Client(target, i); });
    }
    std::unique_lock<std::mutex> lock(mu_);
    changed_.wait(lock, [this, clients] { return ready_ == clients; });
  }
  ~Load() { Finish(); }

  /// Lets all of them call as fast as they can, from now on for so long.
  void Begin(std::chrono::milliseconds time) {
    std::lock_guard<std::mutex> lock(mu_);
    until_ = std::chrono::steady_clock::now() + time;
    begun_ = true;
    changed_.notify_all();
  }
  /// After that time: the calls of each client; -1: one of them failed.
  const std::vector<int64_t>& Finish() {
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
    return counts_;
  }

 private:
  void Client(const std::string& target, int number) {
    const auto stub = TestService::NewStub(
        CreateChannel(target, InsecureChannelCredentials()));
    Message request;
    request.set_sequence(number);
    const auto call = [&] {
      ClientContext context;
      Message reply;
      const Status status = stub->Echo(&context, request, &reply);
      if (!status.ok()) {
        std::fprintf(stderr, "client %d: %s\n", number,
                     status.ToString().c_str());
      }
      return status.ok() && reply.sequence() == number;
    };
    int64_t calls = call() ? 0 : -1;
    {
      std::unique_lock<std::mutex> lock(mu_);
      ++ready_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return begun_; });
    }
    while (calls >= 0 && std::chrono::steady_clock::now() < until_) {
      calls = call() ? calls + 1 : -1;
    }
    counts_[static_cast<size_t>(number)] = calls;
  }

  std::mutex mu_;
  std::condition_variable changed_;
  int ready_ = 0;
  bool begun_ = false;
  std::chrono::steady_clock::time_point until_;
  std::vector<int64_t> counts_;
  std::vector<std::thread> threads_;
};

}  // namespace nearcall::test

#endif  // NEARCALL_TESTS_CALL_LOAD_H_
