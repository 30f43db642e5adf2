// scheme:rest?option=value&...  as both sides write it.
#ifndef NEARCALL_RUNTIME_TARGET_H_
#define NEARCALL_RUNTIME_TARGET_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "nearcall/config.pb.h"

namespace nearcall::internal {

struct Target {
  std::string written;  ///< By the program: a logical name, or as `uri`.
  std::string uri;      ///< As written where the scheme is, for messages.
  std::string scheme;   ///< Always a known one.
  std::string rest;     ///< Between the scheme and the options.
  config::Options options;
  /// gRPC's service config, in JSON, and where it was written; empty: none.
  std::string service_config;
  std::string service_config_source;
};

/// Parses a target of a known scheme, or one in a spelling of gRPC's
/// (HOST:PORT, dns:..., which is tcp's). INVALID_ARGUMENT names the part that
/// is wrong: an unknown scheme (and lists the known ones), an option that does
/// not exist or that the scheme does not have (and the nearest one that it
/// has), a missing or ill-typed value.
absl::StatusOr<Target> ParseTarget(std::string_view uri);

/// Whether `target` begins with a known scheme.
bool HasScheme(std::string_view target);

/// "shm, unix, ...": for messages.
std::string KnownSchemes();

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_TARGET_H_
