// A signal of the application's own, 1000 times a second.
#ifndef NEARCALL_TESTS_SIGNALS_STORM_H_
#define NEARCALL_TESTS_SIGNALS_STORM_H_

#include <signal.h>
#include <time.h>

#include <atomic>
#include <cstdlib>

namespace nearcall::test {

/// SIGUSR1 from a timer, handled without SA_RESTART: system calls that are
/// interrupted say so. At most one at a time.
class Storm {
 public:
  Storm() = default;
  Storm(const Storm&) = delete;
  Storm& operator=(const Storm&) = delete;
  ~Storm() {
    if (!running_) return;
    timer_delete(timer_);
    signal(SIGUSR1, SIG_IGN);
  }

  void Begin() {
    struct sigaction action {};
    action.sa_handler = [](int) { seen_.fetch_add(1); };
    sigemptyset(&action.sa_mask);
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGUSR1;
    const itimerspec each = {{0, 1'000'000}, {0, 1'000'000}};
    if (sigaction(SIGUSR1, &action, nullptr) != 0 ||
        timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0 ||
        timer_settime(timer_, 0, &each, nullptr) != 0) {
      abort();
    }
    running_ = true;
  }
  int count() const { return seen_.load(); }

 private:
  static inline std::atomic<int> seen_{0};
  timer_t timer_{};
  bool running_ = false;
};

}  // namespace nearcall::test

#endif  // NEARCALL_TESTS_SIGNALS_STORM_H_
