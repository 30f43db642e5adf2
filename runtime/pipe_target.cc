#include <nearcall/pipe_target.h>

#include <algorithm>
#include <cctype>
#include <string_view>

namespace nearcall {
namespace {

bool IsPlain(unsigned char c) {
  constexpr std::string_view kPunctuation = "/._-+=:,@%";
  return std::isalnum(c) != 0 ||
         kPunctuation.find(static_cast<char>(c)) != std::string_view::npos;
}

}  // namespace

std::string PipeTarget(const std::vector<std::string>& argv) {
  std::string target = "pipe:";
  for (const std::string& word : argv) {
    if (&word != &argv.front()) target += ' ';
    if (!word.empty() && std::all_of(word.begin(), word.end(), IsPlain)) {
      target += word;
      continue;
    }
    target += '\'';
    for (const char c : word) {
      if (c == '\'') {
        target += "'\\''";
      } else {
        target += c;
      }
    }
    target += '\'';
  }
  return target;
}

}  // namespace nearcall
