// How the child of a pipe: channel learns of its descriptors: one environment
// variable,
//
//   NEARCALL_PIPE=READ,WRITE,PARENT[,COMMAND]...
//
// two descriptors, the parent's pid, and a hash of each command by which this
// process and those above it were started by channels, the latest last. The
// library removes the variable and marks the descriptors CLOEXEC when it first
// needs to know, so that neither reaches the child's own children.
#ifndef NEARCALL_TRANSPORTS_PIPE_ENVIRONMENT_H_
#define NEARCALL_TRANSPORTS_PIPE_ENVIRONMENT_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/fd.h"

namespace nearcall::internal {

struct InheritedPipe {
  Fd read;
  Fd write;
  pid_t parent = -1;  ///< As the parent told it.
};

/// What the channel in the parent gave this process; once. FAILED_PRECONDITION:
/// it was not started by a channel, or another server has taken the pipe.
absl::StatusOr<InheritedPipe> TakeInheritedPipe();

/// Whether a channel started this process, or one above it, with this command.
bool StartedByChannelAs(const std::vector<std::string>& argv);

/// The environment of a child: this process's, with the variable for these
/// descriptors. Each entry is NAME=value.
std::vector<std::string> ChildEnvironment(int read, int write,
                                          const std::vector<std::string>& argv);

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_PIPE_ENVIRONMENT_H_
