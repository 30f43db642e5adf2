// Commands as pipe: targets write them.
#include "transports/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nearcall/pipe_target.h>

namespace nearcall::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Words = std::vector<std::string>;

Words Split(std::string_view text) {
  const absl::StatusOr<Words> words = SplitCommand(text);
  EXPECT_TRUE(words.ok()) << words.status();
  return words.value_or(Words());
}

TEST(CommandLineTest, BlanksSeparateAndQuotesJoin) {
  EXPECT_THAT(Split(""), IsEmpty());
  EXPECT_THAT(Split(" \t "), IsEmpty());
  EXPECT_THAT(Split("  a  b\tc "), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Split("'a b'c \"d 'e\""), ElementsAre("a bc", "d 'e"));
  EXPECT_THAT(Split("'' \"\""), ElementsAre("", ""));
  EXPECT_THAT(Split(R"(a\ b "c\"d\\e\f" '\')"),
              ElementsAre("a b", R"(c"d\e\f)", R"(\)"));
}

TEST(CommandLineTest, NothingIsExpanded) {
  EXPECT_THAT(Split("~/a *.cc ?x [y] {z} #n '$HOME' \\$1 A=b"),
              ElementsAre("~/a", "*.cc", "?x", "[y]", "{z}", "#n", "$HOME",
                          "$1", "A=b"));
}

TEST(CommandLineTest, MistakesNameTheirPlace) {
  const auto mistake = [](std::string_view text) {
    return std::string(SplitCommand(text).status().message());
  };
  EXPECT_THAT(mistake("a 'b"), HasSubstr("the ' at character 3"));
  EXPECT_THAT(mistake("\"b"), HasSubstr("the \" at character 1"));
  EXPECT_THAT(mistake("\"b\\\""), HasSubstr("the \" at character 1"));
  EXPECT_THAT(mistake("a\\"), HasSubstr("backslash at the end"));
  for (const char* text : {"a|b", "a &", "a;b", "a <b", "a >b", "$A", "`a`"}) {
    EXPECT_THAT(mistake(text), HasSubstr("for a shell")) << text;
  }
}

TEST(CommandLineTest, PipeTargetQuotesWhateverWordsThereAre) {
  EXPECT_EQ(PipeTarget({"./server", "--a=b"}), "pipe:./server --a=b");
  const Words words = {"/a b/c", "", "'", "it's", "\"$x\"", "a\\", "\n;|"};
  const std::string target = PipeTarget(words);
  EXPECT_EQ(Split(target.substr(5)), words) << target;
}

}  // namespace
}  // namespace nearcall::internal
