// What both kinds of handlers make of a plan, and the control service.
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/call/services.h"

namespace nearcall::internal {
// Of the program that counts (tests/support/malloc_counter.h); null elsewhere.
__attribute__((weak)) int64_t AllocationsSoFar();
}  // namespace nearcall::internal

namespace nearcall::test {

Plan PlanOf(const ServerContextBase& context) {
  Plan plan;
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find("plan-bin");
  if (found != metadata.end() &&
      !plan.ParseFromArray(found->second.data(),
                           static_cast<int>(found->second.size()))) {
    plan.set_code(INTERNAL);
    plan.set_message("the plan does not parse");
  }
  return plan;
}

void AddInitial(const Plan& plan, ServerContextBase* context) {
  for (const Entry& entry : plan.initial_metadata()) {
    context->AddInitialMetadata(entry.key(), entry.value());
  }
}

void AddTrailing(const Plan& plan, ServerContextBase* context) {
  for (const Entry& entry : plan.trailing_metadata()) {
    context->AddTrailingMetadata(entry.key(), entry.value());
  }
}

Status StatusOf(const Plan& plan) {
  if (plan.code() == 0) return Status();
  return Status(static_cast<StatusCode>(plan.code()), plan.message(),
                plan.details());
}

Message MessageOf(const Plan& plan, int64_t sequence) {
  Message message;
  message.set_sequence(sequence);
  message.mutable_payload()->assign(static_cast<size_t>(plan.size()),
                                    static_cast<char>('a' + sequence % 26));
  return message;
}

void FillInfo(const ServerContextBase& context, InfoReply* reply) {
  reply->set_pid(getpid());
  reply->set_transport(context.transport());
  reply->set_peer(context.peer());
  const PeerCredentials credentials = context.peer_credentials();
  reply->set_peer_pid(credentials.pid.value_or(-1));
  reply->set_peer_uid(credentials.uid.has_value()
                          ? static_cast<int64_t>(*credentials.uid)
                          : -1);
  for (const auto& [key, value] : context.client_metadata()) {
    Entry* entry = reply->add_metadata();
    entry->set_key(key.data(), key.size());
    entry->set_value(value.data(), value.size());
  }
  const auto deadline = context.deadline();
  reply->set_deadline_millis(
      deadline == std::chrono::system_clock::time_point::max()
          ? -1
          : std::chrono::duration_cast<std::chrono::milliseconds>(
                deadline - std::chrono::system_clock::now())
                .count());
}

TestService::Stub* Others::Stub(const std::string& target) {
  std::lock_guard<std::mutex> lock(mu_);
  auto& stub = stubs_[target];
  if (stub == nullptr) {
    stub = TestService::NewStub(
        CreateChannel(target, InsecureChannelCredentials()));
  }
  return stub.get();
}

Status ControlService::Open(ServerContext*, const GateState* request,
                            GateState* reply) {
  gates_.Open(request->gate());
  *reply = gates_.State(request->gate());
  return Status();
}

Status ControlService::Await(ServerContext* context, const GateState* request,
                             GateState* reply) {
  gates_.Await(*request, [context] { return context->IsCancelled(); });
  *reply = gates_.State(request->gate());
  return Status();
}

Status ControlService::Process(ServerContext*, const ProcessState*,
                               ProcessState* reply) {
  *reply = OwnState();
  return Status();
}

Status ControlService::Allocations(ServerContext*, const ProcessState*,
                                   ProcessState* reply) {
  if (internal::AllocationsSoFar == nullptr) {
    return Status(UNIMPLEMENTED, "this program does not count them");
  }
  reply->set_allocations(internal::AllocationsSoFar());
  return Status();
}

ProcessState OwnState() {
  const auto entries = [](const char* path) {
    std::filesystem::directory_iterator directory(path);
    return std::distance(begin(directory), end(directory));
  };
  ProcessState state;
  state.set_pid(getpid());
  state.set_threads(entries("/proc/self/task"));
  state.set_descriptors(entries("/proc/self/fd"));
  int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  state.set_resident_bytes(pages * sysconf(_SC_PAGESIZE));
  return state;
}

}  // namespace nearcall::test
