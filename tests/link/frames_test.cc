// Frames: boundaries, order, reservations, views. The first part of link.h.
#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "runtime/sync.h"
#include "tests/link/link_test_util.h"

namespace nearcall::internal {
namespace {

using FramesTest = LinkTest;
NEARCALL_OVER_EVERY_LINK(FramesTest);

TEST_P(FramesTest, InfoSaysWhatTheLinkIs) {
  MakePair();
  for (const Link* link : {a_, b_}) {
    EXPECT_FALSE(link->info().scheme.empty());
    EXPECT_FALSE(link->info().address.empty());
    EXPECT_GE(link->info().max_frame, 256u);
  }
}

TEST_P(FramesTest, KeepsBoundariesAndOrderBothWays) {
  MakePair();
  const uint32_t max_frame = a_->info().max_frame;
  std::vector<uint32_t> sizes = {1, 2, 3, 4, 5, 7, 8, 64, 255, 256};
  for (const uint32_t size : {1000u, 4091u, 4092u, 4093u, 16380u, 16384u}) {
    if (size < max_frame) sizes.push_back(size);
  }
  sizes.insert(sizes.end(), {max_frame - 1, max_frame, 1, max_frame, 3});
  const auto send = [&](Link* link) {
    uint32_t number = 0;
    for (const uint32_t size : sizes) {
      ASSERT_EQ(SendFrame(link, Frame(number++, size)), Io::kOk);
    }
  };
  const auto receive = [&](Link* link) {
    uint32_t number = 0;
    for (const uint32_t size : sizes) {
      ASSERT_TRUE(ReceiveText(link) == Frame(number, size))
          << "frame " << number << " of " << size << " bytes";
      ++number;
    }
  };
  std::thread a_to_b(send, a_);
  receive(b_);
  a_to_b.join();
  std::thread b_to_a(send, b_);
  receive(a_);
  b_to_a.join();
}

TEST_P(FramesTest, ManyCommitsOneFlush) {
  MakePair();
  for (uint32_t number = 0; number < 10; ++number) {
    ASSERT_EQ(TryCommit(a_, Frame(number, 1 + number)), Io::kOk);
  }
  ASSERT_EQ(FlushAll(a_), Io::kOk);
  for (uint32_t number = 0; number < 10; ++number) {
    EXPECT_EQ(ReceiveText(b_), Frame(number, 1 + number));
  }
  EXPECT_EQ(TryReceive(b_).io, Io::kAgain);
}

TEST_P(FramesTest, FlushOfNothingIsOk) {
  MakePair();
  EXPECT_EQ(a_->Flush(), Io::kOk);
  EXPECT_EQ(TryReceive(b_).io, Io::kAgain);
}

TEST_P(FramesTest, CommitOfZeroDropsTheReservation) {
  MakePair();
  ASSERT_EQ(a_->Reserve(100).io, Io::kOk);
  a_->Commit(0);
  ASSERT_EQ(a_->Flush(), Io::kOk);
  ASSERT_EQ(TryCommit(a_, "between"), Io::kOk);
  ASSERT_EQ(a_->Reserve(100).io, Io::kOk);
  a_->Commit(0);
  ASSERT_EQ(SendFrame(a_, "after"), Io::kOk);
  EXPECT_EQ(ReceiveText(b_), "between");
  EXPECT_EQ(ReceiveText(b_), "after");
  EXPECT_EQ(TryReceive(b_).io, Io::kAgain);
}

TEST_P(FramesTest, CommitMayShrinkTheReservation) {
  MakePair();
  for (const uint32_t kept : {1u, 3u, 17u, 200u}) {
    const std::string frame = Frame(kept, 200);
    const WriteSpan span = a_->Reserve(200);
    ASSERT_EQ(span.io, Io::kOk);
    memcpy(span.data, frame.data(), frame.size());
    a_->Commit(kept);
    ASSERT_EQ(FlushAll(a_), Io::kOk);
    EXPECT_EQ(ReceiveText(b_), frame.substr(0, kept));
  }
}

TEST_P(FramesTest, ReserveAgainReplacesTheReservation) {
  MakePair();
  ASSERT_EQ(TryCommit(a_, "first"), Io::kOk);
  const WriteSpan dropped = a_->Reserve(150);
  ASSERT_EQ(dropped.io, Io::kOk);
  memset(dropped.data, 'x', 150);
  ASSERT_EQ(TryCommit(a_, "second"), Io::kOk);
  ASSERT_EQ(FlushAll(a_), Io::kOk);
  EXPECT_EQ(ReceiveText(b_), "first");
  EXPECT_EQ(ReceiveText(b_), "second");
  EXPECT_EQ(TryReceive(b_).io, Io::kAgain);
}

TEST_P(FramesTest, AReservationSurvivesAFlush) {
  MakePair();
  ASSERT_EQ(TryCommit(a_, "first"), Io::kOk);
  const WriteSpan span = a_->Reserve(6);
  ASSERT_EQ(span.io, Io::kOk);
  ASSERT_EQ(FlushAll(a_), Io::kOk);
  EXPECT_EQ(ReceiveText(b_), "first");
  memcpy(span.data, "second", 6);
  a_->Commit(6);
  ASSERT_EQ(FlushAll(a_), Io::kOk);
  EXPECT_EQ(ReceiveText(b_), "second");
}

TEST_P(FramesTest, PeekShowsTheSameFrameUntilRelease) {
  MakePair();
  ASSERT_EQ(SendFrame(a_, "one"), Io::kOk);
  ASSERT_EQ(b_->Sleep(kReadable, Watchdog()), Io::kOk);
  ASSERT_EQ(SendFrame(a_, "two"), Io::kOk);
  ReadSpan span;
  while ((span = b_->Peek()).io == Io::kAgain) {
    ASSERT_EQ(b_->Sleep(kReadable, Watchdog()), Io::kOk);
  }
  for (int look = 0; look < 3; ++look) {
    span = b_->Peek();
    ASSERT_EQ(span.io, Io::kOk);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(span.data), span.size),
              "one");
  }
  b_->Release();
  EXPECT_EQ(ReceiveText(b_), "two");
}

