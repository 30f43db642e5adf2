// Targets of the transport pipe:, whose channels start their server as a child.
#ifndef NEARCALL_PIPE_TARGET_H_
#define NEARCALL_PIPE_TARGET_H_

#include <string>
#include <vector>

namespace nearcall {

/// The target of a channel that starts its server with these arguments:
/// "pipe:" and the words, quoted where they need it. No shell is involved and
/// nothing in them is expanded. argv[0] is the program, looked up in PATH when
/// it has no slash.
std::string PipeTarget(const std::vector<std::string>& argv);

}  // namespace nearcall

#endif  // NEARCALL_PIPE_TARGET_H_
