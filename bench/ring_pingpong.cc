// What the ring costs above the machine: 64-byte round trips between two
// processes over a RingLink whose ends spin on Peek and copy each frame to
// private memory, beside a floor of one flag and one buffer each way. Rounds
// are interleaved; the ratio is the median of the rounds' ratios.
//
//   ring_pingpong [round trips a round] [rounds]
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/deadline.h"
#include "transports/ring_link.h"

namespace nearcall::internal {
namespace {

constexpr uint32_t kPayload = 64;
constexpr uint32_t kRingBytes = 256 << 10;

struct FloorWay {
  alignas(kOwnLine) std::atomic<uint32_t> flag;
  alignas(kOwnLine) char buffer[kPayload];
};
struct Floor {
  FloorWay there;
  FloorWay back;
};

void FloorSend(FloorWay* way, const char* frame, uint32_t turn) {
  memcpy(way->buffer, frame, kPayload);
  way->flag.store(turn, std::memory_order_release);
}
void FloorReceive(FloorWay* way, char* frame, uint32_t turn) {
  while (way->flag.load(std::memory_order_acquire) != turn) {
  }
  memcpy(frame, way->buffer, kPayload);
}

bool Send(Link* link, const char* frame) {
  const WriteSpan span = link->Reserve(kPayload);
  if (span.io != Io::kOk) return false;
  memcpy(span.data, frame, kPayload);
  link->Commit(kPayload);
  return link->Flush() == Io::kOk;
}
bool Receive(Link* link, char* frame) {
  ReadSpan span;
  do {
    span = link->Peek();
  } while (span.io == Io::kAgain);
  if (span.io != Io::kOk || span.size != kPayload) return false;
  memcpy(frame, span.data, kPayload);
  link->Release();
  return true;
}

struct Shared {
  int regions[2];
  int frames[2];
  int space[2];
  Floor* floor;
};

std::unique_ptr<Link> MakeEnd(const Shared& shared, int side) {
  RingEnds ends;
  ends.own = *RingRegion::Map(shared.regions[side], kRingBytes,
                              RingRegion::Access::kWrite);
  ends.peer = *RingRegion::Map(shared.regions[1 - side], kRingBytes,
                               RingRegion::Access::kRead);
  ends.frames_bell = Fd(shared.frames[side]);
  ends.space_bell = Fd(shared.space[side]);
  LinkInfo info;
  info.scheme = "bench";
  info.max_frame = kRingBytes / 4;
  return MakeRingLink(std::move(ends), std::move(info));
}

void Serve(const Shared& shared, uint32_t trips, int rounds) {
  const std::unique_ptr<Link> link = MakeEnd(shared, 1);
  char frame[kPayload];
  uint32_t turn = 0;
  for (int round = 0; round < rounds; ++round) {
    for (uint32_t i = 0; i < trips; ++i) {
      ++turn;
      FloorReceive(&shared.floor->there, frame, turn);
      FloorSend(&shared.floor->back, frame, turn);
    }
    for (uint32_t i = 0; i < trips; ++i) {
      if (!Receive(link.get(), frame) || !Send(link.get(), frame)) _exit(1);
    }
  }
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2,
                   values.end());
  return values[values.size() / 2];
}

int Run(uint32_t trips, int rounds) {
  Shared shared;
  for (int& region : shared.regions) {
    region = memfd_create("ring_pingpong", MFD_CLOEXEC);
    if (region < 0 ||
        ftruncate(region, RingRegion::FileBytes(kRingBytes)) != 0) {
      perror("memfd");
      return 1;
    }
  }
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, shared.frames);
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, shared.space);
  shared.floor =
      static_cast<Floor*>(mmap(nullptr, sizeof(Floor), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const pid_t child = fork();
  if (child == 0) {
    close(shared.frames[0]);
    close(shared.space[0]);
    Serve(shared, trips, rounds);
    _exit(0);
  }
  close(shared.frames[1]);
  close(shared.space[1]);
  const std::unique_ptr<Link> link = MakeEnd(shared, 0);
  std::vector<double> floors, rings, ratios;
  char frame[kPayload] = "ping";
  uint32_t turn = 0;
  std::vector<double> trip_micros(trips);
  for (int round = 0; round < rounds; ++round) {
    for (double& micros : trip_micros) {
      const int64_t start = MonotonicNanos();
      ++turn;
      FloorSend(&shared.floor->there, frame, turn);
      FloorReceive(&shared.floor->back, frame, turn);
      micros = (MonotonicNanos() - start) / 1e3;
    }
    floors.push_back(Median(trip_micros));
    for (double& micros : trip_micros) {
      const int64_t start = MonotonicNanos();
      if (!Send(link.get(), frame) || !Receive(link.get(), frame)) {
        fprintf(stderr, "the link ended: %s\n", link->reason().c_str());
        return 1;
      }
      micros = (MonotonicNanos() - start) / 1e3;
    }
    rings.push_back(Median(trip_micros));
    ratios.push_back(rings.back() / floors.back());
  }
  int status;
  waitpid(child, &status, 0);
  printf("floor %.3f us, ring %.3f us, ratio %.2f (p50 of %u x %d)\n",
         Median(floors), Median(rings), Median(ratios), trips, rounds);
  return status == 0 ? 0 : 1;
}

}  // namespace
}  // namespace nearcall::internal

int main(int argc, char** argv) {
  const uint32_t trips = argc > 1 ? atoi(argv[1]) : 100'000;
  const int rounds = argc > 2 ? atoi(argv[2]) : 7;
  if (trips == 0 || rounds <= 0) {
    fprintf(stderr, "usage: ring_pingpong [round trips a round] [rounds]\n");
    return 2;
  }
  return nearcall::internal::Run(trips, rounds);
}
