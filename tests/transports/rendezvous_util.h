// Listeners and dialers of registered schemes, without the runtime above them.
#ifndef NEARCALL_TESTS_TRANSPORTS_RENDEZVOUS_UTIL_H_
#define NEARCALL_TESTS_TRANSPORTS_RENDEZVOUS_UTIL_H_

#include <gtest/gtest.h>
#include <poll.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "runtime/transport.h"

namespace nearcall::internal {

inline constexpr int kPatienceMillis = 20'000;

inline absl::StatusOr<std::unique_ptr<Listener>> Listen(
    const std::string& uri) {
  const absl::StatusOr<Target> target = ParseTarget(uri);
  if (!target.ok()) return target.status();
  return FindTransport(target->scheme)->listen(*target);
}

inline absl::StatusOr<std::unique_ptr<Link>> Dial(const std::string& uri) {
  const absl::StatusOr<Target> target = ParseTarget(uri);
  if (!target.ok()) return target.status();
  auto dialer = FindTransport(target->scheme)->make_dialer(*target);
  if (!dialer.ok()) return dialer.status();
  return (*dialer)->Dial(Deadline::AfterMillis(kPatienceMillis), -1);
}

/// Waits until the listener has a link or an error.
inline absl::StatusOr<std::unique_ptr<Link>> AcceptOne(Listener* listener) {
  for (;;) {
    absl::StatusOr<std::unique_ptr<Link>> link = listener->Accept();
    if (!link.ok() || *link != nullptr) return link;
    pollfd incoming{listener->incoming().fd, POLLIN, 0};
    if (poll(&incoming, 1, kPatienceMillis) == 0) {
      return absl::DeadlineExceededError("nobody came");
    }
  }
}

/// What both sides get when a client dials while the listener accepts.
struct Meeting {
  absl::StatusOr<std::unique_ptr<Link>> client;
  absl::StatusOr<std::unique_ptr<Link>> server;
};

inline Meeting Meet(Listener* listener, const std::string& uri) {
  Meeting meeting;
  std::thread dialing([&] { meeting.client = Dial(uri); });
  meeting.server = AcceptOne(listener);
  dialing.join();
  return meeting;
}

/// A frame there arrives here.
inline void ExpectConnected(Link* from, Link* to) {
  const WriteSpan out = from->Reserve(3);
  ASSERT_EQ(out.io, Io::kOk);
  for (int i = 0; i < 3; ++i) out.data[i] = std::byte{7};
  from->Commit(3);
  ASSERT_EQ(from->Flush(), Io::kOk);
  ReadSpan in;
  while ((in = to->Peek()).io == Io::kAgain) {
    ASSERT_EQ(to->Sleep(kReadable, Deadline::AfterMillis(kPatienceMillis)),
              Io::kOk);
  }
  ASSERT_EQ(in.io, Io::kOk);
  EXPECT_EQ(in.size, 3u);
  EXPECT_EQ(in.data[2], std::byte{7});
  to->Release();
}

inline std::string Text(const absl::Status& status) {
  return std::string(status.message());
}

}  // namespace nearcall::internal

#endif  // NEARCALL_TESTS_TRANSPORTS_RENDEZVOUS_UTIL_H_
