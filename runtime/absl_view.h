// Between std::string_view, which the project's interfaces use, and
// absl::string_view, which is a type of its own in builds of Abseil that are
// older than the program's C++ standard (Debian's).
#ifndef NEARCALL_RUNTIME_ABSL_VIEW_H_
#define NEARCALL_RUNTIME_ABSL_VIEW_H_

#include <string_view>

#include "absl/strings/string_view.h"

namespace nearcall::internal {

inline absl::string_view AbslView(std::string_view text) {
  return absl::string_view(text.data(), text.size());
}
inline std::string_view StdView(absl::string_view text) {
  return std::string_view(text.data(), text.size());
}

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_ABSL_VIEW_H_
