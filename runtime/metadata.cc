#include "runtime/metadata.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace nearcall::internal {
namespace {

// Every byte of every call's metadata is looked at, so eight at a time.
constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHighBits = kOnes << 7;

// The high bit of each byte of `word` that is in [low, high]; all bytes are
// below 0x80, so that no sum carries into the next byte.
constexpr uint64_t InRange(uint64_t word, uint8_t low, uint8_t high) {
  return (word + kOnes * (0x80u - low)) & ~(word + kOnes * (0x7fu - high));
}

// Calls legal(word) for each eight bytes of `text`; it returns the high bit of
// each byte that is legal. The last word overlaps the one before it; a shorter
// text is padded with `filler`.
template <typename Legal>
bool EveryByte(std::string_view text, char filler, Legal legal) {
  uint64_t word = kOnes * static_cast<uint8_t>(filler);
  const auto fine = [&word, legal] {
    return (word & kHighBits) == 0 && (~legal(word) & kHighBits) == 0;
  };
  if (text.size() < sizeof word) {
    for (const char c : text) word = (word << 8) | static_cast<uint8_t>(c);
    return fine();
  }
  const char* const last = text.data() + text.size() - sizeof word;
  for (const char* at = text.data(); at < last; at += sizeof word) {
    std::memcpy(&word, at, sizeof word);
    if (!fine()) return false;
  }
  std::memcpy(&word, last, sizeof word);
  return fine();
}

bool LegalKey(std::string_view key) {
  return !key.empty() && EveryByte(key, '-', [](uint64_t word) {
    return InRange(word, 'a', 'z') | InRange(word, '0', '9') |
           InRange(word, '-', '.') | InRange(word, '_', '_');
  });
}
bool LegalText(std::string_view value) {
  return EveryByte(value, ' ',
                   [](uint64_t word) { return InRange(word, 0x20, 0x7e); });
}

}  // namespace

bool CheckMetadata(std::string_view block) {
  if (block.size() > kMaxMetadataBytes) return false;
  size_t entries = 0;
  while (!block.empty()) {
    if (block.size() < 6 || ++entries > kMaxMetadataEntries) return false;
    uint16_t key_size;
    uint32_t value_size;
    std::memcpy(&key_size, block.data(), 2);
    std::memcpy(&value_size, block.data() + 2, 4);
    const uint64_t size = uint64_t{6} + key_size + value_size;
    if (key_size == 0 || size > block.size()) return false;
    block.remove_prefix(static_cast<size_t>(size));
  }
  return true;
}

void MetadataBlock::Add(std::string_view key, std::string_view value) {
  const auto key_size =
      static_cast<uint16_t>(std::min<size_t>(key.size(), 0xffff));
  const auto value_size =
      static_cast<uint32_t>(std::min<size_t>(value.size(), 0x7fffffff));
  const size_t added = size_t{6} + key_size + value_size;
  uint8_t* to;
  if (large_.empty() && size_ + added <= kSmall) {
    to = small_ + size_;
  } else {
    if (large_.empty()) large_.assign(small_, size_);
    large_.resize(size_ + added);
    to = large_.data() + size_;
  }
  std::memcpy(to, &key_size, 2);
  std::memcpy(to + 2, &value_size, 4);
  std::memcpy(to + 6, key.data(), key_size);
  std::memcpy(to + 6 + key_size, value.data(), value_size);
  size_ += static_cast<uint32_t>(added);
}

void MetadataBlock::clear() {
  size_ = 0;
  large_.clear(kSmall);
}

std::string MetadataBlock::Problem() const {
  if (size_ > kMaxMetadataBytes) {
    return absl::StrCat("metadata of ", size_, " bytes; the limit is ",
                        kMaxMetadataBytes);
  }
  size_t entries = 0;
  std::string problem;
  ForEachMetadata(bytes(), [&](std::string_view key, std::string_view value) {
    ++entries;
    if (!problem.empty()) return;
    if (!LegalKey(key)) {
      problem =
          absl::StrCat("metadata key '", absl::CHexEscape(std::string(key)),
                       "' has a character other than a-z 0-9 - _ .");
    } else if (!LegalText(value) && !key.ends_with("-bin")) {
      problem = absl::StrCat("metadata '", std::string(key),
                             "' has a byte that is not printable ASCII; name "
                             "it '",
                             std::string(key), "-bin' to send bytes");
    }
  });
  if (problem.empty() && entries > kMaxMetadataEntries) {
    problem = absl::StrCat(entries, " metadata entries; the limit is ",
                           kMaxMetadataEntries);
  }
  return problem;
}

const MetadataMap& ReceivedMetadata::map() const {
  if (!built_) {
    map_.clear();
    ForEachMetadata(block_, [&](std::string_view key, std::string_view value) {
      map_.emplace(string_ref(key), string_ref(value));
    });
    built_ = true;
  }
  return map_;
}

}  // namespace nearcall::internal
