#include "tests/link/link_test_util.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace nearcall::internal {

std::string Frame(uint32_t number, uint32_t size) {
  std::string frame(size, '\0');
  uint32_t state = number * 2654435761u + size;
  for (char& c : frame) {
    state = state * 1664525u + 1013904223u;
    c = static_cast<char>(state >> 24);
  }
  return frame;
}

Io TryCommit(Link* link, const std::string& frame) {
  const auto size = static_cast<uint32_t>(frame.size());
  const WriteSpan span = link->Reserve(size);
  if (span.io != Io::kOk) return span.io;
  EXPECT_GE(span.size, size);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(span.data) % 4, 0u);
  memcpy(span.data, frame.data(), size);
  link->Commit(size);
  return Io::kOk;
}

Io CommitFrame(Link* link, const std::string& frame) {
  for (;;) {
    Io io = TryCommit(link, frame);
    if (io != Io::kAgain) return io;
    // What waits in the link may be what fills it.
    io = link->Flush();
    if (io == Io::kOk) continue;
    if (io == Io::kAgain) io = link->Sleep(kWritable, Watchdog());
    if (io != Io::kOk && io != Io::kInterrupted) return io;
  }
}

Io FlushAll(Link* link) {
  for (;;) {
    Io io = link->Flush();
    if (io != Io::kAgain) return io;
    io = link->Sleep(kWritable, Watchdog());
    if (io != Io::kOk && io != Io::kInterrupted) return io;
  }
}

Io SendFrame(Link* link, const std::string& frame) {
  const Io io = CommitFrame(link, frame);
  return io == Io::kOk ? FlushAll(link) : io;
}

Received TryReceive(Link* link) {
  const ReadSpan span = link->Peek();
  Received result;
  result.io = span.io;
  if (span.io != Io::kOk) return result;
  result.frame.assign(reinterpret_cast<const char*>(span.data), span.size);
  link->Release();
  return result;
}

Received ReceiveFrame(Link* link) {
  for (;;) {
    Received result = TryReceive(link);
    if (result.io != Io::kAgain) return result;
    const Io io = link->Sleep(kReadable, Watchdog());
    if (io == Io::kTimeout) return {io, ""};
  }
}

std::string ReceiveText(Link* link) {
  const Received received = ReceiveFrame(link);
  if (received.io == Io::kOk) return received.frame;
  return absl::StrCat("Io ", static_cast<int>(received.io), ": ",
                      link->reason());
}

uint32_t FillUp(Link* link, uint32_t size) {
  // Far more than any link keeps.
  constexpr uint32_t kMostBytes = 256u << 20;
  for (uint32_t number = 0; number < kMostBytes / size; ++number) {
    Io io = TryCommit(link, Frame(number, size));
    if (io == Io::kAgain) {
      io = link->Flush();
      if (io == Io::kAgain) return number;
      io = TryCommit(link, Frame(number, size));
      if (io == Io::kAgain) return number;
    }
    EXPECT_EQ(io, Io::kOk);
    io = link->Flush();
    if (io == Io::kAgain) return number + 1;
    EXPECT_EQ(io, Io::kOk);
  }
  ADD_FAILURE() << "the link never filled up";
  return 0;
}

Io SleepThroughSpurious(Link* link, unsigned want, Deadline deadline) {
  for (;;) {
    const Io io = link->Sleep(want, deadline);
    if (io != Io::kOk) return io;
  }
}

std::string KindName(const testing::TestParamInfo<LinkKind>& info) {
  return info.param.name;
}

}  // namespace nearcall::internal
