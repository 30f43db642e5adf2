// Parking links in a Waiter: Arm, PollFd, DeathFd and the edges in between.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "runtime/epoll_waiter.h"
#include "tests/link/link_test_util.h"

namespace nearcall::internal {
namespace {

class WaiterTest : public LinkTest {
 protected:
  void SetUp() override {
    MakePair();
    waiter_ = pair_.waiter;
    if (waiter_ != nullptr) return;
    epoll_ = *EpollWaiter::Create();
    waiter_ = epoll_.get();
  }
  void TearDown() override { waiter_->Remove(b_); }

  /// One Wait, for the tag of `link`.
  bool WaitFor(Link* link, Deadline deadline) {
    void* ready[4];
    const size_t count = waiter_->Wait(deadline, ready);
    for (size_t i = 0; i < count; ++i) EXPECT_EQ(ready[i], link);
    EXPECT_LE(count, 1u) << "several events of one tag are one";
    return count == 1;
  }

  /// As a server's thread does: read until kAgain, arm, park.
  Received ParkAndReceive(Link* link) {
    const Deadline watchdog = Watchdog();
    for (;;) {
      Received received = TryReceive(link);
      if (received.io != Io::kAgain) return received;
      if (!link->Arm(kReadable)) continue;
      const bool fired = WaitFor(link, watchdog);
      link->Disarm();
      if (!fired) return {Io::kTimeout, ""};
    }
  }

