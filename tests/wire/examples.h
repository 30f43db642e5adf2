// The byte examples of docs/wire.md:
//
//   <!-- example: NAME -->
//   ```
//   11 00 00 00  68 69 ?? 61*240   # a remark
//   ```
//
// Two hexadecimal digits are a byte, ?? is any byte, 61*240 is a byte repeated.
#ifndef NEARCALL_TESTS_WIRE_EXAMPLES_H_
#define NEARCALL_TESTS_WIRE_EXAMPLES_H_

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace nearcall::test {

class Example {
 public:
  void Add(int byte, size_t count) { bytes_.insert(bytes_.end(), count, byte); }
  bool Matches(std::string_view bytes) const;
  /// As bytes to send; what may be any byte is 0x01.
  std::string Text() const;
  /// Where `bytes` differs.
  std::string Difference(std::string_view bytes) const;

 private:
  std::vector<int> bytes_;  ///< -1: any.
};

/// Fails the test when docs/wire.md has no such example. Each example that is
/// there must be asked for: UnusedExamples.
Example ExampleOf(const std::string& name);
std::set<std::string> UnusedExamples();
std::string Hex(std::string_view bytes);

}  // namespace nearcall::test

#endif  // NEARCALL_TESTS_WIRE_EXAMPLES_H_
