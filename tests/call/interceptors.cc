#include "tests/call/interceptors.h"

#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace nearcall::test {
namespace {

using experimental::ClientInterceptorFactoryInterface;
using experimental::ClientRpcInfo;
using experimental::InterceptionHookPoints;
using experimental::Interceptor;
using experimental::InterceptorBatchMethods;
using experimental::ServerInterceptorFactoryInterface;
using experimental::ServerRpcInfo;

constexpr const char* kNames[] = {"PRE_SEND_INITIAL_METADATA",
                                  "PRE_SEND_MESSAGE",
                                  "POST_SEND_MESSAGE",
                                  "PRE_SEND_STATUS",
                                  "PRE_SEND_CLOSE",
                                  "PRE_RECV_INITIAL_METADATA",
                                  "PRE_RECV_MESSAGE",
                                  "PRE_RECV_STATUS",
                                  "POST_RECV_INITIAL_METADATA",
                                  "POST_RECV_MESSAGE",
                                  "POST_RECV_STATUS",
                                  "POST_RECV_CLOSE",
                                  "PRE_SEND_CANCEL"};
static_assert(
    std::size(kNames) ==
    static_cast<size_t>(InterceptionHookPoints::NUM_INTERCEPTION_HOOKS));

/// Goes on with batches on a thread of its own.
class Later {
 public:
  static void Proceed(InterceptorBatchMethods* methods) {
    static Later& later = *new Later;
    const std::lock_guard<std::mutex> lock(later.mu_);
    later.batches_.push_back(methods);
    later.more_.notify_one();
  }

 private:
  Later() {
    std::thread([this] { Run(); }).detach();
  }
  void Run() {
    std::unique_lock<std::mutex> lock(mu_);
    for (;;) {
      more_.wait(lock, [this] { return !batches_.empty(); });
      InterceptorBatchMethods* const batch = batches_.front();
      batches_.pop_front();
      lock.unlock();
      batch->Proceed();
      lock.lock();
    }
  }

  std::mutex mu_;
  std::condition_variable more_;
  std::deque<InterceptorBatchMethods*> batches_;
};

class Passing final : public Interceptor {
 public:
  explicit Passing(bool later) : later_(later) {}
  void Intercept(InterceptorBatchMethods* methods) override {
    if (later_ && !methods->QueryInterceptionHookPoint(
                      InterceptionHookPoints::PRE_SEND_CANCEL)) {
      Later::Proceed(methods);
    } else {
      methods->Proceed();
    }
  }

 private:
  const bool later_;
};

class PassingFactory final : public ClientInterceptorFactoryInterface,
                             public ServerInterceptorFactoryInterface {
 public:
  explicit PassingFactory(bool later) : later_(later) {}
  Interceptor* CreateClientInterceptor(ClientRpcInfo*) override {
    return new Passing(later_);
  }
  Interceptor* CreateServerInterceptor(ServerRpcInfo*) override {
    return new Passing(later_);
  }

 private:
  const bool later_;
};

bool WithPassing() {
  return std::getenv("NEARCALL_TEST_INTERCEPTORS") != nullptr;
}

class Recording final : public Interceptor {
 public:
  Recording(Gates* gates, ServerRpcInfo* info) : gates_(*gates), info_(info) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    const auto has = [methods](InterceptionHookPoints point) {
      return methods->QueryInterceptionHookPoint(point);
    };
    if (has(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      const auto* metadata = methods->GetRecvInitialMetadata();
      const auto found = metadata->find("intercept");
      if (found != metadata->end()) {
        change_.assign(found->second.data(), found->second.size());
      }
      unary_ = info_->type() == ServerRpcInfo::Type::UNARY;
    }
    {
      const std::lock_guard<std::mutex> lock(mu_);
      for (const std::string& name : HookNames(methods)) {
        hooks_ += (hooks_.empty() ? "" : " ") + name;
        gates_.Enter("hook/" + name);
      }
      if (has(InterceptionHookPoints::PRE_SEND_STATUS)) {
        methods->GetSendTrailingMetadata()->emplace("hooks", hooks_);
      }
    }
    if (has(InterceptionHookPoints::POST_RECV_MESSAGE)) {
      if (change_ == "request" && unary_) {
        static_cast<Message*>(methods->GetRecvMessage())->set_sequence(1000);
      }
    }
    if (has(InterceptionHookPoints::PRE_SEND_INITIAL_METADATA) &&
        change_ == "metadata") {
      methods->GetSendInitialMetadata()->emplace("added", "initial");
    }
    if (has(InterceptionHookPoints::PRE_SEND_MESSAGE)) {
      if (change_ == "reply") {
        other_.set_sequence(
            static_cast<const Message*>(methods->GetSendMessage())->sequence() +
            5);
        methods->ModifySendMessage(&other_);
      } else if (change_ == "bytes") {
        other_.set_sequence(77);
        const Slice slice(other_.SerializeAsString());
        *methods->GetSerializedSendMessage() = ByteBuffer(&slice, 1);
        if (methods->GetSendMessage() != nullptr) std::abort();
      }
    }
    if (has(InterceptionHookPoints::PRE_SEND_STATUS)) {
      if (change_ == "metadata") {
        methods->GetSendTrailingMetadata()->emplace("added", "trailing");
      } else if (change_ == "status") {
        methods->ModifySendStatus(
            Status(ABORTED, "not " + methods->GetSendStatus().ToString()));
      }
    }
    methods->Proceed();
  }

 private:
  Gates& gates_;
  ServerRpcInfo* const info_;
  std::string change_;
  bool unary_ = false;
  Message other_;
  std::mutex mu_;
  std::string hooks_;
};

class RecordingFactory final : public ServerInterceptorFactoryInterface {
 public:
  explicit RecordingFactory(Gates* gates) : gates_(gates) {}
  Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    const std::string method = info->method();
    if (method.find("TestService/") == std::string::npos) return nullptr;
    return new Recording(gates_, info);
  }

 private:
  Gates* const gates_;
};

}  // namespace

std::vector<std::string> HookNames(InterceptorBatchMethods* methods) {
  std::vector<std::string> names;
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (methods->QueryInterceptionHookPoint(
            static_cast<InterceptionHookPoints>(i))) {
      names.push_back(kNames[i]);
    }
  }
  return names;
}

ClientFactories PassingClientInterceptors() {
  ClientFactories factories;
  if (WithPassing()) {
    factories.push_back(std::make_unique<PassingFactory>(/*later=*/false));
    factories.push_back(std::make_unique<PassingFactory>(/*later=*/true));
  }
  return factories;
}

ServerFactories PassingServerInterceptors() {
  ServerFactories factories;
  if (WithPassing()) {
    factories.push_back(std::make_unique<PassingFactory>(/*later=*/true));
    factories.push_back(std::make_unique<PassingFactory>(/*later=*/false));
  }
  return factories;
}

ServerFactories RecordingServerInterceptors(Gates* gates) {
  ServerFactories factories;
  factories.push_back(std::make_unique<RecordingFactory>(gates));
  return factories;
}

}  // namespace nearcall::test
