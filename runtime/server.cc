#include <nearcall/channel.h>
#include <nearcall/health_check_service_interface.h>
#include <nearcall/server.h>
#include <nearcall/service.h>

#include <cstdio>
#include <span>
#include <utility>

#include "runtime/fd.h"
#include "runtime/interceptor_batch.h"
#include "runtime/lend.h"
#include "runtime/server_core.h"
#include "runtime/wall_time.h"

namespace nearcall {

Server::Server(std::unique_ptr<internal::ServerCore> core,
               std::shared_ptr<HealthCheckServiceInterface> health,
               std::string in_process_target,
               std::vector<std::shared_ptr<Service>> services)
    : in_process_target_(std::move(in_process_target)),
      services_(std::move(services)),
      core_(std::move(core)),
      health_(std::move(health)) {}

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

std::shared_ptr<ChannelInterface> Server::InProcessChannel(
    const ChannelArguments& arguments) {
  return CreateCustomChannel(in_process_target_, InsecureChannelCredentials(),
                             arguments);
}

std::shared_ptr<ChannelInterface>
Server::experimental_type::InProcessChannelWithInterceptors(
    const ChannelArguments& arguments,
    internal::ClientInterceptorFactories interceptor_creators) {
  return internal::Intercept(server_->InProcessChannel(arguments),
                             std::move(interceptor_creators));
}

std::vector<std::string> Server::addresses() const {
  return core_->addresses();
}

}  // namespace nearcall
