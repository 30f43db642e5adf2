// Options mode, group and allow_uids: who gets in, from either side.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/temp_runtime_dir.h"
#include "tests/transports/rendezvous_util.h"

namespace nearcall::internal {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uid_t kStranger = 65534;
constexpr uid_t kAnother = 65533;
constexpr gid_t kGroup = 65432;

/// Another user for the rest of the process.
bool Become(uid_t uid, const std::vector<gid_t>& groups = {}) {
  return setgroups(groups.size(), groups.data()) == 0 &&
         setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0 &&
         unsetenv("NEARCALL_RUNTIME_DIR") == 0;
}

/// One frame there. Its receiver may see it, and end, before the flush.
bool Send(Link* link) {
  const WriteSpan out = link->Reserve(1);
  if (out.io != Io::kOk) return false;
  *out.data = std::byte{7};
  link->Commit(1);
  (void)link->Flush();
  return true;
}

/// kOk: a frame came.
Io Receive(Link* link) {
  ReadSpan in;
  while ((in = link->Peek()).io == Io::kAgain) {
    const Io io =
        link->Sleep(kReadable, Deadline::AfterMillis(kPatienceMillis));
    if (io != Io::kOk) return io;
  }
  return in.io;
}

class AccessTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs other uids: run as root";
    ASSERT_EQ(chmod(place_.c_str(), 01777), 0);
  }
  ~AccessTest() override {
    unlink(Path().c_str());
    unlink((Path() + ".lock").c_str());
    rmdir(place_.c_str());
  }

  std::string Path() const { return place_ + "/greeter"; }
  std::string Uri(const std::string& options = "") const {
    return GetParam() + ":" + Path() + options;
  }

  /// What a client gets that runs as another user. OK: it was admitted, and a
  /// frame went to and fro.
  static absl::StatusCode DialAs(uid_t uid, const std::vector<gid_t>& groups,
                                 Listener* listener, const std::string& uri) {
    int end[2];
    EXPECT_EQ(pipe2(end, O_CLOEXEC), 0);
    ChildProcess client = ChildProcess::Fork([&] {
      if (!Become(uid, groups)) return 99;
      const auto link = Dial(uri);
      if (!link.ok()) return static_cast<int>(link.status().code());
      if (!Send(link->get()) || Receive(link->get()) != Io::kOk) {
        return static_cast<int>(absl::StatusCode::kUnavailable);
      }
      return 0;
    });
    close(end[1]);
    absl::StatusOr<std::unique_ptr<Link>> link = nullptr;
    for (bool ended = false; link.ok() && *link == nullptr && !ended;) {
      // One that cannot even connect shows by its end.
      pollfd fds[] = {{listener->incoming().fd, POLLIN, 0}, {end[0], 0, 0}};
      EXPECT_GT(poll(fds, 2, kPatienceMillis), 0);
      ended = fds[1].revents != 0;
      link = listener->Accept();
    }
    close(end[0]);
    if (!link.ok()) {
      EXPECT_EQ(link.status().code(), absl::StatusCode::kPermissionDenied);
      EXPECT_THAT(Text(link.status()), HasSubstr("uid " + std::to_string(uid)));
    } else if (*link != nullptr) {
      EXPECT_EQ((*link)->info().peer.uid, uid);
      EXPECT_EQ(Receive(link->get()), Io::kOk);
      EXPECT_TRUE(Send(link->get()));
    }
    return static_cast<absl::StatusCode>(client.Wait());
  }
  absl::StatusCode DialAs(uid_t uid, Listener* listener) {
    return DialAs(uid, {}, listener, Uri());
  }
  struct stat File() const {
    struct stat info {};
    EXPECT_EQ(lstat(Path().c_str(), &info), 0);
    return info;
  }

  const TempRuntimeDir directory_;
  const std::string place_ = [] {
    char name[] = "/tmp/nearcall-access-XXXXXX";
    return std::string(mkdtemp(name));
  }();
};

std::unique_ptr<Listener> MustListen(const std::string& uri) {
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listen(uri);
  EXPECT_TRUE(listener.ok()) << listener.status();
  return listener.ok() ? *std::move(listener) : nullptr;
}

