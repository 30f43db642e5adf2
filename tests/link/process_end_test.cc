// A pipe whose process has ended, while another one, which inherited its ends,
// holds them: no end of the stream will ever come.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "tests/link/link_test_util.h"
#include "tests/support/child_process.h"
#include "transports/fd_link.h"

namespace nearcall::internal {
namespace {

class ProcessEndTest : public testing::Test {
 protected:
  ProcessEndTest() {
    int there[2], back[2];
    EXPECT_EQ(pipe2(there, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(back, O_CLOEXEC), 0);
    held_read_ = Fd(there[0]);
    held_write_ = Fd(back[1]);
    process_ = ChildProcess::Fork([] {
      for (;;) pause();
      return 0;
    });
    pidfd_ = Fd(static_cast<int>(syscall(SYS_pidfd_open, process_.pid(), 0)));
    FdLinkOptions options;
    options.info.scheme = "test";
    options.info.address = "held";
    options.info.max_frame = 4096;
    options.pidfd = pidfd_.get();
    options.how_peer_ended = [] { return std::string("killed"); };
    auto link = MakePipeLink(Fd(back[0]), Fd(there[1]), std::move(options));
    EXPECT_TRUE(link.ok()) << link.status();
    link_ = *std::move(link);
  }

  /// As the thread that watches DeathFd does.
  void EndProcess() {
    process_.Kill();
    const Pollable death = link_->DeathFd();
    pollfd entry{death.fd, static_cast<int16_t>(death.events), 0};
    EXPECT_EQ(poll(&entry, 1, static_cast<int>(kWatchdogMillis)), 1);
    link_->HungUp();
  }

  ChildProcess process_;
  Fd held_read_;
  Fd held_write_;
  Fd pidfd_;
  std::unique_ptr<Link> link_;
};

TEST_F(ProcessEndTest, AReaderThatIsJustAboutToSleepSeesIt) {
  ASSERT_EQ(link_->Peek().io, Io::kAgain);
  EndProcess();
  EXPECT_EQ(link_->Sleep(kReadable, Watchdog()), Io::kOk);
  EXPECT_EQ(link_->Peek().io, Io::kEnd);
  EXPECT_EQ(link_->Sleep(kReadable, Watchdog()), Io::kEnd);
  EXPECT_EQ(link_->reason(), "the peer at test:held ended: killed");
}

TEST_F(ProcessEndTest, AReaderThatSleepsSeesIt) {
  std::thread ending([this] { EndProcess(); });
  EXPECT_EQ(ReceiveFrame(link_.get()).io, Io::kEnd);
  ending.join();
}

TEST_F(ProcessEndTest, AWriterBehindAFullPipeSeesIt) {
  ASSERT_GT(FillUp(link_.get(), 4000), 0u);
  EndProcess();
  EXPECT_EQ(link_->Sleep(kWritable, Watchdog()), Io::kOk);
  EXPECT_EQ(link_->Flush(), Io::kEnd);
  EXPECT_EQ(link_->Sleep(kWritable, Watchdog()), Io::kEnd);
  EXPECT_EQ(link_->Peek().io, Io::kEnd);
}

TEST_F(ProcessEndTest, WhatItWroteIsStillRead) {
  const std::string bytes("\x05\0\0\0hello", 9);
  ASSERT_EQ(write(held_write_.get(), bytes.data(), bytes.size()), 9);
  EndProcess();
  EXPECT_EQ(ReceiveText(link_.get()), "hello");
  EXPECT_EQ(ReceiveFrame(link_.get()).io, Io::kEnd);
}

}  // namespace
}  // namespace nearcall::internal
