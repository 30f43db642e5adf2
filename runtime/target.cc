#include "runtime/target.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/absl_view.h"
#include "runtime/option_fields.h"
#include "runtime/target_spelling.h"
#include "runtime/transport.h"

namespace nearcall::internal {

std::string KnownSchemes() {
  return absl::StrJoin(Transports(), ", ",
                       [](std::string* out, const Transport& transport) {
                         out->append(transport.scheme);
                       });
}

bool HasScheme(std::string_view target) {
  const size_t colon = target.find(':');
  return colon != target.npos &&
         FindTransport(target.substr(0, colon)) != nullptr;
}

absl::StatusOr<Target> ParseTarget(std::string_view uri) {
  Target target;
  target.written = target.uri = std::string(uri);
  size_t question = uri.find('?');
  if (HasScheme(uri)) {
    const size_t colon = uri.find(':');
    target.scheme = std::string(uri.substr(0, colon));
    if (FindTransport(target.scheme)->takes_question_mark) question = uri.npos;
    target.rest = std::string(
        uri.substr(0, question).substr(std::min(colon + 1, question)));
  } else {
    const absl::StatusOr<std::optional<HostPort>> address =
        ParseGrpcSpelling(uri.substr(0, question));
    if (!address.ok()) return address.status();
    if (!address->has_value() || FindTransport("tcp") == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("target '", AbslView(uri),
                       "' does not begin with a known scheme (SCHEME:...): ",
                       KnownSchemes()));
    }
    target.scheme = "tcp";
    target.rest = HostPortText(**address);
  }
  if (question != uri.npos) {
    const absl::Status status =
        SetOptions(target.scheme, uri.substr(question + 1),
                   absl::StrCat("target '", target.uri, "'"), &target.options);
    if (!status.ok()) return status;
  }
  return target;
}

}  // namespace nearcall::internal