TEST_P(AccessTest, NobodyElseByDefault) {
  const auto listener = MustListen(Uri());
  EXPECT_EQ(File().st_mode & 07777, 0600u);
  EXPECT_EQ(DialAs(kStranger, listener.get()),
            absl::StatusCode::kPermissionDenied);
  // The file's mode is not the only guard.
  ASSERT_EQ(chmod(Path().c_str(), 0666), 0);
  EXPECT_EQ(DialAs(kStranger, listener.get()), absl::StatusCode::kUnavailable);
}

TEST_P(AccessTest, UsersWhoAreNamed) {
  const auto listener = MustListen(Uri("?allow_uids=12345,65534"));
  EXPECT_EQ(File().st_mode & 07777, 0666u);
  EXPECT_EQ(DialAs(kStranger, listener.get()), absl::StatusCode::kOk);
  EXPECT_EQ(DialAs(kAnother, listener.get()), absl::StatusCode::kUnavailable);
  EXPECT_EQ(DialAs(0, listener.get()), absl::StatusCode::kOk) << "our own";
}

TEST_P(AccessTest, Everybody) {
  const auto listener = MustListen(Uri("?allow_uids=*"));
  EXPECT_EQ(DialAs(kStranger, listener.get()), absl::StatusCode::kOk);
  EXPECT_EQ(DialAs(kAnother, listener.get()), absl::StatusCode::kOk);
}

TEST_P(AccessTest, MembersOfAGroup) {
  const auto listener = MustListen(Uri("?group=65432"));
  EXPECT_EQ(File().st_mode & 07777, 0660u);
  EXPECT_EQ(File().st_gid, kGroup);
  EXPECT_EQ(DialAs(kStranger, {kGroup}, listener.get(), Uri()),
            absl::StatusCode::kOk);
  EXPECT_EQ(DialAs(kStranger, listener.get()),
            absl::StatusCode::kPermissionDenied);
}

TEST_P(AccessTest, TheModeNarrowsAGroup) {
  const auto listener = MustListen(Uri("?group=65432&mode=0600"));
  EXPECT_EQ(File().st_mode & 07777, 0600u);
  EXPECT_EQ(DialAs(kStranger, {kGroup}, listener.get(), Uri()),
            absl::StatusCode::kPermissionDenied);
}

// The other way round: the server runs as somebody else.
TEST_P(AccessTest, AServerOfAnotherUserNeedsToBeNamedToo) {
  Baton up;
  ChildProcess server = ChildProcess::Fork([&] {
    if (!Become(kStranger)) return 99;
    const auto listener = Listen(Uri("?allow_uids=0"));
    if (!listener.ok()) return static_cast<int>(listener.status().code());
    up.Pass();
    for (;;) {
      const auto link = AcceptOne(listener->get());
      if (!link.ok() || Receive(link->get()) != Io::kOk) continue;
      if (Send(link->get())) return 0;
    }
  });
  ASSERT_TRUE(up.Await());
  const absl::Status refused = Dial(Uri()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Text(refused),
              AllOf(HasSubstr("uid 65534"), HasSubstr("allow_uids")));
  const auto link = Dial(Uri("?allow_uids=65534"));
  ASSERT_TRUE(link.ok()) << link.status();
  EXPECT_TRUE(Send(link->get()));
  EXPECT_EQ(Receive(link->get()), Io::kOk);
  EXPECT_EQ(server.Wait(), 0);
}

TEST_P(AccessTest, MistakesNameTheRemedy) {
  const auto server = [this](const std::string& options) {
    return Text(Listen(Uri(options)).status());
  };
  EXPECT_THAT(server("?mode=0660"), HasSubstr("group or allow_uids"));
  EXPECT_THAT(server("?mode=rw&group=0"), HasSubstr("octal"));
  EXPECT_THAT(server("?mode=0060&group=0"), HasSubstr("octal"));
  EXPECT_THAT(server("?group=no-such-group"), HasSubstr("no such group"));
  EXPECT_THAT(server("?allow_uids=nobody"), HasSubstr("user ids"));
  EXPECT_THAT(
      Text(Listen(GetParam() + ":greeter?allow_uids=65534").status()),
      AllOf(HasSubstr("absolute path"), HasSubstr(GetParam() + ":/PATH")));
  EXPECT_NE(access(Path().c_str(), F_OK), 0);
}

INSTANTIATE_TEST_SUITE_P(Schemes, AccessTest, testing::Values("unix", "shm"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace nearcall::internal
