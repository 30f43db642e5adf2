// What a transport gives the runtime: how to dial, how to listen. Establishing
// a link (rendezvous, descriptors, rings, credentials, the half-open limit and
// timeout) is the transport's own affair; the session handshake that follows is
// the first frame each way, the same over any link (runtime/handshake.h).
#ifndef NEARCALL_RUNTIME_TRANSPORT_H_
#define NEARCALL_RUNTIME_TRANSPORT_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/link.h"
#include "runtime/target.h"

namespace nearcall::internal {

class Waiter;

/// Half-open connections (accepted, not yet a link) a listener keeps: more
/// pause accept; each is dropped after the timeout. The figures are D-Bus's and
/// gRPC's order of magnitude, see SECURITY.md.
inline constexpr int kMaxHalfOpen = 64;
inline constexpr int64_t kEstablishTimeoutMillis = 5000;

/// While a call waits for a server whose coming nothing tells, it dials again
/// after so long at most: a local dial costs microseconds.
inline constexpr int64_t kRetryDialMillis = 40;

/// Makes links to one target. Any thread, one at a time.
class Dialer {
 public:
  virtual ~Dialer() = default;
  /// Blocks until the link is up, the deadline (DEADLINE_EXCEEDED), or
  /// `interrupt_fd` (an eventfd or pipe, -1: none) is readable (CANCELLED).
  /// Other errors: UNAVAILABLE (nobody there; says what was tried and where it
  /// looked), PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNIMPLEMENTED (the kernel
  /// or a sandbox refuses the mechanism), INTERNAL (the peer broke the rules).
  virtual absl::StatusOr<std::unique_ptr<Link>> Dial(Deadline deadline,
                                                     int interrupt_fd) = 0;
  /// After a Dial that found nobody, while a call waits: blocks until a server
  /// may have come (true: dial now), until `until`, when the next attempt is
  /// due anyway, or until `interrupt_fd` is readable (false). A server that
  /// comes between the Dial and this must not be missed. By default after
  /// kRetryDialMillis; better is an event, such as the name's appearance.
  virtual bool WaitForServer(Deadline until, int interrupt_fd);
  /// True: an attempt starts a process. After one that failed the channel waits
  /// out its backoff before the next, also when a call will not wait for it.
  virtual bool starts_process() const { return false; }
};

/// Owns a name for its life. Used by one thread at a time.
class Listener {
 public:
  virtual ~Listener() = default;
  /// The target that a client uses, with what was chosen filled in (the port).
  virtual const std::string& address() const = 0;
  /// What ServerBuilder's selected_port reports: TCP's port, else 1.
  virtual int port() const { return 1; }
  /// Readable when Accept may have something. fd -1: waiter() reports it.
  virtual Pollable incoming() const = 0;
  /// Never blocks. A null pointer: nothing now. An error is about one
  /// connection or about resources (RESOURCE_EXHAUSTED: try again later, the
  /// listener re-arms itself); the listener stays usable.
  virtual absl::StatusOr<std::unique_ptr<Link>> Accept() = 0;
  /// The waiter that serves links without descriptors; null: they have some.
  virtual Waiter* waiter() { return nullptr; }
  /// True: there is one link, and this process was started to serve it: when
  /// it has ended the server shuts down, whatever else it listens on.
  virtual bool owns_server() const { return false; }
  /// Stops listening and gives the name back. Idempotent. Links live on.
  virtual void Close() = 0;
};

struct Transport {
  std::string_view scheme;
  /// Validate the target and prepare; no I/O that could block. INVALID_ARGUMENT
  /// names the mistake and the remedy.
  absl::StatusOr<std::unique_ptr<Dialer>> (*make_dialer)(const Target& target);
  /// Takes the name: ALREADY_EXISTS when another server holds it (the text has
  /// its pid), PERMISSION_DENIED or FAILED_PRECONDITION for a directory that is
  /// not safe, INVALID_ARGUMENT for a mistake in the target.
  absl::StatusOr<std::unique_ptr<Listener>> (*listen)(const Target& target);
  /// A '?' in a target is part of its rest (a command line); options come from
  /// the configuration only.
  bool takes_question_mark = false;
  /// Removes what a dead owner of the name at `path` left there and in the
  /// kernel, and adds an entry for each to `removed`; leaves alone what this
  /// transport did not make. The caller holds the name's lock. Null: nothing of
  /// it outlives its process.
  absl::Status (*remove_stale)(const std::string& path,
                               std::vector<std::string>* removed) = nullptr;
};

/// The one table of transports, in transports/registry.cc.
std::span<const Transport> Transports();
/// Null when the scheme is unknown.
const Transport* FindTransport(std::string_view scheme);

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_TRANSPORT_H_