// The writer fills the link, the reader empties it, the writer goes on: nothing
// is lost or reordered on the way, whatever was kept where.
TEST_P(FramesTest, AFullLinkKeepsTheRestAndGoesOn) {
  MakePair();
  const uint32_t size = std::min(a_->info().max_frame, 1000u);
  const uint32_t filled = FillUp(a_, size);
  ASSERT_GT(filled, 0u);
  EXPECT_EQ(SleepThroughSpurious(a_, kWritable, Deadline::AfterMillis(20)),
            Io::kTimeout);
  uint32_t number = 0;
  while (number < filled) {
    const Io io = a_->Flush();
    ASSERT_TRUE(io == Io::kOk || io == Io::kAgain);
    const Received received = TryReceive(b_);
    if (received.io == Io::kAgain) {
      // What was read made room for more of the frame, if there is more.
      if (io == Io::kOk) {
        ASSERT_NE(b_->Sleep(kReadable, Watchdog()), Io::kTimeout);
      }
      continue;
    }
    ASSERT_EQ(received.io, Io::kOk);
    ASSERT_TRUE(received.frame == Frame(number, size)) << number;
    ++number;
  }
  EXPECT_EQ(TryReceive(b_).io, Io::kAgain);
  EXPECT_EQ(a_->Sleep(kWritable, Watchdog()), Io::kOk);
  EXPECT_EQ(SendFrame(a_, "more"), Io::kOk);
  EXPECT_EQ(ReceiveText(b_), "more");
}

// Both roles pass from thread to thread; ThreadSanitizer watches.
TEST_P(FramesTest, RolesMayPassBetweenThreads) {
  MakePair();
  constexpr uint32_t kFrames = 400;
  constexpr int kThreads = 4;
  Mutex writing, reading;
  uint32_t written = 0, read = 0;
  const auto take_turns = [&] {
    for (;;) {
      // Not waiting for it: who writes may wait for somebody to read.
      if (writing.TryLock()) {
        if (written < kFrames) {
          EXPECT_EQ(SendFrame(a_, Frame(written, 1 + written % 250)), Io::kOk);
          ++written;
        }
        writing.Unlock();
      }
      MutexLock lock(&reading);
      if (read == kFrames) return;
      const Received received = TryReceive(b_);
      if (received.io == Io::kAgain) continue;
      ASSERT_EQ(received.io, Io::kOk);
      ASSERT_EQ(received.frame, Frame(read, 1 + read % 250));
      ++read;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(take_turns);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(read, kFrames);
}

}  // namespace
}  // namespace nearcall::internal
