// scheme:rest?option=value&...  as both sides write it.
#ifndef NEARCALL_RUNTIME_TARGET_H_
#define NEARCALL_RUNTIME_TARGET_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "nearcall/config.pb.h"

namespace nearcall::internal {

struct Target {
  std::string uri;     ///< As written, for messages.
  std::string scheme;  ///< Always a known one.
  std::string rest;    ///< Between the scheme and the options.
  config::Options options;
};

/// Parses a target of a known scheme. INVALID_ARGUMENT names the part that is
/// wrong: an unknown scheme (and lists the known ones), an option that does not
/// exist or that the scheme does not have (and the nearest one that it has), a
/// missing or ill-typed value.
absl::StatusOr<Target> ParseTarget(std::string_view uri);

/// Sets one option from text, as `?key=value` and JSON strings do. `where` is
/// how messages name the place.
absl::Status SetOption(std::string_view scheme, std::string_view key,
                       std::string_view value, std::string_view where,
                       config::Options* options);

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_TARGET_H_
