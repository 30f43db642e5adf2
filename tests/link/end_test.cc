// The end of a link: close, death, and what is delivered before it.
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "tests/link/link_test_util.h"
#include "tests/support/child_process.h"

namespace nearcall::internal {
namespace {

using EndTest = LinkTest;
NEARCALL_OVER_EVERY_LINK(EndTest);

void ExpectSticky(Link* link, Io end) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(link->Peek().io, end);
    EXPECT_TRUE(Ended(SleepThroughSpurious(link, kReadable, Watchdog())));
  }
  EXPECT_FALSE(link->reason().empty());
}

/// Writes until the link says that it has ended.
Io WriteUntilEnd(Link* link) {
  const Deadline watchdog = Watchdog();
  while (!watchdog.passed()) {
    const Io io = SendFrame(link, "unwanted");
    if (io != Io::kOk) return io;
  }
  return Io::kTimeout;
}

// So many fit on every kind of link while nobody reads, even where each byte
// takes a buffer of its own in the kernel.
constexpr uint32_t kFrames = 4;

// As a role holder waits: what a wake-up was for, the role's own call says.
Io SleepUntilEnd(Link* link, Want want) {
  for (;;) {
    Io io = link->Sleep(want, Watchdog());
    if (io == Io::kOk) {
      io = want == kReadable ? link->Peek().io : link->Flush();
      if (io == Io::kOk && want == kWritable) io = link->Reserve(1).io;
    }
    if (io != Io::kOk && io != Io::kAgain) return io;
  }
}

bool Fires(Pollable pollable, int millis) {
  pollfd entry{pollable.fd, static_cast<int16_t>(pollable.events), 0};
  return poll(&entry, 1, millis) == 1;
}

TEST_P(EndTest, FramesThenCloseThenEnd) {
  MakePair();
  for (uint32_t i = 0; i < kFrames; ++i) {
    ASSERT_EQ(SendFrame(a_, Frame(i, 40)), Io::kOk);
  }
  a_->Close();
  EXPECT_EQ(a_->Peek().io, Io::kEnd);
  EXPECT_EQ(a_->Reserve(1).io, Io::kEnd);
  EXPECT_EQ(a_->Flush(), Io::kEnd);
  ExpectSticky(a_, Io::kEnd);
  for (uint32_t i = 0; i < kFrames; ++i) {
    ASSERT_EQ(ReceiveText(b_), Frame(i, 40));
  }
  EXPECT_EQ(ReceiveFrame(b_).io, Io::kEnd);
  ExpectSticky(b_, Io::kEnd);
  EXPECT_TRUE(Ended(WriteUntilEnd(b_)));
  EXPECT_TRUE(Ended(b_->Reserve(1).io));
  EXPECT_TRUE(Ended(b_->Flush()));
}

// The end destroyed with frames unread: the peer's own unread frames still
// arrive, and the end is an end, not a reset.
TEST_P(EndTest, DestructionIsACloseEvenWithFramesUnread) {
  MakePair();
  ASSERT_EQ(SendFrame(b_, "never read"), Io::kOk);
  ASSERT_EQ(a_->Sleep(kReadable, Watchdog()), Io::kOk);
  ASSERT_EQ(SendFrame(a_, "last words"), Io::kOk);
  pair_.a.reset();
  EXPECT_EQ(ReceiveText(b_), "last words");
  EXPECT_EQ(ReceiveFrame(b_).io, Io::kEnd);
}

TEST_P(EndTest, CloseFromManyThreadsIsOneClose) {
  MakePair();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this] { a_->Close(); });
  }
  for (std::thread& thread : threads) thread.join();
  a_->Close();
  EXPECT_EQ(ReceiveFrame(b_).io, Io::kEnd);
}

