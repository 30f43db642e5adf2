// Sleep, Interrupt, and the races between a sleeper and its waker.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "tests/link/link_test_util.h"

namespace nearcall::internal {
namespace {

using WaitingTest = LinkTest;
NEARCALL_OVER_EVERY_LINK(WaitingTest);

TEST_P(WaitingTest, SleepEndsAtTheDeadline) {
  MakePair();
  const Deadline deadline = Deadline::AfterMillis(30);
  EXPECT_EQ(SleepThroughSpurious(b_, kReadable, deadline), Io::kTimeout);
  EXPECT_TRUE(deadline.passed());
  EXPECT_EQ(SleepThroughSpurious(b_, kReadable, Deadline::Now()), Io::kTimeout);
}

TEST_P(WaitingTest, SleepReturnsForWhatIsThereAlready) {
  MakePair();
  ASSERT_EQ(SendFrame(a_, "one"), Io::kOk);
  ASSERT_EQ(SendFrame(a_, "two"), Io::kOk);
  EXPECT_EQ(ReceiveText(b_), "one");
  // The second frame may lie in the link's own buffer by now.
  EXPECT_EQ(b_->Sleep(kReadable, Watchdog()), Io::kOk);
  EXPECT_EQ(ReceiveText(b_), "two");
  EXPECT_EQ(a_->Sleep(kWritable, Watchdog()), Io::kOk);
  EXPECT_EQ(a_->Sleep(kReadable | kWritable, Watchdog()), Io::kOk);
}

TEST_P(WaitingTest, AnInterruptBeforeSleepIsLatchedOnce) {
  MakePair();
  b_->Interrupt();
  b_->Interrupt();
  EXPECT_EQ(b_->Sleep(kReadable, Watchdog()), Io::kInterrupted);
  EXPECT_EQ(SleepThroughSpurious(b_, kReadable, Deadline::AfterMillis(20)),
            Io::kTimeout);
  b_->Interrupt();
  EXPECT_EQ(SleepThroughSpurious(b_, kReadable, Watchdog()), Io::kInterrupted);
}

TEST_P(WaitingTest, AnInterruptWakesASleeper) {
  MakePair();
  const int rounds = Rounds(5000);
  std::atomic<int> woken{0};
  std::thread sleeper([&] {
    for (int i = 0; i < rounds; ++i) {
      EXPECT_EQ(SleepThroughSpurious(b_, kReadable, Watchdog()),
                Io::kInterrupted);
      woken.store(i + 1);
      woken.notify_one();
    }
  });
  for (int i = 0; i < rounds; ++i) {
    b_->Interrupt();
    woken.wait(i);
  }
  sleeper.join();
}

TEST_P(WaitingTest, InterruptsComeThroughTraffic) {
  MakePair();
  const int rounds = Rounds(2000);
  std::atomic<bool> stop{false};
  std::thread sender([&] {
    while (!stop.load()) {
      const Io io = SendFrame(a_, "traffic");
      if (io != Io::kOk) break;
    }
  });
  for (int i = 0; i < rounds; ++i) {
    std::thread interrupter;
    if (i % 64 == 0) {
      interrupter = std::thread([&] { b_->Interrupt(); });
    } else {
      b_->Interrupt();
    }
    Io io = Io::kOk;
    while (io == Io::kOk) {
      while (TryReceive(b_).io == Io::kOk) {
      }
      io = b_->Sleep(kReadable, Watchdog());
    }
    EXPECT_EQ(io, Io::kInterrupted);
    if (interrupter.joinable()) interrupter.join();
  }
  stop.store(true);
  b_->Close();
  sender.join();
}

// The lost-wake hammer: each side sleeps for the other's frame and nothing else
// wakes it.
TEST_P(WaitingTest, PingPongLosesNoWake) {
  MakePair();
  const auto rounds = static_cast<uint32_t>(Rounds(100'000));
  std::thread echo([&] {
    for (uint32_t i = 0; i < rounds; ++i) {
      const Received received = ReceiveFrame(b_);
      ASSERT_EQ(received.io, Io::kOk) << "round " << i;
      ASSERT_EQ(SendFrame(b_, received.frame), Io::kOk);
    }
  });
  for (uint32_t i = 0; i < rounds; ++i) {
    const std::string frame = Frame(i, 1 + i % 32);
    ASSERT_EQ(SendFrame(a_, frame), Io::kOk);
    ASSERT_EQ(ReceiveText(a_), frame) << "round " << i;
  }
  echo.join();
}

void Flood(Link* link, uint32_t frames, uint32_t largest) {
  for (uint32_t i = 0; i < frames; ++i) {
    const uint32_t size = 1 + (i * 7919) % largest;
    // Now and then a batch goes out by one flush.
    ASSERT_EQ(CommitFrame(link, Frame(i, size)), Io::kOk);
    if (i % 3 != 0) {
      ASSERT_EQ(FlushAll(link), Io::kOk);
    }
  }
  ASSERT_EQ(FlushAll(link), Io::kOk);
}

void Drain(Link* link, uint32_t frames, uint32_t largest) {
  for (uint32_t i = 0; i < frames; ++i) {
    const uint32_t size = 1 + (i * 7919) % largest;
    ASSERT_TRUE(ReceiveText(link) == Frame(i, size)) << "frame " << i;
  }
}

TEST_P(WaitingTest, AOneWayFloodLosesNoWake) {
  MakePair();
  const uint32_t largest = std::min(a_->info().max_frame, 700u);
  const auto frames = static_cast<uint32_t>(Rounds(50'000));
  std::thread writer(Flood, a_, frames, largest);
  Drain(b_, frames, largest);
  writer.join();
}

// Writer and reader of one end are different threads: a sleeper per want bit.
TEST_P(WaitingTest, FloodsBothWaysAtOnce) {
  MakePair();
  const uint32_t largest = std::min(a_->info().max_frame, 3000u);
  const auto frames = static_cast<uint32_t>(Rounds(10'000));
  std::vector<std::thread> threads;
  for (Link* link : {a_, b_}) {
    threads.emplace_back(Flood, link, frames, largest);
    threads.emplace_back(Drain, link, frames, largest);
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace nearcall::internal