  std::unique_ptr<EpollWaiter> epoll_;
  Waiter* waiter_ = nullptr;
};
NEARCALL_OVER_EVERY_LINK(WaiterTest);

TEST_P(WaiterTest, ArmSaysWhenThereIsProgressAlready) {
  ASSERT_EQ(SendFrame(a_, "one"), Io::kOk);
  ASSERT_EQ(SendFrame(a_, "two"), Io::kOk);
  ASSERT_TRUE(waiter_->Add(b_, kReadable, b_));
  EXPECT_EQ(ParkAndReceive(b_).frame, "one");
  EXPECT_EQ(ParkAndReceive(b_).frame, "two");
  EXPECT_EQ(TryReceive(b_).io, Io::kAgain);
  EXPECT_TRUE(b_->Arm(kReadable));
  EXPECT_FALSE(WaitFor(b_, Deadline::AfterMillis(10)));
  b_->Disarm();
  // Nothing waits to be written.
  EXPECT_FALSE(a_->Arm(kWritable));
}

TEST_P(WaiterTest, ParkedPingPongLosesNoEdge) {
  ASSERT_TRUE(waiter_->Add(b_, kReadable, b_));
  const auto rounds = static_cast<uint32_t>(Rounds(50'000));
  std::thread client([&] {
    for (uint32_t i = 0; i < rounds; ++i) {
      const std::string frame = Frame(i, 1 + i % 32);
      ASSERT_EQ(SendFrame(a_, frame), Io::kOk);
      ASSERT_EQ(ReceiveText(a_), frame);
    }
  });
  for (uint32_t i = 0; i < rounds; ++i) {
    const Received received = ParkAndReceive(b_);
    ASSERT_EQ(received.io, Io::kOk) << "round " << i;
    ASSERT_EQ(SendFrame(b_, received.frame), Io::kOk);
  }
  client.join();
}

TEST_P(WaiterTest, AParkedReaderLosesNothingOfAFlood) {
  ASSERT_TRUE(waiter_->Add(b_, kReadable, b_));
  const uint32_t largest = std::min(a_->info().max_frame, 700u);
  const auto frames = static_cast<uint32_t>(Rounds(20'000));
  std::thread writer([&] {
    for (uint32_t i = 0; i < frames; ++i) {
      ASSERT_EQ(SendFrame(a_, Frame(i, 1 + i % largest)), Io::kOk);
    }
    a_->Close();
  });
  for (uint32_t i = 0; i < frames; ++i) {
    ASSERT_TRUE(ParkAndReceive(b_).frame == Frame(i, 1 + i % largest)) << i;
  }
  EXPECT_EQ(ParkAndReceive(b_).io, Io::kEnd);
  writer.join();
}

TEST_P(WaiterTest, AParkedWriterIsToldOfSpace) {
  const uint32_t size = std::min(b_->info().max_frame, 1000u);
  const auto frames = static_cast<uint32_t>(Rounds(10'000));
  std::thread reader([&] {
    for (uint32_t i = 0; i < frames; ++i) {
      ASSERT_TRUE(ReceiveText(a_) == Frame(i, size)) << "frame " << i;
    }
  });
  const Deadline watchdog = Watchdog();
  uint32_t number = 0;
  while (!watchdog.passed()) {
    if (number < frames && TryCommit(b_, Frame(number, size)) == Io::kOk) {
      ++number;
      continue;
    }
    const Io io = b_->Flush();
    if (io == Io::kOk) {
      if (number == frames) break;
      continue;
    }
    ASSERT_EQ(io, Io::kAgain);
    if (!b_->Arm(kWritable)) continue;
    ASSERT_TRUE(waiter_->Add(b_, kReadable | kWritable, b_));
    ASSERT_TRUE(WaitFor(b_, watchdog)) << "after frame " << number;
    b_->Disarm();
    ASSERT_TRUE(waiter_->Add(b_, kReadable, b_));
  }
  EXPECT_EQ(number, frames);
  reader.join();
}

// Data and hang-up arrive as one edge; the reader must come to the end of both.
TEST_P(WaiterTest, AFrameAndTheEndInOneEdge) {
  ASSERT_TRUE(waiter_->Add(b_, kReadable, b_));
  ASSERT_EQ(SendFrame(a_, "last words"), Io::kOk);
  a_->Close();
  ASSERT_TRUE(WaitFor(b_, Watchdog()));
  EXPECT_EQ(ParkAndReceive(b_).frame, "last words");
  EXPECT_EQ(ParkAndReceive(b_).io, Io::kEnd);
}

TEST_P(WaiterTest, ADeathWatchIgnoresTraffic) {
  if (epoll_ && b_->DeathFd().fd < 0) GTEST_SKIP() << "no descriptor shows it";
  ASSERT_TRUE(waiter_->AddDeath(b_, b_));
  ASSERT_EQ(SendFrame(a_, "traffic"), Io::kOk);
  ASSERT_EQ(b_->Sleep(kReadable, Watchdog()), Io::kOk);
  EXPECT_FALSE(WaitFor(b_, Deadline::Now()));
  EXPECT_EQ(ReceiveText(b_), "traffic");
  EXPECT_FALSE(WaitFor(b_, Deadline::Now()));
  a_->Close();
  EXPECT_TRUE(WaitFor(b_, Watchdog()));
}

TEST_P(WaiterTest, ADeathBeforeTheWatchIsReported) {
  if (epoll_ && b_->DeathFd().fd < 0) GTEST_SKIP() << "no descriptor shows it";
  a_->Close();
  ASSERT_TRUE(waiter_->AddDeath(b_, b_));
  EXPECT_TRUE(WaitFor(b_, Watchdog()));
}

TEST_P(WaiterTest, NoTagAfterRemove) {
  ASSERT_TRUE(waiter_->Add(b_, kReadable, b_));
  ASSERT_EQ(SendFrame(a_, "one"), Io::kOk);
  ASSERT_EQ(b_->Sleep(kReadable, Watchdog()), Io::kOk);
  waiter_->Remove(b_);
  EXPECT_FALSE(WaitFor(b_, Deadline::AfterMillis(10)));
  // And again from the start: what is there already counts.
  ASSERT_TRUE(waiter_->Add(b_, kReadable, b_));
  if (b_->Arm(kReadable)) {
    EXPECT_TRUE(WaitFor(b_, Watchdog()));
  }
  EXPECT_EQ(ParkAndReceive(b_).frame, "one");
}

TEST_P(WaiterTest, CloseByThisSideWakesTheParked) {
  ASSERT_TRUE(waiter_->Add(b_, kReadable, b_));
  EXPECT_EQ(TryReceive(b_).io, Io::kAgain);
  ASSERT_TRUE(b_->Arm(kReadable));
  std::thread closing([&] { b_->Close(); });
  EXPECT_TRUE(WaitFor(b_, Watchdog()));
  closing.join();
  EXPECT_EQ(ParkAndReceive(b_).io, Io::kEnd);
}

}  // namespace
}  // namespace nearcall::internal
