#include <stdexcept>
#include <thread>

#include "tests/call/services.h"

namespace nearcall::test {

// A handler's stay at its plan's gate.
class SyncService::Visit {
 public:
  Visit(Gates* gates, const Plan& plan, ServerContext* context)
      : gates_(*gates), gate_(plan.gate()), context_(context) {
    if (plan.cancel() && plan.cancel_after() == 0) context->TryCancel();
    if (gate_.empty()) return;
    gates_.Enter(gate_);
    if (plan.wait()) {
      gates_.Wait(gate_, [context] { return context->IsCancelled(); });
    }
  }
  ~Visit() {
    if (!gate_.empty()) gates_.End(gate_, context_->IsCancelled());
  }

 private:
  Gates& gates_;
  const std::string gate_;
  ServerContext* const context_;
};

Status SyncService::Echo(ServerContext*, const Message* request,
                         Message* reply) {
  gates_.Record(request->sequence());
  *reply = *request;
  return Status();
}

Status SyncService::Block(ServerContext* context, const Plan* plan, Message*) {
  const Visit visit(&gates_, *plan, context);
  return StatusOf(*plan);
}

Status SyncService::Nested(ServerContext* context, const NestedRequest* request,
                           Message* reply) {
  const auto inner = ClientContext::FromServerContext(*context);
  TestService::Stub* const stub = others_.Stub(request->target());
  if (request->has_plan()) {
    return stub->Block(inner.get(), request->plan(), reply);
  }
  if (request->ask_deadline()) {
    InfoReply info;
    const Status status = stub->Info(inner.get(), request->message(), &info);
    reply->set_sequence(info.deadline_millis());
    return status;
  }
  return stub->Echo(inner.get(), request->message(), reply);
}

Status SyncService::Throw(ServerContext*, const Message* request, Message*) {
  if (request->sequence() != 0) throw request->sequence();
  throw std::runtime_error("a secret of the server");
}

Status SyncService::Fail(ServerContext* context, const Plan* plan, Message*) {
  AddInitial(*plan, context);
  AddTrailing(*plan, context);
  const Visit visit(&gates_, *plan, context);
  const auto attempts =
      context->client_metadata().find("grpc-previous-rpc-attempts");
  if (plan->fails() != 0 && attempts != context->client_metadata().end() &&
      std::string(attempts->second.data(), attempts->second.size()) ==
          std::to_string(plan->fails())) {
    return Status();
  }
  return StatusOf(*plan);
}

Status SyncService::Info(ServerContext* context, const Message*,
                         InfoReply* reply) {
  FillInfo(*context, reply);
  return Status();
}

Status SyncService::ClientStream(ServerContext* context,
                                 ServerReader<Message>* reader,
                                 Summary* summary) {
  const Plan plan = PlanOf(*context);
  AddInitial(plan, context);
  AddTrailing(plan, context);
  if (plan.send_initial_metadata()) reader->SendInitialMetadata();
  const Visit visit(&gates_, plan, context);
  Message message;
  while (reader->Read(&message)) {
    if (message.sequence() != summary->count()) {
      summary->set_out_of_order(summary->out_of_order() + 1);
    }
    summary->set_count(summary->count() + 1);
    summary->set_bytes(summary->bytes() +
                       static_cast<int64_t>(message.payload().size()));
    if (plan.cancel() && summary->count() == plan.cancel_after()) {
      context->TryCancel();
    }
    if (summary->count() == plan.stop_after()) break;
  }
  return StatusOf(plan);
}

Status SyncService::ServerStream(ServerContext* context, const Plan* plan,
                                 ServerWriter<Message>* writer) {
  AddInitial(*plan, context);
  AddTrailing(*plan, context);
  if (plan->send_initial_metadata()) writer->SendInitialMetadata();
  const Visit visit(&gates_, *plan, context);
  for (int64_t i = 0; i < plan->count(); ++i) {
    const Message message = MessageOf(*plan, i);
    if (plan->write_last() && i + 1 == plan->count()) {
      writer->WriteLast(message, WriteOptions());
    } else if (!writer->Write(message)) {
      break;
    }
    if (!plan->count_gate().empty()) gates_.Enter(plan->count_gate());
    if (plan->cancel() && i + 1 == plan->cancel_after()) context->TryCancel();
  }
  return StatusOf(*plan);
}

Status SyncService::Bidi(ServerContext* context,
                         ServerReaderWriter<Message, Message>* stream) {
  const Plan plan = PlanOf(*context);
  AddInitial(plan, context);
  AddTrailing(plan, context);
  if (plan.send_initial_metadata()) stream->SendInitialMetadata();
  const Visit visit(&gates_, plan, context);
  std::thread writer;
  if (plan.count() > 0) {
    writer = std::thread([&] {
      for (int64_t i = 0; i < plan.count(); ++i) {
        if (!stream->Write(MessageOf(plan, i))) return;
      }
    });
  }
  int64_t count = 0;
  Message message;
  while (stream->Read(&message)) {
    ++count;
    if (plan.cancel() && count == plan.cancel_after()) context->TryCancel();
    if (!writer.joinable() && !stream->Write(message)) break;
    if (count == plan.stop_after()) break;
  }
  if (writer.joinable()) writer.join();
  return StatusOf(plan);
}

}  // namespace nearcall::test
