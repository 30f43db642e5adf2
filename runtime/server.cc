#include <nearcall/server.h>

#include <cstdio>
#include <span>

#include "runtime/fd.h"
#include "runtime/lend.h"
#include "runtime/server_core.h"
#include "runtime/wall_time.h"

namespace nearcall {

Server::Server(std::unique_ptr<internal::ServerCore> core)
    : core_(std::move(core)) {}

// In a forked child the threads are not here, and what they held is not ours.
Server::~Server() {
  if (!core_->OfThisProcess()) core_.release();
}

void Server::Wait() {
  internal::AboutToBlock();
  core_->Wait();
}

void Server::Shutdown() {
  internal::AboutToBlock();
  core_->Shutdown(internal::Deadline::Never());
}

void Server::ShutdownUntil(std::chrono::system_clock::time_point deadline) {
  internal::AboutToBlock();
  core_->Shutdown(internal::DeadlineAt(deadline));
}

bool Server::ShutdownOnSignals(std::initializer_list<int> signals,
                               std::chrono::nanoseconds grace) {
  const absl::Status status = core_->ShutdownOnSignals(
      std::span<const int>(signals.begin(), signals.size()), grace.count());
  if (status.ok()) return true;
  std::fprintf(stderr, "nearcall: %s\n", status.ToString().c_str());
  return false;
}

std::vector<std::string> Server::addresses() const {
  return core_->addresses();
}

}  // namespace nearcall
