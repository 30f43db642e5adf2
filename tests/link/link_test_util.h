// Sending and receiving whole frames over a Link in tests: bounded, and with
// nothing but the contract of link.h.
#ifndef NEARCALL_TESTS_LINK_LINK_TEST_UTIL_H_
#define NEARCALL_TESTS_LINK_LINK_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "runtime/link.h"
#include "tests/link/kinds.h"
#include "tests/support/slowness.h"

namespace nearcall::internal {

/// A test that waits this long has hung.
inline constexpr int64_t kWatchdogMillis = 60'000;
inline Deadline Watchdog() { return Deadline::AfterMillis(kWatchdogMillis); }

inline bool Ended(Io io) { return io == Io::kEnd || io == Io::kBroken; }

/// A frame of `size` bytes (at least 1) that tells `number` by its content.
std::string Frame(uint32_t number, uint32_t size);

/// One call each: no waiting. Commit without Flush.
Io TryCommit(Link* link, const std::string& frame);
/// Waits for space, by Sleep.
Io CommitFrame(Link* link, const std::string& frame);
/// Until everything is out.
Io FlushAll(Link* link);
Io SendFrame(Link* link, const std::string& frame);

struct Received {
  Io io = Io::kAgain;
  std::string frame;
};
/// One Peek, and Release if it found a frame.
Received TryReceive(Link* link);
/// Waits by Sleep; kTimeout is the watchdog's.
Received ReceiveFrame(Link* link);
/// ReceiveFrame, as text for EXPECT_EQ: the frame or the name of the Io.
std::string ReceiveText(Link* link);

/// Writes until the link takes no more; how many frames it took, all of them
/// Frame(n, size) from 0. The last Flush said kAgain.
uint32_t FillUp(Link* link, uint32_t size);

/// Sleeps until something other than a spurious kOk comes.
Io SleepThroughSpurious(Link* link, unsigned want, Deadline deadline);

class LinkTest : public testing::TestWithParam<LinkKind> {
 protected:
  LinkPair pair_;
  Link* a_ = nullptr;
  Link* b_ = nullptr;

  void MakePair() {
    pair_ = LinkPair();  // Its name is free again then.
    pair_ = GetParam().make_pair();
    a_ = pair_.a.get();
    b_ = pair_.b.get();
  }
  int Rounds(int rounds) const {
    return rounds / GetParam().slowness / kSanitizerSlowness;
  }
};

std::string KindName(const testing::TestParamInfo<LinkKind>& info);

#define NEARCALL_OVER_EVERY_LINK(suite)                                  \
  INSTANTIATE_TEST_SUITE_P(Kinds, suite, testing::ValuesIn(LinkKinds()), \
                           KindName)

}  // namespace nearcall::internal

#endif  // NEARCALL_TESTS_LINK_LINK_TEST_UTIL_H_