TEST_P(EndTest, CloseWakesSleepersOnBothSides) {
  for (int round = 0; round < 20; ++round) {
    MakePair();
    const uint32_t filled = FillUp(a_, std::min(a_->info().max_frame, 1000u));
    ASSERT_GT(filled, 0u);
    std::vector<std::thread> sleepers;
    std::atomic<int> ended{0};
    sleepers.emplace_back([&] {
      if (Ended(SleepUntilEnd(a_, kReadable))) ++ended;
    });
    sleepers.emplace_back([&] {
      if (Ended(SleepUntilEnd(a_, kWritable))) ++ended;
    });
    Link* const closer = round % 2 == 0 ? a_ : b_;
    std::thread closing([&] { closer->Close(); });
    if (closer == b_) {
      // The frames are on their way to one who does not want them any more.
      EXPECT_EQ(b_->Sleep(kReadable, Watchdog()) == Io::kTimeout, false);
    }
    closing.join();
    for (std::thread& sleeper : sleepers) sleeper.join();
    EXPECT_EQ(ended.load(), 2);
    if (closer == a_) {
      Received received;
      do {
        received = ReceiveFrame(b_);
      } while (received.io == Io::kOk);
      EXPECT_TRUE(Ended(received.io));
    }
  }
}

TEST_P(EndTest, AFrameInHandOutlivesACloseByAnotherThread) {
  MakePair();
  const std::string frame = Frame(1, 200);
  ASSERT_EQ(SendFrame(a_, frame), Io::kOk);
  ASSERT_EQ(b_->Sleep(kReadable, Watchdog()), Io::kOk);
  ReadSpan span;
  while ((span = b_->Peek()).io == Io::kAgain) {
    ASSERT_EQ(b_->Sleep(kReadable, Watchdog()), Io::kOk);
  }
  const WriteSpan reserved = b_->Reserve(50);
  ASSERT_EQ(reserved.io, Io::kOk);
  std::thread([this] { b_->Close(); }).join();
  EXPECT_EQ(memcmp(span.data, frame.data(), frame.size()), 0);
  memset(reserved.data, 'x', 50);
  b_->Release();
  b_->Commit(50);
  EXPECT_EQ(b_->Flush(), Io::kEnd);
  EXPECT_EQ(b_->Peek().io, Io::kEnd);
  EXPECT_EQ(ReceiveFrame(a_).io, Io::kEnd);
}

// One thread reads, one writes, a third closes in the middle of it.
TEST_P(EndTest, CloseWhileOthersAreInside) {
  for (int round = 0; round < 20; ++round) {
    MakePair();
    std::thread writer([&] {
      while (SendFrame(a_, Frame(1, 100)) == Io::kOk) {
      }
    });
    std::thread echo([&] {
      Received received;
      while ((received = ReceiveFrame(b_)).io == Io::kOk) {
        if (received.frame != Frame(1, 100)) ADD_FAILURE() << "a torn frame";
        if (SendFrame(b_, "x") != Io::kOk) break;
      }
    });
    int seen = 0;
    while (seen < 10 && ReceiveFrame(a_).io == Io::kOk) ++seen;
    std::thread reader([&] {
      while (ReceiveFrame(a_).io == Io::kOk) {
      }
    });
    (round % 2 == 0 ? a_ : b_)->Close();
    writer.join();
    echo.join();
    reader.join();
    EXPECT_EQ(seen, 10);
  }
}

TEST_P(EndTest, FramesThenKillThenEnd) {
  if (!GetParam().make_with_child) GTEST_SKIP() << "never leaves the process";
  Baton sent;
  LinkToChild to_child =
      GetParam().make_with_child([&](std::unique_ptr<Link> link) {
        for (uint32_t i = 0; i < kFrames; ++i) {
          if (SendFrame(link.get(), Frame(i, 40)) != Io::kOk) return;
        }
        sent.Pass();
        ReceiveFrame(link.get());  // Nothing comes: it is killed here.
      });
  ASSERT_TRUE(sent.Await());
  to_child.child.Kill();
  Link* const link = to_child.link.get();
  for (uint32_t i = 0; i < kFrames; ++i) {
    ASSERT_EQ(ReceiveText(link), Frame(i, 40));
  }
  const Io end = ReceiveFrame(link).io;
  EXPECT_TRUE(Ended(end));
  ExpectSticky(link, end);
}

