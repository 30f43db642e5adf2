#include "runtime/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "runtime/absl_view.h"

namespace nearcall::internal {
namespace {

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = std::exchange(
          row[j + 1], std::min({replaced, row[j] + 1, row[j + 1] + 1}));
    }
  }
  return row.back();
}

// ring_bytes, ringBytes and RING_BYTES are one name to a reader.
std::string Folded(std::string_view name) {
  return absl::AsciiStrToLower(
      absl::StrReplaceAll(AbslView(name), {{"_", ""}, {"-", ""}}));
}

}  // namespace

std::string NearestName(std::string_view name,
                        const std::vector<std::string>& known) {
  const std::string folded = Folded(name);
  std::string nearest;
  size_t least = std::max<size_t>(2, folded.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const size_t distance = EditDistance(folded, Folded(candidate));
    // Something of the name must be left.
    if (distance >= least || distance >= folded.size()) continue;
    least = distance;
    nearest = candidate;
  }
  return nearest;
}

std::string Suggestion(std::string_view name,
                       const std::vector<std::string>& known,
                       std::string_view has) {
  const std::string nearest = NearestName(name, known);
  if (!nearest.empty()) return absl::StrCat("; did you mean '", nearest, "'?");
  if (known.empty()) return std::string();
  return absl::StrCat("; ", AbslView(has), " ", absl::StrJoin(known, ", "));
}

}  // namespace nearcall::internal
