// What the services that the library brings itself have in common: streams that
// stay open for as long as their clients like, and that must not hold up the
// end of the server.
#ifndef NEARCALL_RUNTIME_STANDARD_SERVICE_H_
#define NEARCALL_RUNTIME_STANDARD_SERVICE_H_

#include <nearcall/impl/rpc_method.h>
#include <nearcall/service.h>
#include <nearcall/status.h>

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "runtime/sync.h"

namespace nearcall::internal {

class StandardService : public Service {
 public:
  /// Ends the open streams, and each new one at once, with UNAVAILABLE. Any
  /// thread, but not under a session's mutex.
  void Stop();

 protected:
  class Stream {
   public:
    virtual ~Stream() = default;

   private:
    friend class StandardService;
    /// Under mu_.
    virtual void End(const Status& status) = 0;
  };
  /// A reactor that ends once: by its client, by itself or by Stop. It deletes
  /// itself.
  template <typename Reactor>
  class StreamReactor;

  /// Offers the method; `path` must outlive this.
  void Serve(const char* path, RpcMethod::RpcType type, MethodHandler* handler);

  /// Taken before a session's.
  Mutex mu_;

 private:
  void Open(Stream* stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Close(Stream* stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  int methods_ = 0;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_set<Stream*> streams_ ABSL_GUARDED_BY(mu_);
};

template <typename Reactor>
class StandardService::StreamReactor : public Reactor, private Stream {
 public:
  void OnCancel() override {
    MutexLock lock(&service_.mu_);
    End(Status::CANCELLED);
  }
  void OnDone() override { delete this; }

 protected:
  explicit StreamReactor(StandardService* service) : service_(*service) {
    MutexLock lock(&service_.mu_);
    service_.Open(this);
  }
  ~StreamReactor() override {
    MutexLock lock(&service_.mu_);
    service_.Close(this);
  }

  /// Operations begin only before the end. Both under the service's mutex.
  bool ended() const { return ended_; }
  void End(const Status& status) final {
    if (!std::exchange(ended_, true)) this->Finish(status);
  }

 private:
  StandardService& service_;
  bool ended_ = false;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_STANDARD_SERVICE_H_
