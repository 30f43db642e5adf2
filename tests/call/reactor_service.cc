#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "tests/call/services.h"

namespace nearcall::test {
namespace {

// A reactor's stay at its plan's gate: `proceed` runs once, when the gate opens
// or when the call is cancelled. Until then the reactor owes its Finish, so it
// is there.
class Visit {
 public:
  void Begin(Gates* gates, const Plan& plan, CallbackServerContext* context,
             std::function<void()> proceed) {
    gates_ = gates;
    gate_ = plan.gate();
    if (plan.cancel() && plan.cancel_after() == 0) context->TryCancel();
    if (!gate_.empty()) gates->Enter(gate_);
    if (gate_.empty() || !plan.wait()) {
      pass_->used = true;
      proceed();
      return;
    }
    // The gate may open after the reactor has gone, and OnCancel does not come
    // before the handler has returned it.
    const auto pass = pass_;
    pass->proceed = std::move(proceed);
    gates->WhenOpen(gate_, [pass] { pass->Use(); });
  }
  void OnCancel() {
    cancelled_ = true;
    const auto pass = pass_;
    pass->Use();
  }
  // Counts as cancelled if OnCancel came, which is before this.
  void OnDone() {
    if (!gate_.empty()) gates_->End(gate_, cancelled_);
  }

 private:
  struct Pass {
    std::atomic<bool> used{false};
    std::function<void()> proceed;
    void Use() {
      if (!used.exchange(true)) proceed();
    }
  };
  const std::shared_ptr<Pass> pass_ = std::make_shared<Pass>();
  Gates* gates_ = nullptr;
  std::string gate_;
  bool cancelled_ = false;
};

class BlockReactor final : public ServerUnaryReactor {
 public:
  BlockReactor(Gates* gates, CallbackServerContext* context, const Plan& plan) {
    const Status status = StatusOf(plan);
    visit_.Begin(gates, plan, context, [this, status] { Finish(status); });
  }
  void OnCancel() override { visit_.OnCancel(); }
  void OnDone() override {
    visit_.OnDone();
    delete this;
  }

 private:
  Visit visit_;
};

class NestedReactor final : public ServerUnaryReactor {
 public:
  NestedReactor(TestService::Stub* stub, CallbackServerContext* context,
                const NestedRequest& request, Message* reply)
      : context_(ClientContext::FromCallbackServerContext(*context)) {
    const auto finish = [this](Status status) { Finish(std::move(status)); };
    if (request.has_plan()) {
      stub->async()->Block(context_.get(), &request.plan(), reply, finish);
    } else if (request.ask_deadline()) {
      stub->async()->Info(context_.get(), &request.message(), &info_,
                          [this, reply](Status status) {
                            reply->set_sequence(info_.deadline_millis());
                            Finish(std::move(status));
                          });
    } else {
      stub->async()->Echo(context_.get(), &request.message(), reply, finish);
    }
  }
  void OnDone() override { delete this; }

 private:
  const std::unique_ptr<ClientContext> context_;
  InfoReply info_;
};

class ReadReactor final : public ServerReadReactor<Message> {
 public:
  ReadReactor(Gates* gates, CallbackServerContext* context, Summary* summary)
      : plan_(PlanOf(*context)), context_(context), summary_(*summary) {
    AddInitial(plan_, context);
    AddTrailing(plan_, context);
    if (plan_.send_initial_metadata()) StartSendInitialMetadata();
    visit_.Begin(gates, plan_, context, [this] { StartRead(&message_); });
  }
  void OnReadDone(bool ok) override {
    if (!ok) {
      Finish(StatusOf(plan_));
      return;
    }
    if (message_.sequence() != summary_.count()) {
      summary_.set_out_of_order(summary_.out_of_order() + 1);
    }
    summary_.set_count(summary_.count() + 1);
    summary_.set_bytes(summary_.bytes() +
                       static_cast<int64_t>(message_.payload().size()));
    if (plan_.cancel() && summary_.count() == plan_.cancel_after()) {
      context_->TryCancel();
    }
    if (summary_.count() == plan_.stop_after()) {
      Finish(StatusOf(plan_));
    } else {
      StartRead(&message_);
    }
  }
  void OnCancel() override { visit_.OnCancel(); }
  void OnDone() override {
    visit_.OnDone();
    delete this;
  }

 private:
  const Plan plan_;
  CallbackServerContext* const context_;
  Summary& summary_;
  Message message_;
  Visit visit_;
};

class WriteReactor final : public ServerWriteReactor<Message> {
 public:
  WriteReactor(Gates* gates, CallbackServerContext* context, const Plan& plan)
      : gates_(*gates), plan_(plan), context_(context) {
    AddInitial(plan_, context);
    AddTrailing(plan_, context);
    if (plan_.send_initial_metadata()) StartSendInitialMetadata();
    visit_.Begin(gates, plan_, context, [this] { Next(); });
  }
  void OnWriteDone(bool ok) override {
    if (plan_.cancel() && sent_ == plan_.cancel_after()) {
      context_->TryCancel();
    }
    if (ok && !plan_.count_gate().empty()) gates_.Enter(plan_.count_gate());
    if (ok) {
      Next();
    } else {
      Finish(StatusOf(plan_));
    }
  }
  void OnCancel() override { visit_.OnCancel(); }
  void OnDone() override {
    visit_.OnDone();
    delete this;
  }

