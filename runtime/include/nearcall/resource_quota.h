#ifndef NEARCALL_RESOURCE_QUOTA_H_
#define NEARCALL_RESOURCE_QUOTA_H_

#include <cstddef>
#include <string>

namespace nearcall {

/// What a server may use, as gRPC spells it.
class ResourceQuota final {
 public:
  ResourceQuota() = default;
  /// The name is for the reader of the program.
  explicit ResourceQuota(const std::string& /*name*/) {}

  /// Changes nothing: what a server holds for its peers is bounded by credit
  /// (docs/design.md, Buffering) and by its message size limits.
  ResourceQuota& Resize(size_t /*bytes*/) { return *this; }
  /// Threads that run handlers, at most: ServerBuilder::SetMaxThreads.
  ResourceQuota& SetMaxThreads(int threads) {
    max_threads_ = threads;
    return *this;
  }
  /// 0: not set.
  int max_threads() const { return max_threads_; }

 private:
  int max_threads_ = 0;
};

}  // namespace nearcall

#endif  // NEARCALL_RESOURCE_QUOTA_H_
