#include "tests/call/stream.h"

#include <array>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

namespace nearcall::test {
namespace {

/// A shape that lacks an operation fails it.
template <typename S>
class SyncStream final : public Stream {
 public:
  explicit SyncStream(std::unique_ptr<S> stream) : stream_(std::move(stream)) {}

  // The sync API does not tell.
  bool WaitForInitialMetadata() override {
    stream_->WaitForInitialMetadata();
    return true;
  }
  bool Read(Message* message) override {
    if constexpr (requires { stream_->Read(message); }) {
      return stream_->Read(message);
    }
    return false;
  }
  bool Write(const Message& message, WriteOptions options) override {
    if constexpr (requires { stream_->Write(message, options); }) {
      return stream_->Write(message, options);
    }
    return false;
  }
  bool WritesDone() override {
    if constexpr (requires { stream_->WritesDone(); }) {
      return stream_->WritesDone();
    }
    return false;
  }
  Status Finish() override { return stream_->Finish(); }

 private:
  const std::unique_ptr<S> stream_;
};

template <typename S>
std::unique_ptr<Stream> Sync(std::unique_ptr<S> stream) {
  return std::make_unique<SyncStream<S>>(std::move(stream));
}

/// Waits for each reaction; a hold keeps the call open for the operations,
/// which begin outside of reactions.
template <typename Reactor>
class ReactorStream final : public Stream, private Reactor {
 public:
  explicit ReactorStream(ClientContext* context) : context_(context) {}
  ~ReactorStream() override {
    if (finished_) return;
    context_->TryCancel();
    ReactorStream::Finish().IgnoreError();
  }

  Reactor* reactor() { return this; }
  /// The request, where the call has just one: interceptors may hold it back.
  Plan request;
  void Start() {
    this->AddHold();
    this->StartCall();
  }

  bool WaitForInitialMetadata() override { return Result(kInitial); }
  bool Read(Message* message) override {
    if constexpr (requires { this->StartRead(message); }) {
      this->StartRead(message);
      return Result(kRead);
    }
    return false;
  }
  bool Write(const Message& message, WriteOptions options) override {
    if constexpr (requires { this->StartWrite(&message, options); }) {
      this->StartWrite(&message, options);
      return Result(kWrite);
    }
    return false;
  }
  bool WritesDone() override {
    if constexpr (requires { this->StartWritesDone(); }) {
      this->StartWritesDone();
      return Result(kWritesDone);
    }
    return false;
  }
  Status Finish() override {
    finished_ = true;
    this->RemoveHold();
    std::unique_lock<std::mutex> lock(mu_);
    changed_.wait(lock, [this] { return status_.has_value(); });
    return *status_;
  }

 private:
  enum Kind { kInitial, kRead, kWrite, kWritesDone, kKinds };

  void OnReadInitialMetadataDone(bool ok) override { Set(kInitial, ok); }
  void OnReadDone(bool ok) override { Set(kRead, ok); }
  void OnWriteDone(bool ok) override { Set(kWrite, ok); }
  void OnWritesDoneDone(bool ok) override { Set(kWritesDone, ok); }
  void OnDone(const Status& status) override {
    const std::lock_guard<std::mutex> lock(mu_);
    if (status_.has_value()) std::abort();  // Exactly once.
    status_ = status;
    changed_.notify_all();
  }
  void Set(Kind kind, bool ok) {
    const std::lock_guard<std::mutex> lock(mu_);
    results_[kind] = ok;
    changed_.notify_all();
  }
  bool Result(Kind kind) {
    std::unique_lock<std::mutex> lock(mu_);
    changed_.wait(lock, [&] { return results_[kind].has_value(); });
    const bool result = *results_[kind];
    // Whether metadata came stays so.
    if (kind != kInitial) results_[kind].reset();
    return result;
  }

  ClientContext* const context_;
  bool finished_ = false;
  std::mutex mu_;
  std::condition_variable changed_;
  std::array<std::optional<bool>, kKinds> results_;
  std::optional<Status> status_;
};

}  // namespace

std::unique_ptr<Stream> OpenClientStream(Api api, TestService::Stub* stub,
                                         ClientContext* context,
                                         Summary* summary) {
  if (api == Api::kSync) return Sync(stub->ClientStream(context, summary));
  auto stream =
      std::make_unique<ReactorStream<ClientWriteReactor<Message>>>(context);
  stub->async()->ClientStream(context, summary, stream->reactor());
  stream->Start();
  return stream;
}

std::unique_ptr<Stream> OpenServerStream(Api api, TestService::Stub* stub,
                                         ClientContext* context,
                                         const Plan& plan) {
  if (api == Api::kSync) return Sync(stub->ServerStream(context, plan));
  auto stream =
      std::make_unique<ReactorStream<ClientReadReactor<Message>>>(context);
  stream->request = plan;
  stub->async()->ServerStream(context, &stream->request, stream->reactor());
  stream->Start();
  return stream;
}

std::unique_ptr<Stream> OpenBidi(Api api, TestService::Stub* stub,
                                 ClientContext* context) {
  if (api == Api::kSync) return Sync(stub->Bidi(context));
  auto stream =
      std::make_unique<ReactorStream<ClientBidiReactor<Message, Message>>>(
          context);
  stub->async()->Bidi(context, stream->reactor());
  stream->Start();
  return stream;
}

Status CallBlock(Api api, TestService::Stub* stub, ClientContext* context,
                 const Plan& plan) {
  Message reply;
  if (api == Api::kSync) return stub->Block(context, plan, &reply);
  std::mutex mu;
  std::condition_variable changed;
  std::optional<Status> result;
  stub->async()->Block(context, &plan, &reply, [&](Status status) {
    const std::lock_guard<std::mutex> lock(mu);
    result = std::move(status);
    changed.notify_all();
  });
  std::unique_lock<std::mutex> lock(mu);
  changed.wait(lock, [&] { return result.has_value(); });
  return *result;
}

}  // namespace nearcall::test