 private:
  void Next() {
    if (sent_ == plan_.count()) {
      Finish(StatusOf(plan_));
      return;
    }
    message_ = MessageOf(plan_, sent_++);
    if (plan_.write_last() && sent_ == plan_.count()) {
      StartWriteAndFinish(&message_, WriteOptions(), StatusOf(plan_));
    } else {
      StartWrite(&message_);
    }
  }

  Gates& gates_;
  const Plan plan_;
  CallbackServerContext* const context_;
  int64_t sent_ = 0;
  Message message_;
  Visit visit_;
};

class BidiReactor final : public ServerBidiReactor<Message, Message> {
 public:
  BidiReactor(Gates* gates, CallbackServerContext* context)
      : plan_(PlanOf(*context)),
        context_(context),
        echoes_(plan_.count() == 0),
        running_(echoes_ ? 1 : 2) {
    AddInitial(plan_, context);
    AddTrailing(plan_, context);
    if (plan_.send_initial_metadata()) StartSendInitialMetadata();
    visit_.Begin(gates, plan_, context, [this] {
      if (!echoes_) WriteNext();
      StartRead(&in_);
    });
  }
  void OnReadDone(bool ok) override {
    if (!ok) {
      Ended();
      return;
    }
    ++count_;
    if (plan_.cancel() && count_ == plan_.cancel_after()) {
      context_->TryCancel();
    }
    if (echoes_) {
      StartWrite(&in_);
    } else {
      ReadNext();
    }
  }
  void OnWriteDone(bool ok) override {
    if (!ok) {
      Ended();
    } else if (echoes_) {
      ReadNext();
    } else {
      WriteNext();
    }
  }
  void OnCancel() override { visit_.OnCancel(); }
  void OnDone() override {
    visit_.OnDone();
    delete this;
  }

 private:
  void ReadNext() {
    if (count_ == plan_.stop_after()) {
      Ended();
    } else {
      StartRead(&in_);
    }
  }
  void WriteNext() {
    if (sent_ == plan_.count()) {
      Ended();
      return;
    }
    out_ = MessageOf(plan_, sent_++);
    StartWrite(&out_);
  }
  void Ended() {
    if (running_.fetch_sub(1) == 1) Finish(StatusOf(plan_));
  }

  const Plan plan_;
  CallbackServerContext* const context_;
  const bool echoes_;
  std::atomic<int> running_;
  int64_t count_ = 0;
  int64_t sent_ = 0;
  Message in_;
  Message out_;
  Visit visit_;
};

}  // namespace

ServerUnaryReactor* ReactorService::Echo(CallbackServerContext* context,
                                         const Message* request,
                                         Message* reply) {
  *reply = *request;
  ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(Status());
  return reactor;
}

ServerUnaryReactor* ReactorService::Block(CallbackServerContext* context,
                                          const Plan* plan, Message*) {
  return new BlockReactor(&gates_, context, *plan);
}

ServerUnaryReactor* ReactorService::Nested(CallbackServerContext* context,
                                           const NestedRequest* request,
                                           Message* reply) {
  return new NestedReactor(others_.Stub(request->target()), context, *request,
                           reply);
}

ServerUnaryReactor* ReactorService::Throw(CallbackServerContext*,
                                          const Message* request, Message*) {
  if (request->sequence() != 0) throw request->sequence();
  throw std::runtime_error("a secret of the server");
}

ServerUnaryReactor* ReactorService::Fail(CallbackServerContext* context,
                                         const Plan* plan, Message*) {
  AddInitial(*plan, context);
  AddTrailing(*plan, context);
  ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(StatusOf(*plan));
  return reactor;
}

ServerUnaryReactor* ReactorService::Info(CallbackServerContext* context,
                                         const Message*, InfoReply* reply) {
  FillInfo(*context, reply);
  ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(Status());
  return reactor;
}

ServerUnaryReactor* ReactorService::Unserved(CallbackServerContext*,
                                             const Message*, Message*) {
  return nullptr;
}

ServerReadReactor<Message>* ReactorService::ClientStream(
    CallbackServerContext* context, Summary* summary) {
  return new ReadReactor(&gates_, context, summary);
}

ServerWriteReactor<Message>* ReactorService::ServerStream(
    CallbackServerContext* context, const Plan* plan) {
  return new WriteReactor(&gates_, context, *plan);
}

ServerBidiReactor<Message, Message>* ReactorService::Bidi(
    CallbackServerContext* context) {
  return new BidiReactor(&gates_, context);
}

}  // namespace nearcall::test
