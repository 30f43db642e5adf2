#include <nearcall/impl/server_reactor.h>
#include <nearcall/server_callback.h>

#include <atomic>
#include <optional>
#include <utility>

#include "runtime/sync.h"

namespace nearcall::internal {
namespace {

// User code may throw; gRPC swallows it, and so do we.
template <typename Reaction>
void Swallow(Reaction&& reaction) {
  try {
    reaction();
  } catch (...) {
  }
}

}  // namespace

class ServerReactorCore::Impl final : public ServerCallSink {
 public:
  explicit Impl(ServerReactor* reactor) : reactor_(reactor) {}

  void Bind(ServerCallPtr call, std::unique_ptr<ReactorCallState> state,
            OutMessage reply) {
    call_ = std::move(call);
    state_ = std::move(state);
    reply_ = reply;
    // The reactor may end, and this with it, as soon as its Finish is started.
    Began();
    call_->SetSink(this);
    MutexLock lock(&mu_);
    if (early_initial_) call_->SendInitialMetadata();
    if (early_read_) call_->Read(early_read_);
    if (early_write_.has_value()) {
      call_->Write(early_write_->message, early_write_->options);
    }
    if (early_finish_.has_value()) {
      FinishNow(std::move(*early_finish_), early_finish_unary_);
    }
    bound_.store(true, std::memory_order_release);
  }
  void Bound() { Ended(); }

  void StartSendInitialMetadata() {
    Began();
    if (!Early([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
          early_initial_ = true;
        }))
      Call()->SendInitialMetadata();
  }
  void StartRead(InMessage into) {
    Began();
    if (!Early([&]()
                   ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { early_read_ = into; }))
      Call()->Read(into);
  }
  void StartWrite(OutMessage message, WriteOptions options) {
    Began();
    if (!Early([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
          early_write_ = PendingWrite{message, options};
        })) {
      Call()->Write(message, options);
    }
  }
  void StartWriteAndFinish(OutMessage message, WriteOptions options,
                           Status status) {
    quiet_write_.store(true, std::memory_order_relaxed);
    StartWrite(message, options.set_last_message());
    Finish(std::move(status), /*unary=*/false);
  }
  void Finish(Status status, bool unary) {
    if (!Early([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
          early_finish_ = std::move(status);
          early_finish_unary_ = unary;
        })) {
      FinishNow(std::move(status), unary);
    }
  }

  void OnOp(Op op, bool ok) override {
    Swallow([this, op, ok] {
      switch (op) {
        case Op::kInitialMetadata:
          reactor_->OnSendInitialMetadataDone(ok);
          break;
        case Op::kRead:
          reactor_->OnReadDone(ok);
          break;
        case Op::kWrite:
          if (!quiet_write_.load(std::memory_order_relaxed)) {
            reactor_->OnWriteDone(ok);
          }
          break;
        case Op::kWritesDone:
        case Op::kFinish:
          break;
      }
    });
    Ended();
  }
  void OnCancel() override {
    Swallow([this] { reactor_->OnCancel(); });
  }

 private:
  struct PendingWrite {
    OutMessage message;
    WriteOptions options;
  };

  // An operation may be over, and with it the reactor and all it keeps, before
  // the call that began it is back.
  ServerCallPtr Call() const { return call_; }
  void FinishNow(Status status, bool unary) {
    Call()->Finish(status, unary ? reply_ : OutMessage());
  }
  void Began() { under_way_.fetch_add(1, std::memory_order_relaxed); }
  void Ended() {
    if (under_way_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    // What the call kept stays until OnDone has returned.
    const ServerCallPtr call = std::move(call_);
    const std::unique_ptr<ReactorCallState> state = std::move(state_);
    ServerReactor* const reactor = reactor_;
    delete this;
    Swallow([reactor] { reactor->OnDone(); });
  }
  /// True: there is no call yet, and `keep` kept the operation for it.
  template <typename Keep>
  bool Early(Keep keep) {
    if (bound_.load(std::memory_order_acquire)) return false;
    MutexLock lock(&mu_);
    if (bound_.load(std::memory_order_relaxed)) return false;
    keep();
    return true;
  }

  ServerReactor* const reactor_;
  ServerCallPtr call_;
  std::unique_ptr<ReactorCallState> state_;
  OutMessage reply_;
  // Finish, which every reactor owes, is the first.
  std::atomic<int> under_way_{1};
  std::atomic<bool> quiet_write_{false};

  Mutex mu_;
  std::atomic<bool> bound_{false};
  bool early_initial_ ABSL_GUARDED_BY(mu_) = false;
  InMessage early_read_ ABSL_GUARDED_BY(mu_);
  std::optional<PendingWrite> early_write_ ABSL_GUARDED_BY(mu_);
  std::optional<Status> early_finish_ ABSL_GUARDED_BY(mu_);
  bool early_finish_unary_ ABSL_GUARDED_BY(mu_) = false;
};

ServerReactorCore::ServerReactorCore(ServerReactor* reactor)
    : impl_(new Impl(reactor)) {}

ServerReactorCore::~ServerReactorCore() {
  if (!bound_) delete impl_;
}

void ServerReactorCore::Bind(ServerCallPtr call,
                             std::unique_ptr<ReactorCallState> state,
                             OutMessage reply) {
  bound_ = true;
  Impl* const impl = impl_;  // The reactor may be gone after Bind.
  impl->Bind(std::move(call), std::move(state), reply);
  impl->Bound();
}

void ServerReactorCore::StartSendInitialMetadata() {
  impl_->StartSendInitialMetadata();
}
void ServerReactorCore::StartRead(InMessage into) { impl_->StartRead(into); }
void ServerReactorCore::StartWrite(OutMessage message, WriteOptions options) {
  impl_->StartWrite(message, options);
}
void ServerReactorCore::StartWriteAndFinish(OutMessage message,
                                            WriteOptions options,
                                            Status status) {
  impl_->StartWriteAndFinish(message, options, std::move(status));
}
void ServerReactorCore::Finish(Status status) {
  impl_->Finish(std::move(status), /*unary=*/false);
}
void ServerReactorCore::FinishUnary(Status status) {
  impl_->Finish(std::move(status), /*unary=*/true);
}

void ServerReactor::InternalBind(ServerCallPtr call,
                                 std::unique_ptr<ReactorCallState> state,
                                 OutMessage reply) {
  core_.Bind(std::move(call), std::move(state), reply);
}

}  // namespace nearcall::internal
