// How fifo: comes to a link: names, waiting, limits, and who is refused.
#include <fcntl.h>
#include <nearcall/stale_resources.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "tests/support/child_process.h"
#include "tests/unit/fifo_test.h"
#include "transports/fifo_files.h"
#include "transports/fifo_request.h"

namespace nearcall::internal {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::IsEmpty;

/// A child that serves and accepts nothing; returns once it holds the name.
ChildProcess ServeInChild(
    const std::function<absl::StatusOr<std::unique_ptr<Listener>>()>& listen) {
  int ready[2];
  EXPECT_EQ(pipe(ready), 0);
  ChildProcess child = ChildProcess::Fork([&] {
    const auto listener = listen();
    const char ok = listener.ok() ? 'y' : 'n';
    if (write(ready[1], &ok, 1) != 1) return 1;
    for (;;) pause();
  });
  char ok = 0;
  EXPECT_EQ(read(ready[0], &ok, 1), 1);
  EXPECT_EQ(ok, 'y');
  close(ready[0]);
  close(ready[1]);
  return child;
}

TEST_F(FifoTest, NobodyThereIsSaidAtOnceWithThePath) {
  const auto link = Dial();
  EXPECT_EQ(link.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Text(link.status()), HasSubstr(path()));
  EXPECT_THAT(directory_.List(), IsEmpty());
}

TEST_F(FifoTest, ALinkLeavesNoFileAndKnowsTheUserAlone) {
  auto listener = Listen();
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_EQ((*listener)->address(), kUri);
  absl::StatusOr<std::unique_ptr<Link>> client;
  std::thread dialing([&] { client = Dial(); });
  const auto server = Accept(listener->get());
  dialing.join();
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_THAT(directory_.List(), ElementsAreArray(Served()));
  for (const Link* link : {client->get(), server->get()}) {
    EXPECT_EQ(link->info().peer.uid, geteuid());
    EXPECT_FALSE(link->info().peer.gid.has_value());
    EXPECT_FALSE(link->info().peer.pid.has_value());
  }
  listener->reset();
  EXPECT_THAT(directory_.List(), IsEmpty());
  EXPECT_EQ((*client)->Peek().io, Io::kAgain) << "links outlive their listener";
}

TEST_F(FifoTest, ADeadServersFilesAreNoServerAndTheNextOnesToReclaim) {
  ChildProcess server = ServeInChild(&Listen);
  const auto second = Listen();
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(Text(second.status()),
              HasSubstr("pid " + std::to_string(server.pid())));
  server.Kill();
  EXPECT_THAT(directory_.List(), ElementsAreArray(Served()));
  EXPECT_EQ(Dial().status().code(), absl::StatusCode::kUnavailable);
  // A client that died before it asked.
  const FifoPairPaths left(path(), NewFifoToken());
  ASSERT_TRUE(MakeFifo(left.up).ok());
  ASSERT_TRUE(MakeFifo(left.down).ok());
  auto next = Listen();
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_THAT(directory_.List(), ElementsAreArray(Served()));
}

TEST_F(FifoTest, WhatTheDeadLeftGoesWithoutAServerToo) {
  const FifoPairPaths left(path(), NewFifoToken());
  const auto leave = [&left] {
    ASSERT_TRUE(MakeFifo(left.up).ok());
    ASSERT_TRUE(MakeFifo(left.down).ok());
  };
  ChildProcess server = ServeInChild(&Listen);
  leave();
  EXPECT_THAT(RemoveStaleResources().removed, IsEmpty())
      << "a client of a living server may just be making them";
  EXPECT_EQ(directory_.List().size(), 4u);
  server.Kill();
  EXPECT_EQ(RemoveStaleResources().removed.size(), 4u);
  EXPECT_THAT(directory_.List(), IsEmpty());
  leave();
  EXPECT_EQ(RemoveStaleResources().removed.size(), 2u);
  EXPECT_THAT(directory_.List(), IsEmpty());
}

TEST_F(FifoTest, OfManyServersOneWins) {
  constexpr int kServers = 8;
  for (int round = 0; round < 20; ++round) {
    Baton go, done;
    int results[2];
    ASSERT_EQ(pipe(results), 0);
    std::vector<ChildProcess> servers;
    for (int i = 0; i < kServers; ++i) {
      servers.push_back(ChildProcess::Fork([&] {
        if (!go.Await()) return 1;
        const auto listener = Listen();
        const char result = listener.ok()                              ? 'w'
                            : absl::IsAlreadyExists(listener.status()) ? 'l'
                                                                       : 'e';
        if (write(results[1], &result, 1) != 1) return 1;
        // The winner holds the name until all have tried.
        if (listener.ok()) done.Await();
        return 0;
      }));
    }
    for (int i = 0; i < kServers; ++i) go.Pass();
    std::string seen;
    while (seen.size() < kServers) {
      char result;
      ASSERT_EQ(read(results[0], &result, 1), 1);
      seen += result;
    }
    close(results[0]);
    close(results[1]);
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(seen, "lllllllw");
    EXPECT_EQ(Listen().status().code(), absl::StatusCode::kAlreadyExists);
    if (round % 2 == 0) {
      servers.clear();  // Kills it.
    } else {
      done.Pass();
      for (ChildProcess& server : servers) EXPECT_EQ(server.Wait(), 0);
    }
    EXPECT_TRUE(Listen().ok()) << "the name is free again";
  }
}

TEST_F(FifoTest, WaitingEndsWithTheDeadlineAnInterruptOrTheServer) {
  auto listener = Listen();
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_EQ(Dial(30).status().code(), absl::StatusCode::kDeadlineExceeded);
  const Fd interrupt(eventfd(1, EFD_CLOEXEC));
  EXPECT_EQ(Dial(kFifoWatchdogMillis, interrupt.get()).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_THAT(directory_.List(), ElementsAreArray(Served()));
  // Both requests are of clients that have gone.
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(Accept(listener->get()).ok());
  }
  absl::StatusOr<std::unique_ptr<Link>> client;
  std::thread dialing([&] { client = Dial(); });
  ASSERT_TRUE(AwaitIncoming(listener->get()));
  listener->reset();
  dialing.join();
  EXPECT_EQ(client.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Text(client.status()), HasSubstr(path()));
  EXPECT_THAT(directory_.List(), IsEmpty());
}

TEST_F(FifoTest, AKilledServerEndsTheWait) {
  ChildProcess server = ServeInChild(&Listen);
  absl::StatusOr<std::unique_ptr<Link>> client;
  std::thread dialing([&] { client = Dial(); });
  // The private FIFOs are there: it is about to ask, or waits.
  while (directory_.List().size() < 4) std::this_thread::yield();
  server.Kill();
  dialing.join();
  EXPECT_EQ(client.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(directory_.List(), ElementsAreArray(Served()));
}

TEST_F(FifoTest, AFullFifoIsWaitedFor) {
  auto listener = Listen();
  ASSERT_TRUE(listener.ok()) << listener.status();
  absl::StatusOr<OpenedFifo> fifo = OpenFifo(path(), O_WRONLY);
  ASSERT_TRUE(fifo.ok()) << fifo.status();
  const std::string garbage(4096, '\n');
  while (write(fifo->fd.get(), garbage.data(), garbage.size()) > 0) {
  }
  ASSERT_EQ(errno, EAGAIN);
  EXPECT_EQ(Dial(30).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(directory_.List(), ElementsAreArray(Served()));
  absl::StatusOr<std::unique_ptr<Link>> client;
  std::thread dialing([&] { client = Dial(); });
  const auto server = Accept(listener->get());
  dialing.join();
  EXPECT_TRUE(server.ok()) << server.status();
  EXPECT_TRUE(client.ok()) << client.status();
}

TEST_F(FifoTest, WithoutDescriptorsARequestWaits) {
  auto listener = Listen();
  ASSERT_TRUE(listener.ok()) << listener.status();
  ChildProcess client = ChildProcess::Fork([&] { return Dial().ok() ? 0 : 1; });
  ASSERT_TRUE(AwaitIncoming(listener->get()));
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{1, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto refused = (*listener)->Accept();
  const auto paused = (*listener)->Accept();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(paused.ok()) << paused.status();
  EXPECT_EQ(*paused, nullptr);
  // It comes back by itself.
  const auto link = Accept(listener->get());
  EXPECT_TRUE(link.ok()) << link.status();
  EXPECT_EQ(client.Wait(), 0);
}

TEST_F(FifoTest, AnotherUserIsRefused) {
  if (getuid() != 0) GTEST_SKIP() << "only root can become another user";
  auto listener = Listen();
  ASSERT_TRUE(listener.ok()) << listener.status();
  ChildProcess client = ChildProcess::Fork([&] {
    if (setresuid(65534, 65534, 65534) != 0) return 2;
    return absl::IsPermissionDenied(Dial().status()) ? 0 : 1;
  });
  EXPECT_EQ(client.Wait(), 0);
}

TEST_F(FifoTest, ANameThatLeavesNoRoomIsRefused) {
  const Target target = ParseTarget("fifo:" + std::string(230, 'x')).value();
  const auto dialer = FindTransport("fifo")->make_dialer(target);
  EXPECT_EQ(dialer.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Text(dialer.status()), HasSubstr("shorter"));
  EXPECT_EQ(ParseTarget("fifo:x?pipe_bytes=1").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(FifoTest, PipeBytesAreWhatThePipesHold) {
  auto listener = FindTransport("fifo")->listen(
      ParseTarget("fifo:test?pipe_bytes=8192").value());
  ASSERT_TRUE(listener.ok()) << listener.status();
  absl::StatusOr<std::unique_ptr<Link>> client;
  std::thread dialing([&] {
    client = Dial(kFifoWatchdogMillis, -1, "fifo:test?pipe_bytes=16384");
  });
  const auto server = Accept(listener->get());
  dialing.join();
  ASSERT_TRUE(server.ok()) << server.status();
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(fcntl((*client)->PollFd(kReadable).fd, F_GETPIPE_SZ), 8192);
  EXPECT_EQ(fcntl((*client)->PollFd(kWritable).fd, F_GETPIPE_SZ), 16384);
}

}  // namespace
}  // namespace nearcall::internal
