// Where targets come from: a file that says what logical names stand for, so
// that the transport between two programs changes without a recompilation.
// docs/config.md describes the file.
#ifndef NEARCALL_CONFIG_H_
#define NEARCALL_CONFIG_H_

#include <string>

#include "absl/status/status.h"

namespace nearcall {

/// Makes the file at `path` (JSON) the configuration of this process, in place
/// of the one loaded before or of NEARCALL_CONFIG's; what NEARCALL_TARGETS says
/// still counts before it. For channels and servers made from then on. Any
/// thread.
///
/// NOT_FOUND or PERMISSION_DENIED: the file cannot be read. INVALID_ARGUMENT:
/// it, or NEARCALL_TARGETS, has a mistake, named with its place. On an error
/// everything stays as it was.
///
/// Without this call the file that NEARCALL_CONFIG names is loaded when the
/// first channel or server is made; a mistake in it then fails every one of
/// them, with the same message.
absl::Status LoadConfig(const std::string& path);

}  // namespace nearcall

#endif  // NEARCALL_CONFIG_H_
