// fifo_client TARGET: dials, sends one frame, waits for it to come back. Exit
// code 0: it came. Made to be killed at each step.
#include <cstdio>
#include <cstring>

#include "runtime/target.h"
#include "runtime/transport.h"

namespace nearcall::internal {
namespace {

constexpr int64_t kWatchdogMillis = 20'000;

absl::Status Run(const char* uri) {
  const Deadline watchdog = Deadline::AfterMillis(kWatchdogMillis);
  const absl::StatusOr<Target> target = ParseTarget(uri);
  if (!target.ok()) return target.status();
  const auto dialer = FindTransport(target->scheme)->make_dialer(*target);
  if (!dialer.ok()) return dialer.status();
  const auto link = (*dialer)->Dial(watchdog, -1);
  if (!link.ok()) return link.status();
  const WriteSpan span = (*link)->Reserve(5);
  if (span.io != Io::kOk) return absl::InternalError((*link)->reason());
  memcpy(span.data, "hello", 5);
  (*link)->Commit(5);
  if ((*link)->Flush() != Io::kOk) {
    return absl::InternalError((*link)->reason());
  }
  ReadSpan reply;
  while ((reply = (*link)->Peek()).io == Io::kAgain) {
    if ((*link)->Sleep(kReadable, watchdog) == Io::kTimeout) {
      return absl::DeadlineExceededError("no echo");
    }
  }
  if (reply.io != Io::kOk) return absl::InternalError((*link)->reason());
  return absl::OkStatus();
}

}  // namespace
}  // namespace nearcall::internal

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const absl::Status status = nearcall::internal::Run(argv[1]);
  if (!status.ok()) fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
