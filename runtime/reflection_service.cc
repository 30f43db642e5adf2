#include "runtime/reflection_service.h"

#include <unistd.h>

#include <atomic>
#include <utility>

#include "nearcall/reflection.pb.h"
#include "runtime/reflection_answer.h"

namespace nearcall {
namespace {

std::atomic<Reflection> default_reflection{Reflection::kSameUser};

}  // namespace

void reflection::InitProtoReflectionServerBuilderPlugin() {
  default_reflection.store(Reflection::kEverybody);
}

namespace internal {

Reflection DefaultReflection() { return default_reflection.load(); }

namespace {

using Request = reflection::ServerReflectionRequest;
using Response = reflection::ServerReflectionResponse;
using Reactor = ServerBidiReactor<Request, Response>;

bool Allows(Reflection audience, const PeerCredentials& peer) {
  return audience == Reflection::kEverybody ||
         (audience == Reflection::kSameUser && peer.uid == geteuid());
}

}  // namespace

/// Reads a request, writes its answer, and so on until the client is done.
class ReflectionService::Stream final : public StreamReactor<Reactor> {
 public:
  explicit Stream(ReflectionService* service)
      : StreamReactor(service), service_(*service) {
    MutexLock lock(&service_.mu_);
    Next();
  }
  void OnReadDone(bool ok) override {
    if (ok) {
      AnswerReflection(*google::protobuf::DescriptorPool::generated_pool(),
                       service_.services_, request_, &response_);
    }
    MutexLock lock(&service_.mu_);
    if (!ok) {
      End(Status::OK);
    } else if (!ended()) {
      StartWrite(&response_);
    }
  }
  void OnWriteDone(bool ok) override {
    MutexLock lock(&service_.mu_);
    if (ok) {
      Next();
    } else {
      End(Status::CANCELLED);
    }
  }

 private:
  /// Under the service's mutex.
  void Next() {
    if (!ended()) StartRead(&request_);
  }

  ReflectionService& service_;
  Request request_;
  Response response_;
};

ReflectionService::ReflectionService(Reflection audience,
                                     std::set<std::string> services)
    : audience_(audience), services_(std::move(services)) {
  static constexpr struct {
    const char* service;
    const char* path;
  } kVersions[] = {
      {"grpc.reflection.v1.ServerReflection",
       "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"},
      {"grpc.reflection.v1alpha.ServerReflection",
       "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"},
  };
  for (const auto& version : kVersions) {
    if (!services_.insert(version.service).second) continue;
    Serve(version.path, RpcMethod::BIDI_STREAMING,
          new CallbackBidiHandler<Request, Response>(
              [this](CallbackServerContext* context) -> Reactor* {
                if (Allows(audience_, context->peer_credentials())) {
                  return new Stream(this);
                }
                return new FinishOnlyReactor<Reactor>(Status(
                    PERMISSION_DENIED,
                    "server reflection is for processes of the server's user; "
                    "ServerBuilder::SetReflection opens it to others"));
              }));
  }
}

}  // namespace internal
}  // namespace nearcall
