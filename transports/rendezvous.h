// Where names live: the runtime directory, the rules for a name, and the lock
// that makes one server the owner of one name. Shared by every transport whose
// rendezvous is a file (a socket, a FIFO, a queue's key).
//
// The owner of a name holds an flock on `PATH.lock` for as long as it serves.
// The kernel drops the lock when the owner dies, however it dies, so what a
// killed server left behind is recognised without guessing: who holds the lock
// may remove whatever lies at PATH. The lock file itself is unlinked only by
// its holder, and a taker checks that the file it locked is still the one at
// the path.
#ifndef NEARCALL_TRANSPORTS_RENDEZVOUS_H_
#define NEARCALL_TRANSPORTS_RENDEZVOUS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/fd.h"

namespace nearcall::internal {

enum class Side { kClient, kServer };

/// The runtime directory: NEARCALL_RUNTIME_DIR, else /run/user/<euid>/nearcall
/// where that parent exists and is ours, else /tmp/nearcall-<euid>. A server
/// creates it (mode 0700; its parent must exist). FAILED_PRECONDITION or
/// PERMISSION_DENIED when it is not a directory of ours (for a client: or
/// root's) with no access for others. A client accepts that it does not exist:
/// then there is no server, which the dial will say.
absl::StatusOr<std::string> RuntimeDirectory(Side side);

/// The path of the object that `rest` (a target without scheme and options)
/// names: an absolute path as it is, else a file `rest` + `suffix` in the
/// runtime directory. INVALID_ARGUMENT says which rule of names was broken;
/// FAILED_PRECONDITION a server whose directory everybody can write.
/// `scheme` is for messages. `suffix` keeps the names of different schemes
/// apart ("" for sockets, whose names users spell out).
absl::StatusOr<std::string> ResolveName(Side side, absl::string_view scheme,
                                        absl::string_view rest,
                                        absl::string_view suffix);

/// INVALID_ARGUMENT, with the path and its length, when `path` does not fit
/// into sockaddr_un.
absl::Status CheckSocketPath(absl::string_view path);

/// How "nobody there" messages end: what to do about it.
std::string NoServerAdvice(absl::string_view path);

/// Whether a server holds the name at `path`: for clients of transports whose
/// kernel objects do not tell that nobody is there any more. Never blocks.
/// PERMISSION_DENIED or FAILED_PRECONDITION when the lock file is not one that
/// a server of ours (or root's) makes.
absl::StatusOr<bool> NameIsHeld(const std::string& path);

/// Owns the name of the object at a path. Movable; empty after a move. Used by
/// one thread at a time. A forked child holds nothing: its copy of the
/// descriptor is closed and its destructors leave the file alone.
class NameLock {
 public:
  NameLock() = default;
  NameLock(NameLock&& other) noexcept { *this = std::move(other); }
  NameLock& operator=(NameLock&& other) noexcept;
  ~NameLock() { Release(); }

  /// Does not wait for another server's end. ALREADY_EXISTS, with its pid,
  /// when another server has the name; PERMISSION_DENIED or FAILED_PRECONDITION
  /// when the directory or the lock file is not ours to use.
  static absl::StatusOr<NameLock> Take(const std::string& path);

  bool held() const { return static_cast<bool>(fd_); }
  /// Removes the lock file and gives the name back. Remove the object first:
  /// afterwards another server may already have made its own.
  void Release();

 private:
  Fd fd_;
  std::string lock_path_;
  uint32_t generation_ = 0;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_RENDEZVOUS_H_
