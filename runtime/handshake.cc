#include "runtime/handshake.h"

#include <nearcall/version.h>
#include <sys/random.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "runtime/per_process.h"
#include "runtime/wire.h"

namespace nearcall::internal {
namespace {

// Defaults of docs/wire.md.
constexpr uint32_t kWindow = 64 * 1024;
constexpr uint32_t kMaxCalls = 1024;
constexpr size_t kMaxAgent = 128;
constexpr uint64_t kKnownFeatures = Hello::kRendezvousStreams;
constexpr size_t kFixedSize = 4 + 2 + 2 + 8 + 8 + 4 + 4 + 4 + 8 + 1;

// Random, so that a frame of an earlier life is never taken for one of this.
struct Epoch {
  Epoch() {
    if (getrandom(&value, sizeof value, 0) != sizeof value) {
      value = static_cast<uint64_t>(MonotonicNanos());
    }
  }
  uint64_t value = 0;
};
constinit PerProcess<Epoch> process_epoch;

}  // namespace

Hello OurHello(const Link& link, std::string_view agent_prefix,
               const std::optional<Buffering>& buffering) {
  Hello hello;
  hello.max_frame = link.info().max_frame;
  hello.window = kWindow;
  if (buffering.has_value()) {
    if (buffering->mode == BufferingMode::kRendezvous) {
      hello.features |= Hello::kRendezvousStreams;
    } else if (buffering->mode == BufferingMode::kBounded &&
               buffering->bytes != 0) {
      hello.window = buffering->bytes;
    }
  }
  hello.max_calls = kMaxCalls;
  hello.epoch = process_epoch.Get().value;
  if (!agent_prefix.empty()) {
    hello.agent = absl::StrCat(std::string(agent_prefix), " ");
  }
  hello.agent += "nearcall/" NEARCALL_VERSION_STRING;
  if (hello.agent.size() > kMaxAgent) hello.agent.resize(kMaxAgent);
  return hello;
}

absl::Status SendHello(Link* link, const Hello& hello) {
  const size_t size = wire::Header::kSize + kFixedSize + hello.agent.size();
  const WriteSpan span = link->Reserve(static_cast<uint32_t>(size));
  if (span.io != Io::kOk) {
    return absl::UnavailableError(absl::StrCat("handshake: ", link->reason()));
  }
  wire::Writer to(reinterpret_cast<uint8_t*>(span.data));
  wire::Header{wire::Type::kHello, 0, 0, 0}.Write(to.at());
  wire::Writer body(to.at() + wire::Header::kSize);
  body.Number(Hello::kMagic);
  body.Number(Hello::kMajor);
  body.Number(hello.minor);
  body.Number(hello.features);
  body.Number(hello.required);
  body.Number(hello.max_frame);
  body.Number(hello.window);
  body.Number(hello.max_calls);
  body.Number(hello.epoch);
  body.Number(static_cast<uint8_t>(hello.agent.size()));
  body.Bytes(hello.agent);
  link->Commit(static_cast<uint32_t>(size));
  const Io io = link->Flush();
  if (io == Io::kEnd || io == Io::kBroken) {
    return absl::UnavailableError(absl::StrCat("handshake: ", link->reason()));
  }
  return absl::OkStatus();
}

absl::StatusOr<Hello> ParseHello(std::string_view frame) {
  if (frame.size() < wire::Header::kSize ||
      static_cast<wire::Type>(frame[0]) != wire::Type::kHello) {
    return absl::InternalError("the peer's first frame is not a handshake");
  }
  wire::Reader body(frame.substr(wire::Header::kSize));
  if (body.Number<uint32_t>() != Hello::kMagic) {
    return absl::InternalError(
        "wrong magic in the handshake: the peer does not speak nearcall");
  }
  const uint16_t major = body.Number<uint16_t>();
  if (body.ok() && major != Hello::kMajor) {
    return absl::UnavailableError(absl::StrCat(
        "the peer speaks wire version ", major, ", this process version ",
        Hello::kMajor, ": build both with the same nearcall"));
  }
  Hello hello;
  hello.minor = body.Number<uint16_t>();
  hello.features = body.Number<uint64_t>();
  hello.required = body.Number<uint64_t>();
  hello.max_frame = body.Number<uint32_t>();
  hello.window = body.Number<uint32_t>();
  hello.max_calls = body.Number<uint32_t>();
  hello.epoch = body.Number<uint64_t>();
  hello.agent = std::string(body.Bytes(body.Number<uint8_t>()));
  if (!body.ok()) return absl::InternalError("malformed handshake");
  if (hello.required & ~kKnownFeatures) {
    return absl::UnavailableError(absl::StrCat(
        "the peer requires features 0x", absl::Hex(hello.required),
        ", of which this process has 0x", absl::Hex(kKnownFeatures),
        ": build both with the same nearcall"));
  }
  constexpr uint32_t kLeast = 256;
  if (hello.max_frame < kLeast || hello.window < kLeast ||
      hello.max_calls == 0) {
    return absl::InternalError("limits out of range in the handshake");
  }
  return hello;
}

}  // namespace nearcall::internal
