// Delivers connection events in order, one at a time, on the executor.
#ifndef NEARCALL_RUNTIME_CONNECTION_EVENTS_H_
#define NEARCALL_RUNTIME_CONNECTION_EVENTS_H_

#include <nearcall/connection_observer.h>

#include <string>

#include "runtime/executor.h"
#include "runtime/fifo.h"
#include "runtime/sync.h"

namespace nearcall::internal {

/// Any thread. The executor runs everything before it is destroyed, and this
/// outlives it.
class ConnectionEvents final : private Executor::Task {
 public:
  /// `observer` null: nobody listens, and nothing is done.
  ConnectionEvents(ConnectionObserver* observer, Executor* executor)
      : observer_(observer), executor_(executor) {}

  bool wanted() const { return observer_ != nullptr; }
  void Connected(Connection connection);
  void Disconnected(Connection connection, std::string reason);

 private:
  struct Event {
    Connection connection;
    bool connected;
    std::string reason;
  };
  void Push(Event event);
  void Run() override;

  ConnectionObserver* const observer_;
  Executor* const executor_;
  Mutex mu_;
  Fifo<Event> events_ ABSL_GUARDED_BY(mu_);
  bool running_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_CONNECTION_EVENTS_H_
