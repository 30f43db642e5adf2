// A view of bytes that somebody else owns: gRPC's string_ref.
#ifndef NEARCALL_STRING_REF_H_
#define NEARCALL_STRING_REF_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <limits>
#include <ostream>
#include <string>
#include <string_view>

namespace nearcall {

// gRPC's namespace has them, and programs written for it rely on that.
using std::string;
using std::to_string;

/// Not terminated by a zero. The owner of the bytes (a context) must outlive
/// it.
class string_ref {
 public:
  using const_iterator = const char*;
  using const_reverse_iterator = std::reverse_iterator<const_iterator>;
  static constexpr size_t npos = std::numeric_limits<size_t>::max();

  constexpr string_ref() = default;
  constexpr string_ref(const char* text)  // NOLINT: implicit, as in gRPC
      : view_(text) {}
  constexpr string_ref(const char* data, size_t size) : view_(data, size) {}
  string_ref(const std::string& text) : view_(text) {}  // NOLINT: implicit
  constexpr string_ref(std::string_view text) : view_(text) {}  // NOLINT

  constexpr operator std::string_view() const { return view_; }  // NOLINT

  constexpr const_iterator begin() const { return data(); }
  constexpr const_iterator end() const { return data() + size(); }
  constexpr const_iterator cbegin() const { return begin(); }
  constexpr const_iterator cend() const { return end(); }
  const_reverse_iterator rbegin() const {
    return const_reverse_iterator(end());
  }
  const_reverse_iterator rend() const {
    return const_reverse_iterator(begin());
  }
  const_reverse_iterator crbegin() const { return rbegin(); }
  const_reverse_iterator crend() const { return rend(); }

  constexpr size_t size() const { return view_.size(); }
  constexpr size_t length() const { return view_.size(); }
  constexpr size_t max_size() const { return view_.max_size(); }
  constexpr bool empty() const { return view_.empty(); }
  constexpr const char* data() const { return view_.data(); }

  int compare(string_ref other) const { return view_.compare(other.view_); }
  bool starts_with(string_ref text) const {
    return view_.starts_with(text.view_);
  }
  bool ends_with(string_ref text) const { return view_.ends_with(text.view_); }
  const_iterator find(string_ref text) const {
    const size_t at = view_.find(text.view_);
    return at == std::string_view::npos ? end() : begin() + at;
  }
  const_iterator find(char c) const {
    const size_t at = view_.find(c);
    return at == std::string_view::npos ? end() : begin() + at;
  }
  string_ref substr(size_t pos, size_t n = npos) const {
    return string_ref(view_.substr(std::min(pos, size()), n));
  }

 private:
  std::string_view view_;
};

inline bool operator==(string_ref a, string_ref b) { return a.compare(b) == 0; }
inline bool operator!=(string_ref a, string_ref b) { return a.compare(b) != 0; }
inline bool operator<(string_ref a, string_ref b) { return a.compare(b) < 0; }
inline bool operator>(string_ref a, string_ref b) { return a.compare(b) > 0; }
inline bool operator<=(string_ref a, string_ref b) { return a.compare(b) <= 0; }
inline bool operator>=(string_ref a, string_ref b) { return a.compare(b) >= 0; }
inline std::ostream& operator<<(std::ostream& out, const string_ref& text) {
  return out << std::string_view(text);
}

}  // namespace nearcall

#endif  // NEARCALL_STRING_REF_H_
