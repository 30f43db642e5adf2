#include "runtime/health_service.h"

#include <atomic>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"

namespace nearcall {
namespace {

std::atomic<bool> enabled_by_default{false};

}  // namespace

void EnableDefaultHealthCheckService(bool enable) {
  enabled_by_default.store(enable);
}

bool DefaultHealthCheckServiceEnabled() { return enabled_by_default.load(); }

namespace internal {
namespace {

// gRPC's limit. Without one a client's watches of long names would be a way to
// fill the server's memory.
constexpr size_t kLongestName = 200;

Status NameProblem(const std::string& name) {
  if (name.size() <= kLongestName) return Status();
  return Status(
      INVALID_ARGUMENT,
      absl::StrCat("a health check's service name has at most ", kLongestName,
                   " bytes, and this one ", name.size()));
}

}  // namespace

/// Tells the status first, then each change. While the client does not read,
/// changes are not kept: it learns of the last one.
class HealthService::Watch final
    : public StreamReactor<ServerWriteReactor<Response>> {
 public:
  Watch(HealthService* service, const std::string& name)
      : StreamReactor(service), service_(*service), name_(name) {
    MutexLock lock(&service_.mu_);
    Entry& entry = service_.entries_[name_];
    entry.watches.insert(this);
    Tell(entry.status);
  }
  ~Watch() override {
    MutexLock lock(&service_.mu_);
    const auto entry = service_.entries_.find(name_);
    entry->second.watches.erase(this);
    if (!entry->second.known() && entry->second.watches.empty()) {
      service_.entries_.erase(entry);
    }
  }

  /// Under the service's mutex.
  void Tell(ServingStatus status) {
    status_ = status;
    if (ended() || writing_ || told_ == status) return;
    writing_ = true;
    told_ = status;
    response_.set_status(status);
    StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    MutexLock lock(&service_.mu_);
    writing_ = false;
    if (ok) {
      Tell(status_);
    } else {
      End(Status::CANCELLED);
    }
  }

 private:
  HealthService& service_;
  const std::string name_;
  ServingStatus status_ = Response::SERVICE_UNKNOWN;
  std::optional<ServingStatus> told_;
  bool writing_ = false;
  Response response_;
};

HealthService::HealthService() {
  Serve("/grpc.health.v1.Health/Check", RpcMethod::NORMAL_RPC,
        new CallbackUnaryHandler<Request, Response>(
            [this](CallbackServerContext* context, const Request* request,
                   Response* response) {
              return OnCheck(context, *request, response);
            }));
  Serve("/grpc.health.v1.Health/Watch", RpcMethod::SERVER_STREAMING,
        new CallbackServerStreamingHandler<Request, Response>(
            [this](CallbackServerContext*, const Request* request) {
              return OnWatch(*request);
            }));
  SetServingStatus(std::string(), true);
}

ServerUnaryReactor* HealthService::OnCheck(CallbackServerContext* context,
                                           const Request& request,
                                           Response* response) {
  Status status = NameProblem(request.service());
  if (status.ok()) {
    MutexLock lock(&mu_);
    const auto entry = entries_.find(request.service());
    if (entry != entries_.end() && entry->second.known()) {
      response->set_status(entry->second.status);
    } else {
      status = Status(NOT_FOUND, "service name unknown");
    }
  }
  ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

ServerWriteReactor<HealthService::Response>* HealthService::OnWatch(
    const Request& request) {
  const Status problem = NameProblem(request.service());
  if (!problem.ok()) {
    return new FinishOnlyReactor<ServerWriteReactor<Response>>(problem);
  }
  return new Watch(this, request.service());
}

void HealthService::Set(Entry* entry, bool serving) {
  entry->status = serving ? Response::SERVING : Response::NOT_SERVING;
  for (Watch* watch : entry->watches) watch->Tell(entry->status);
}

void HealthService::SetAll(bool serving) {
  for (auto& [name, entry] : entries_) {
    if (entry.known()) Set(&entry, serving);
  }
}

void HealthService::SetServingStatus(const std::string& name, bool serving) {
  MutexLock lock(&mu_);
  Set(&entries_[name], serving && !shut_down_);
}

void HealthService::SetServingStatus(bool serving) {
  MutexLock lock(&mu_);
  if (!shut_down_) SetAll(serving);
}

void HealthService::Shutdown() {
  MutexLock lock(&mu_);
  shut_down_ = true;
  SetAll(false);
}

}  // namespace internal
}  // namespace nearcall
