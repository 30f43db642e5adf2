#include "transports/command_line.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace nearcall::internal {
namespace {

constexpr std::string_view kBlanks = " \t\n";
constexpr std::string_view kOfShells = "|&;<>$`";

bool In(std::string_view set, char c) {
  return set.find(c) != std::string_view::npos;
}

absl::Status NotClosed(char quote, size_t at) {
  return absl::InvalidArgumentError(absl::StrCat("the ", std::string(1, quote),
                                                 " at character ", at + 1,
                                                 " has no other"));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SplitCommand(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  size_t i = 0;
  while (i < text.size()) {
    const size_t at = i;
    const char c = text[i++];
    if (In(kBlanks, c)) {
      if (std::exchange(in_word, false)) {
        words.push_back(std::exchange(word, std::string()));
      }
      continue;
    }
    in_word = true;
    if (c == '\'') {
      const size_t close = text.find('\'', i);
      if (close == text.npos) return NotClosed(c, at);
      word += text.substr(i, close - i);
      i = close + 1;
    } else if (c == '"') {
      while (i < text.size() && text[i] != '"') {
        if (text[i] == '\\' && i + 1 < text.size() && In("\"\\", text[i + 1])) {
          ++i;
        }
        word += text[i++];
      }
      if (i == text.size()) return NotClosed(c, at);
      ++i;
    } else if (c == '\\') {
      if (i == text.size()) {
        return absl::InvalidArgumentError(
            "the backslash at the end quotes nothing");
      }
      word += text[i++];
    } else if (In(kOfShells, c)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "'", std::string(1, c), "' at character ", at + 1,
          " is for a shell, and there is none: quote it to pass it on, or "
          "write sh -c 'exec ...'"));
    } else {
      word += c;
    }
  }
  if (in_word) words.push_back(std::move(word));
  return words;
}

}  // namespace nearcall::internal
