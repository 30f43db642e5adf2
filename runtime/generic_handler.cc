#include "runtime/generic_handler.h"

#include <nearcall/generic.h>

#include <utility>

#include "absl/container/node_hash_set.h"
#include "runtime/per_process.h"
#include "runtime/sync.h"

namespace nearcall {

ServerGenericBidiReactor* CallbackGenericService::CreateReactor(
    GenericCallbackServerContext*) {
  return nullptr;
}

namespace internal {

class GenericHandler final : public MethodHandler {
 public:
  explicit GenericHandler(CallbackGenericService* service)
      : service_(service) {}

  void Run(ServerCallPtr call) override {
    auto state = std::make_unique<State>();
    state->generic.method_ = std::string(call->path());
    state->generic.host_ = std::string(call->host());
    ServerContextAccess::Bind(&state->generic, call.get());
    auto* reactor = GetReactor<ServerGenericBidiReactor>(
        [&] { return service_->CreateReactor(&state->generic); });
    reactor->InternalBind(std::move(call), std::move(state), {});
  }
  bool blocks() const override { return false; }
  bool single_request() const override { return false; }

 private:
  struct State final : ReactorCallState {
    GenericCallbackServerContext generic;
  };
  CallbackGenericService* const service_;
};

std::unique_ptr<MethodHandler> MakeGenericHandler(
    CallbackGenericService* service) {
  return std::make_unique<GenericHandler>(service);
}

// Grows with the number of different methods a process names, and no further.
const char* InternPath(const std::string& path) {
  struct Paths {
    Mutex mu;
    absl::node_hash_set<std::string> interned ABSL_GUARDED_BY(mu);
  };
  static constinit PerProcess<Paths> process;
  Paths& paths = process.Get();
  MutexLock lock(&paths.mu);
  return paths.interned.insert(path).first->c_str();
}

}  // namespace internal
}  // namespace nearcall
