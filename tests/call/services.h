// The services of test.proto.
#ifndef NEARCALL_TESTS_CALL_SERVICES_H_
#define NEARCALL_TESTS_CALL_SERVICES_H_

#include <nearcall/nearcall.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "test.nearcall.pb.h"
#include "tests/call/gates.h"

namespace nearcall::test {

/// The plan in a stream's metadata; an empty one without.
Plan PlanOf(const ServerContextBase& context);
void AddInitial(const Plan& plan, ServerContextBase* context);
void AddTrailing(const Plan& plan, ServerContextBase* context);
Status StatusOf(const Plan& plan);
void FillInfo(const ServerContextBase& context, InfoReply* reply);
/// The `sequence`th message that a plan sends.
Message MessageOf(const Plan& plan, int64_t sequence);

/// Stubs to other servers, one channel each, kept.
class Others {
 public:
  TestService::Stub* Stub(const std::string& target);

 private:
  std::mutex mu_;
  std::map<std::string, std::unique_ptr<TestService::Stub>> stubs_;
};

/// Blocking handlers.
class SyncService final : public TestService::Service {
 public:
  explicit SyncService(Gates* gates) : gates_(*gates) {}

  Status Echo(ServerContext* context, const Message* request,
              Message* reply) override;
  Status Block(ServerContext* context, const Plan* plan,
               Message* reply) override;
  Status Nested(ServerContext* context, const NestedRequest* request,
                Message* reply) override;
  Status Throw(ServerContext* context, const Message* request,
               Message* reply) override;
  Status Fail(ServerContext* context, const Plan* plan,
              Message* reply) override;
  Status Info(ServerContext* context, const Message* request,
              InfoReply* reply) override;
  Status ClientStream(ServerContext* context, ServerReader<Message>* reader,
                      Summary* summary) override;
  Status ServerStream(ServerContext* context, const Plan* plan,
                      ServerWriter<Message>* writer) override;
  Status Bidi(ServerContext* context,
              ServerReaderWriter<Message, Message>* stream) override;

 private:
  class Visit;
  Gates& gates_;
  Others others_;
};

/// The same with reactors.
class ReactorService final : public TestService::CallbackService {
 public:
  explicit ReactorService(Gates* gates) : gates_(*gates) {}

  ServerUnaryReactor* Echo(CallbackServerContext* context,
                           const Message* request, Message* reply) override;
  ServerUnaryReactor* Block(CallbackServerContext* context, const Plan* plan,
                            Message* reply) override;
  ServerUnaryReactor* Nested(CallbackServerContext* context,
                             const NestedRequest* request,
                             Message* reply) override;
  ServerUnaryReactor* Throw(CallbackServerContext* context,
                            const Message* request, Message* reply) override;
  ServerUnaryReactor* Fail(CallbackServerContext* context, const Plan* plan,
                           Message* reply) override;
  ServerUnaryReactor* Info(CallbackServerContext* context,
                           const Message* request, InfoReply* reply) override;
  ServerUnaryReactor* Unserved(CallbackServerContext* context,
                               const Message* request, Message* reply) override;
  ServerReadReactor<Message>* ClientStream(CallbackServerContext* context,
                                           Summary* summary) override;
  ServerWriteReactor<Message>* ServerStream(CallbackServerContext* context,
                                            const Plan* plan) override;
  ServerBidiReactor<Message, Message>* Bidi(
      CallbackServerContext* context) override;

 private:
  Gates& gates_;
  Others others_;
};

class ControlService final : public Control::Service {
 public:
  explicit ControlService(Gates* gates) : gates_(*gates) {}

  Status Open(ServerContext* context, const GateState* request,
              GateState* reply) override;
  Status Await(ServerContext* context, const GateState* request,
               GateState* reply) override;
  Status Process(ServerContext* context, const ProcessState* request,
                 ProcessState* reply) override;
  Status Allocations(ServerContext* context, const ProcessState* request,
                     ProcessState* reply) override;

 private:
  Gates& gates_;
};

/// This process as /proc shows it.
ProcessState OwnState();

}  // namespace nearcall::test

#endif  // NEARCALL_TESTS_CALL_SERVICES_H_
