// What may be sent as metadata.
#include "runtime/metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <string>

namespace nearcall::internal {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string ProblemOf(const std::string& key, const std::string& value) {
  MetadataBlock block;
  block.Add(key, value);
  return block.Problem();
}

// Each byte at each place of texts that are checked in words of eight.
TEST(MetadataBlock, EveryByteOfAKeyIsChecked) {
  for (size_t size = 1; size <= 17; ++size) {
    for (size_t at = 0; at < size; ++at) {
      for (int c = 0; c < 256; ++c) {
        std::string key(size, 'k');
        key[at] = static_cast<char>(c);
        const bool legal = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                           c == '-' || c == '_' || c == '.';
        ASSERT_EQ(ProblemOf(key, "v").empty(), legal)
            << "byte " << c << " at " << at << " of " << size;
      }
    }
  }
}

TEST(MetadataBlock, EveryByteOfATextIsChecked) {
  for (size_t size = 1; size <= 17; ++size) {
    for (size_t at = 0; at < size; ++at) {
      for (int c = 0; c < 256; ++c) {
        std::string value(size, 'v');
        value[at] = static_cast<char>(c);
        ASSERT_EQ(ProblemOf("key", value).empty(), c >= 0x20 && c <= 0x7e)
            << "byte " << c << " at " << at << " of " << size;
        ASSERT_THAT(ProblemOf("key-bin", value), IsEmpty());
      }
    }
  }
}

TEST(MetadataBlock, ProblemsNameTheEntry) {
  EXPECT_THAT(ProblemOf("", "v"), HasSubstr("key ''"));
  EXPECT_THAT(ProblemOf("Upper", "v"), HasSubstr("'Upper'"));
  EXPECT_THAT(ProblemOf("key", "a\nb"), HasSubstr("key-bin"));
  EXPECT_THAT(ProblemOf("key", ""), IsEmpty());
}

TEST(MetadataBlock, BytesAndEntriesAreLimited) {
  EXPECT_THAT(ProblemOf("k", std::string(kMaxMetadataBytes - 7, 'v')),
              IsEmpty());
  EXPECT_THAT(ProblemOf("k", std::string(kMaxMetadataBytes - 6, 'v')),
              HasSubstr("8193 bytes; the limit is 8192"));
  MetadataBlock block;
  for (size_t i = 0; i < kMaxMetadataEntries; ++i) block.Add("k", "v");
  EXPECT_THAT(block.Problem(), IsEmpty());
  block.Add("k", "v");
  EXPECT_THAT(block.Problem(), HasSubstr("65 metadata entries"));
}

}  // namespace
}  // namespace nearcall::internal
