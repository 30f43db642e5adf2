#include "transports/fifo_request.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace nearcall::internal {
namespace {

constexpr absl::string_view kMagic = "nearcall fifo ";
constexpr size_t kVersionDigits = kFifoAnswerBytes - kMagic.size();
static_assert(kVersionDigits == 2);

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::optional<FifoRequest> Decode(absl::string_view bytes) {
  if (!absl::ConsumePrefix(&bytes, "\n")) return std::nullopt;
  FifoRequest request;
  const std::optional<int> version =
      DecodeFifoAnswer(bytes.substr(0, kFifoAnswerBytes));
  if (!version) return std::nullopt;
  request.version = *version;
  bytes.remove_prefix(kFifoAnswerBytes);
  if (!absl::ConsumePrefix(&bytes, " ")) return std::nullopt;
  if (!IsFifoToken(bytes)) return std::nullopt;
  request.token = std::string(bytes);
  return request;
}

}  // namespace

std::string NewFifoToken() {
  std::array<char, kFifoTokenBytes / 2> bytes;
  if (getrandom(bytes.data(), bytes.size(), 0) !=
      static_cast<ssize_t>(bytes.size())) {
    return "";
  }
  return absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
}

bool IsFifoToken(absl::string_view text) {
  return text.size() == kFifoTokenBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return IsDigit(c) || (c >= 'a' && c <= 'f');
         });
}

std::string EncodeFifoRequest(const FifoRequest& request) {
  return absl::StrCat("\n", EncodeFifoAnswer(request.version), " ",
                      request.token);
}

std::string EncodeFifoAnswer(int version) {
  return absl::StrCat(kMagic, absl::StrFormat("%02d", version));
}

std::optional<int> DecodeFifoAnswer(absl::string_view bytes) {
  if (!absl::ConsumePrefix(&bytes, kMagic) || bytes.size() != kVersionDigits ||
      !IsDigit(bytes[0]) || !IsDigit(bytes[1])) {
    return std::nullopt;
  }
  return (bytes[0] - '0') * 10 + (bytes[1] - '0');
}

std::optional<FifoRequest> FifoRequestReader::Add(absl::string_view bytes) {
  assert(bytes.size() <= kFifoRequestBytes);
  std::optional<FifoRequest> found;
  for (const char c : bytes) {
    if (c == '\n') {
      begun_.assign(1, c);
      continue;
    }
    if (begun_.empty()) continue;
    begun_ += c;
    if (begun_.size() < kFifoRequestBytes) continue;
    if (std::optional<FifoRequest> request = Decode(begun_)) {
      found = std::move(request);
    }
    begun_.clear();
  }
  return found;
}

}  // namespace nearcall::internal