TEST_P(EndTest, AKillWakesAReaderAndAWriter) {
  if (!GetParam().make_with_child) GTEST_SKIP() << "never leaves the process";
  Baton up;
  LinkToChild to_child =
      GetParam().make_with_child([&](std::unique_ptr<Link> link) {
        up.Pass();
        Deadline never;
        SleepThroughSpurious(link.get(), 0, never);
      });
  ASSERT_TRUE(up.Await());
  Link* const link = to_child.link.get();
  FillUp(link, std::min(link->info().max_frame, 1000u));
  std::thread reader([&] { EXPECT_TRUE(Ended(ReceiveFrame(link).io)); });
  std::thread writer(
      [&] { EXPECT_TRUE(Ended(SleepUntilEnd(link, kWritable))); });
  to_child.child.Kill();
  reader.join();
  writer.join();
}

// A write that meets the death does not cost the frames that came before it.
TEST_P(EndTest, AFailedWriteLeavesCompleteFramesReadable) {
  if (!GetParam().make_with_child) GTEST_SKIP() << "never leaves the process";
  Baton sent;
  LinkToChild to_child =
      GetParam().make_with_child([&](std::unique_ptr<Link> link) {
        for (uint32_t i = 0; i < 5; ++i) {
          if (SendFrame(link.get(), Frame(i, 40)) != Io::kOk) return;
        }
        sent.Pass();
        ReceiveFrame(link.get());
      });
  ASSERT_TRUE(sent.Await());
  to_child.child.Kill();
  Link* const link = to_child.link.get();
  EXPECT_TRUE(Ended(WriteUntilEnd(link)));
  for (uint32_t i = 0; i < 5; ++i) {
    ASSERT_EQ(ReceiveText(link), Frame(i, 40));
  }
  EXPECT_TRUE(Ended(ReceiveFrame(link).io));
  EXPECT_TRUE(Ended(link->Reserve(1).io));
  EXPECT_FALSE(link->reason().empty());
}

TEST_P(EndTest, DeathFdFiresOnCloseOnly) {
  MakePair();
  if (a_->DeathFd().fd < 0) GTEST_SKIP() << "no descriptor shows it";
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(SendFrame(b_, "traffic"), Io::kOk);
    ASSERT_EQ(SendFrame(a_, "traffic"), Io::kOk);
    ASSERT_NE(a_->Sleep(kReadable, Watchdog()), Io::kTimeout);
    EXPECT_FALSE(Fires(a_->DeathFd(), 0));
    EXPECT_EQ(ReceiveText(a_), "traffic");
    EXPECT_EQ(ReceiveText(b_), "traffic");
    EXPECT_FALSE(Fires(a_->DeathFd(), 0));
  }
  b_->Close();
  EXPECT_TRUE(Fires(a_->DeathFd(), kWatchdogMillis));
}

TEST_P(EndTest, DeathFdFiresOnAKill) {
  if (!GetParam().make_with_child) GTEST_SKIP() << "never leaves the process";
  Baton sent;
  LinkToChild to_child =
      GetParam().make_with_child([&](std::unique_ptr<Link> link) {
        SendFrame(link.get(), "traffic");
        sent.Pass();
        ReceiveFrame(link.get());
      });
  ASSERT_TRUE(sent.Await());
  const Pollable death = to_child.link->DeathFd();
  if (death.fd < 0) GTEST_SKIP() << "no descriptor shows it";
  EXPECT_EQ(ReceiveText(to_child.link.get()), "traffic");
  EXPECT_FALSE(Fires(death, 0));
  to_child.child.Kill();
  EXPECT_TRUE(Fires(death, kWatchdogMillis));
}

// A child that a peer forked and that lives on must not hide the peer's death.
TEST_P(EndTest, AForkedChildOfThePeerDoesNotKeepTheLinkOpen) {
  if (!GetParam().make_with_child) GTEST_SKIP() << "never leaves the process";
  Baton forked;
  // Its reading end is the grandchild's leash: it lives until the test drops
  // the writing one.
  Baton leash;
  LinkToChild to_child =
      GetParam().make_with_child([&](std::unique_ptr<Link> link) {
        const pid_t grandchild = fork();
        if (grandchild == 0) {
          forked.Pass();
          leash.Await();
          _exit(0);
        }
        ReceiveFrame(link.get());
      });
  ASSERT_TRUE(forked.Await());
  to_child.child.Kill();
  EXPECT_TRUE(Ended(ReceiveFrame(to_child.link.get()).io));
}

}  // namespace
}  // namespace nearcall::internal
