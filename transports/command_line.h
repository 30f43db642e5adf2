// Words of a command as a shell quotes them, without a shell.
#ifndef NEARCALL_TRANSPORTS_COMMAND_LINE_H_
#define NEARCALL_TRANSPORTS_COMMAND_LINE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace nearcall::internal {

/// Blanks separate words; '...' is literal; in "..." a backslash quotes " and
/// itself; elsewhere it quotes any character. Nothing is expanded: * ? ~ [ are
/// themselves. INVALID_ARGUMENT: a quote that is not closed, and what a shell
/// would act on (| & ; < > $ `) where it is not quoted, since whoever wrote it
/// expects what will not happen.
absl::StatusOr<std::vector<std::string>> SplitCommand(std::string_view text);

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_COMMAND_LINE_H_
