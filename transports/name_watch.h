// Tells when a name in a directory may have got a new owner: how a waiting
// client hears of its server's start without asking again and again.
#ifndef NEARCALL_TRANSPORTS_NAME_WATCH_H_
#define NEARCALL_TRANSPORTS_NAME_WATCH_H_

#include <string>
#include <utility>

#include "runtime/deadline.h"
#include "runtime/fd.h"

namespace nearcall::internal {

/// Used by one thread at a time. Holds no descriptor until the first Wait, nor
/// after Stop.
class NameWatch {
 public:
  /// The absolute path of what a server makes: a socket, a FIFO, a key's file.
  explicit NameWatch(std::string path) : path_(std::move(path)) {}

  /// As Dialer::WaitForServer. Watches from the first call on, which says at
  /// once that a server may have come: nobody watched before.
  bool Wait(Deadline until, int interrupt_fd);
  /// The server was found.
  void Stop() { inotify_.reset(); }

 private:
  /// Watches the name's directory or, while that does not exist, its parent.
  bool Start();
  /// Reads what happened: whether the name was among it.
  bool Drain();

  const std::string path_;
  Fd inotify_;
  std::string watched_;  ///< The name that is waited for in the directory.
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_NAME_WATCH_H_
