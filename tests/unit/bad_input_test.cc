// Mistakes of users, each met by both surfaces of both sides: a clear error
// that names the thing and the remedy, never a crash, never a silent default.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nearcall/generic.h>
#include <nearcall/nearcall.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "tests/support/temp_runtime_dir.h"

namespace nearcall {
namespace {

using internal::TempRuntimeDir;
using ::testing::HasSubstr;

struct Expected {
  absl::StatusCode code;
  std::string text;
};

void ExpectServerRefuses(const std::string& target, const Expected& expected) {
  SCOPED_TRACE(target);
  int port = 7;
  ServerBuilder builder;
  builder.AddListeningPort(target, InsecureServerCredentials(), &port);
  const auto started = builder.Start();
  EXPECT_EQ(started.status().code(), expected.code) << started.status();
  EXPECT_THAT(std::string(started.status().message()),
              HasSubstr(expected.text));
  EXPECT_EQ(port, 0);

  port = 7;
  ServerBuilder same;
  same.AddListeningPort(target, InsecureServerCredentials(), &port);
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(same.BuildAndStart(), nullptr);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr(expected.text));
  EXPECT_EQ(port, 0);
}

void ExpectChannelRefuses(const std::string& target, const Expected& expected) {
  SCOPED_TRACE(target);
  const auto channel = TryCreateChannel(target, InsecureChannelCredentials());
  EXPECT_EQ(channel.status().code(), expected.code) << channel.status();
  EXPECT_THAT(std::string(channel.status().message()),
              HasSubstr(expected.text));

  GenericStub stub(CreateChannel(target, InsecureChannelCredentials()));
  for (const bool wait_for_ready : {false, true}) {
    ClientContext context;
    context.set_wait_for_ready(wait_for_ready);
    ByteBuffer reply;
    const Status status =
        stub.UnaryCall(&context, "/a.Service/Do", ByteBuffer(), &reply);
    EXPECT_EQ(status.error_code(), INVALID_ARGUMENT) << status.ToString();
    EXPECT_EQ(status.error_message(), channel.status().message());
    EXPECT_FALSE(context.maybe_sent());
  }
}

void ExpectBothRefuse(const std::string& target, const std::string& text) {
  ExpectServerRefuses(target, {absl::StatusCode::kInvalidArgument, text});
  ExpectChannelRefuses(target, {absl::StatusCode::kInvalidArgument, text});
}

TEST(BadInput, ATargetThatIsNone) {
  const TempRuntimeDir directory;
  ExpectBothRefuse("", "");
  ExpectBothRefuse("smh:greeter", "did you mean 'shm:greeter'?");
  ExpectBothRefuse("smh:greeter", "Schemes: shm, unix");
  ExpectBothRefuse("unix:", "write unix:NAME");
  ExpectBothRefuse("shm:", "write shm:NAME");
  ExpectBothRefuse("unix-abstract:", "write unix-abstract:NAME");
  ExpectBothRefuse("unix://host/path", "names a host");
}

TEST(BadInput, AnOptionThatIsNone) {
  const TempRuntimeDir directory;
  ExpectBothRefuse("shm:a?ring_byte=4096", "did you mean 'ring_bytes'?");
  ExpectBothRefuse("shm:a?ring_bytes", "has no value; write ring_bytes=VALUE");
  ExpectBothRefuse("shm:a?ring_bytes=", "has no value");
  ExpectBothRefuse("shm:a?ring_bytes=many", "it must be a whole number");
  ExpectBothRefuse("shm:a?ring_bytes=4097", "4097");
  ExpectBothRefuse("shm:a?spin_micros=1&spin_micros=2", "given twice");
  ExpectBothRefuse("shm:a?=1", "has no name");
  ExpectBothRefuse("shm:a?", "has no name");
  ExpectBothRefuse("unix:a?ring_bytes=4096", "is not an option of unix:");
  ExpectBothRefuse("unix:a?frame_bytes=255", "frame_bytes");
}

TEST(BadInput, ANameThatIsNone) {
  const TempRuntimeDir directory;
  ExpectBothRefuse("unix:a/b", "has a slash");
  ExpectBothRefuse("shm:a/b", "has a slash");
  ExpectBothRefuse("shm:..", "is a directory's");
  ExpectBothRefuse("unix:a\nb", "has a control character");
  ExpectBothRefuse("unix:a.lock", "ends in '.lock'");
  const std::string name(120, 'n');
  ExpectBothRefuse("unix:" + name, "at most 107");
  ExpectBothRefuse("shm:" + name, "at most 107");
  ExpectBothRefuse("unix:/tmp/" + name, "at most 107");
  ExpectBothRefuse("unix-abstract:" + name, "at most 107");
}

TEST(BadInput, NullCredentials) {
  const TempRuntimeDir directory;
  int port = 7;
  ServerBuilder builder;
  builder.AddListeningPort("unix:a", nullptr, &port);
  EXPECT_EQ(builder.Start().status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(port, 0);
  EXPECT_EQ(TryCreateChannel("unix:a", nullptr).status().code(),
            absl::StatusCode::kInvalidArgument);
  GenericStub stub(CreateChannel("unix:a", nullptr));
  ClientContext context;
  ByteBuffer reply;
  const Status status =
      stub.UnaryCall(&context, "/a.Service/Do", ByteBuffer(), &reply);
  EXPECT_EQ(status.error_code(), INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("credentials"));
}

TEST(BadInput, ARuntimeDirectoryThatOthersMayEnter) {
  const TempRuntimeDir directory;
  ASSERT_EQ(chmod(directory.path().c_str(), 0755), 0);
  for (const std::string target : {"unix:a", "shm:a"}) {
    const Expected expected{absl::StatusCode::kFailedPrecondition,
                            "chmod 700 " + directory.path()};
    ExpectServerRefuses(target, expected);
    ExpectChannelRefuses(target, expected);
  }
}

TEST(BadInput, ARuntimeDirectoryThatIsALinkOrAFileOrNowhere) {
  const TempRuntimeDir directory;
  const std::string link = directory.File("link");
  ASSERT_EQ(symlink(directory.path().c_str(), link.c_str()), 0);
  setenv("NEARCALL_RUNTIME_DIR", link.c_str(), 1);
  const Expected is_link{absl::StatusCode::kFailedPrecondition,
                         "is a symbolic link"};
  ExpectServerRefuses("shm:a", is_link);
  ExpectChannelRefuses("shm:a", is_link);
  setenv("NEARCALL_RUNTIME_DIR", "/dev/null", 1);
  const Expected is_file{absl::StatusCode::kFailedPrecondition,
                         "is not a directory"};
  ExpectServerRefuses("unix:a", is_file);
  ExpectChannelRefuses("unix:a", is_file);
  setenv("NEARCALL_RUNTIME_DIR", "relative", 1);
  ExpectBothRefuse("unix:a", "it must be an absolute path");
  setenv("NEARCALL_RUNTIME_DIR", directory.File("no/such").c_str(), 1);
  ExpectServerRefuses("unix:a", {absl::StatusCode::kFailedPrecondition,
                                 "its parent must exist"});
}

// Another user's directory can only be made by root; else one of root's.
TEST(BadInput, ARuntimeDirectoryOfAnotherUser) {
  const TempRuntimeDir directory;
  if (geteuid() == 0) {
    ASSERT_EQ(chown(directory.path().c_str(), 65534, 65534), 0);
  } else {
    setenv("NEARCALL_RUNTIME_DIR", "/root", 1);
  }
  const Expected expected{absl::StatusCode::kPermissionDenied,
                          "belongs to uid"};
  ExpectServerRefuses("unix:a", expected);
  ExpectServerRefuses("shm:a", expected);
  if (geteuid() == 0) ExpectChannelRefuses("shm:a", expected);
}

TEST(BadInput, ANameThatAnotherServerHolds) {
  const TempRuntimeDir directory;
  for (const std::string target :
       {"unix:a", "shm:a", "inproc:a", "unix-abstract:nearcall-bad-input"}) {
    ServerBuilder builder;
    builder.AddListeningPort(target, InsecureServerCredentials());
    const auto first = builder.Start();
    ASSERT_TRUE(first.ok()) << first.status();
    ExpectServerRefuses(target, {absl::StatusCode::kAlreadyExists,
                                 "pid " + std::to_string(getpid())});
    ExpectServerRefuses(target,
                        {absl::StatusCode::kAlreadyExists, "another server"});
  }
}

TEST(BadInput, OnePortOfTwoIsEnoughToRefuseBoth) {
  const TempRuntimeDir directory;
  int ports[2] = {7, 7};
  ServerBuilder builder;
  builder.AddListeningPort("unix:a", InsecureServerCredentials(), &ports[0]);
  builder.AddListeningPort("smh:a", InsecureServerCredentials(), &ports[1]);
  EXPECT_FALSE(builder.Start().ok());
  EXPECT_EQ(ports[0], 0);
  EXPECT_EQ(ports[1], 0);
  EXPECT_TRUE(directory.List().empty());
}

}  // namespace
}  // namespace nearcall
