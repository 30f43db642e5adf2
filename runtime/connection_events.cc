#include "runtime/connection_events.h"

#include <utility>

namespace nearcall::internal {

void ConnectionEvents::Connected(Connection connection) {
  if (wanted()) Push({std::move(connection), true, {}});
}

void ConnectionEvents::Disconnected(Connection connection, std::string reason) {
  if (wanted()) Push({std::move(connection), false, std::move(reason)});
}

void ConnectionEvents::Push(Event event) {
  MutexLock lock(&mu_);
  events_.push(std::move(event));
  if (std::exchange(running_, true)) return;
  executor_->Submit(this);
}

void ConnectionEvents::Run() {
  for (;;) {
    Event event;
    {
      MutexLock lock(&mu_);
      if (events_.empty()) {
        running_ = false;
        return;
      }
      event = events_.pop();
    }
    if (event.connected) {
      observer_->OnConnect(event.connection);
    } else {
      observer_->OnDisconnect(event.connection, event.reason);
    }
  }
}

}  // namespace nearcall::internal
