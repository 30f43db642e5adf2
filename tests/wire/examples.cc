#include "tests/wire/examples.h"

#include <gtest/gtest.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

namespace nearcall::test {
namespace {

constexpr int kAny = -1;

/// "??" or two hexadecimal digits.
bool ParseByte(const std::string& text, int* byte) {
  if (text == "??") {
    *byte = kAny;
    return true;
  }
  if (text.size() != 2) return false;
  const auto end = text.data() + 2;
  const auto [at, error] = std::from_chars(text.data(), end, *byte, 16);
  return at == end && error == std::errc();
}

void ParseLine(const std::string& line, Example* example) {
  std::istringstream words(line.substr(0, line.find('#')));
  std::string word;
  while (words >> word) {
    const size_t star = word.find('*');
    const int count =
        star == std::string::npos ? 1 : std::atoi(word.c_str() + star + 1);
    int byte = 0;
    if (!ParseByte(word.substr(0, star), &byte) || count <= 0) {
      ADD_FAILURE() << "docs/wire.md: '" << word << "' in: " << line;
      return;
    }
    example->Add(byte, static_cast<size_t>(count));
  }
}

std::map<std::string, Example> Load() {
  std::map<std::string, Example> examples;
  std::ifstream file(NEARCALL_SOURCE_DIR "/docs/wire.md");
  EXPECT_TRUE(file.is_open());
  const std::string mark = "<!-- example: ";
  std::string line;
  Example* current = nullptr;
  bool in_block = false;
  while (std::getline(file, line)) {
    if (line.rfind(mark, 0) == 0) {
      current = &examples[line.substr(
          mark.size(), line.find(' ', mark.size()) - mark.size())];
    } else if (line.rfind("```", 0) == 0) {
      in_block = !in_block;
      if (!in_block) current = nullptr;
    } else if (in_block && current != nullptr) {
      ParseLine(line, current);
    }
  }
  return examples;
}

const std::map<std::string, Example>& All() {
  static const auto* const all = new std::map<std::string, Example>(Load());
  return *all;
}

std::set<std::string>& Used() {
  static auto* const used = new std::set<std::string>();
  return *used;
}

}  // namespace

bool Example::Matches(std::string_view bytes) const {
  if (bytes.size() != bytes_.size()) return false;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes_[i] != kAny && bytes_[i] != static_cast<uint8_t>(bytes[i])) {
      return false;
    }
  }
  return true;
}

std::string Example::Text() const {
  std::string text;
  for (const int byte : bytes_) {
    text.push_back(static_cast<char>(byte == kAny ? 1 : byte));
  }
  return text;
}

std::string Example::Difference(std::string_view bytes) const {
  return "docs/wire.md has " + Hex(Text()) + "\n the code writes " + Hex(bytes);
}

Example ExampleOf(const std::string& name) {
  const auto found = All().find(name);
  EXPECT_NE(found, All().end()) << "docs/wire.md has no example " << name;
  Used().insert(name);
  return found == All().end() ? Example() : found->second;
}

std::set<std::string> UnusedExamples() {
  std::set<std::string> unused;
  for (const auto& [name, example] : All()) {
    if (!Used().contains(name)) unused.insert(name);
  }
  return unused;
}

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) {
    char two[4];
    std::snprintf(two, sizeof two, "%02x ", static_cast<uint8_t>(c));
    hex += two;
  }
  return hex;
}

}  // namespace nearcall::test
