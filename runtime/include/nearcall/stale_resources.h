// What killed processes leave behind, and how to be rid of it.
#ifndef NEARCALL_STALE_RESOURCES_H_
#define NEARCALL_STALE_RESOURCES_H_

#include <string>
#include <vector>

namespace nearcall {

struct StaleResources {
  /// What was removed, an entry each: the path of a file, or "message queue N".
  std::vector<std::string> removed;
  /// What could not be removed and why; empty when all went well.
  std::vector<std::string> problems;
};

/// Removes what processes that ended without cleaning up (killed, crashed) left
/// in the runtime directory and in the kernel: sockets, message queues, their
/// records and locks. Every transport's, and nothing that a live process uses:
/// the kernel tells, by the lock that each owner holds for as long as it lives.
///
/// Servers need not call it: each removes what is left of its own name when it
/// starts. It is for names that will not be served again. Looks at the
/// directory of this process's environment (NEARCALL_RUNTIME_DIR) only, not at
/// names that were given as absolute paths elsewhere.
///
/// Any thread; does file I/O, and never waits. A server that starts on a stale
/// name in the very moment in which it is cleaned is told that the name is
/// held, and has to start again.
StaleResources RemoveStaleResources();

}  // namespace nearcall

#endif  // NEARCALL_STALE_RESOURCES_H_
