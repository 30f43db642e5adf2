// The named pipes of fifo: in the file system. A server has one, the well-known
// FIFO at its path, where requests arrive. A link has two, private ones, which
// the client makes beside it: PATH.TOKEN.up carries from client to server,
// PATH.TOKEN.down from server to client. They lose their names as soon as both
// sides hold them.
#ifndef NEARCALL_TRANSPORTS_FIFO_FILES_H_
#define NEARCALL_TRANSPORTS_FIFO_FILES_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/fd.h"
#include "runtime/link.h"

namespace nearcall::internal {

/// What is added to a name to make the path of its well-known FIFO.
inline constexpr absl::string_view kFifoSuffix = ".fifo";

/// INVALID_ARGUMENT when the names of private FIFOs would be too long.
absl::Status CheckFifoPath(absl::string_view path);

struct OpenedFifo {
  Fd fd;
  /// The uid: nobody but the owner (and root) can have opened the other end.
  /// Nothing proves the gid and the pid, which stay unknown.
  PeerIds owner;
};

/// Opens one end, `access` being O_RDONLY or O_WRONLY, without blocking and
/// without following a link. NOT_FOUND; UNAVAILABLE: nobody has it open for
/// reading; RESOURCE_EXHAUSTED: no descriptors; PERMISSION_DENIED: not ours, or
/// others have access to it; FAILED_PRECONDITION: not a FIFO with one name.
absl::StatusOr<OpenedFifo> OpenFifo(const std::string& path, int access);

/// mkfifo with mode 0600. ALREADY_EXISTS when there is something.
absl::Status MakeFifo(const std::string& path);

/// The files of a link's two FIFOs.
struct FifoPairPaths {
  std::string up;
  std::string down;

  FifoPairPaths(absl::string_view path, absl::string_view token);
  void Unlink() const;
};

/// A client's ends of two new private FIFOs beside `path`, and their names,
/// which go with the object.
class PrivateFifos {
 public:
  /// RESOURCE_EXHAUSTED, PERMISSION_DENIED, FAILED_PRECONDITION.
  static absl::StatusOr<PrivateFifos> Make(const std::string& path);
  PrivateFifos(PrivateFifos&& other) noexcept;
  PrivateFifos& operator=(PrivateFifos&&) = delete;
  ~PrivateFifos();

  const std::string& token() const { return token_; }

  Fd up;    ///< For writing. There is no reader before the server's.
  Fd down;  ///< For reading. There is no writer before the server's.

 private:
  PrivateFifos(const std::string& path, std::string token)
      : token_(std::move(token)), paths_(path, token_) {}
  absl::Status MakeAndOpen();

  std::string token_;  ///< Empty after a move.
  FifoPairPaths paths_;
  uint32_t generation_ = ForkGeneration();
};

/// Removes the private FIFOs that dead clients left beside `path`, and adds
/// them to `removed`. For the holder of the name, while no client can be
/// talking to it.
void RemovePrivateFifos(const std::string& path,
                        std::vector<std::string>* removed);

/// Removes the well-known FIFO of a dead server, and private ones beside it.
/// For the holder of the name. FAILED_PRECONDITION when something that is not a
/// FIFO is at `path`.
absl::Status RemoveWellKnownFifo(const std::string& path,
                                 std::vector<std::string>* removed);

/// As Transport::remove_stale.
absl::Status RemoveStaleFifos(const std::string& path,
                              std::vector<std::string>* removed);

}  // namespace nearcall::internal

#endif  // NEARCALL_TRANSPORTS_FIFO_FILES_H_
