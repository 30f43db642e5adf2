// The methods of a server by path. Constant once the server runs, but for each
// method's record of how long its handler takes.
#ifndef NEARCALL_RUNTIME_METHOD_TABLE_H_
#define NEARCALL_RUNTIME_METHOD_TABLE_H_

#include <nearcall/buffering.h>
#include <nearcall/impl/server_call.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace nearcall::internal {

struct ServedMethod {
  std::string path;
  MethodHandler* handler = nullptr;
  Buffering buffering;
  /// Above 0: the handler was slow lately and runs on the executor, where each
  /// fast run takes one off.
  std::atomic<int> slow{0};
  static constexpr int kSlowRuns = 16;
};

class MethodTable {
 public:
  /// `host` empty: for every host. False: the path is served already.
  bool Add(std::string_view host, std::string_view path, MethodHandler* handler,
           const Buffering& buffering);
  /// Owns a handler that was made for the table; returns it.
  MethodHandler* Keep(std::unique_ptr<MethodHandler> handler) {
    kept_.push_back(std::move(handler));
    return kept_.back().get();
  }
  /// What answers every path that was not added.
  void SetGeneric(MethodHandler* handler) { generic_.handler = handler; }
  /// The method for a call with this authority; null: none.
  ServedMethod* Find(std::string_view host, std::string_view path) const;
  /// Whether any method of the path's service is served.
  bool HasService(std::string_view path) const;

 private:
  absl::flat_hash_map<std::string, std::unique_ptr<ServedMethod>> methods_;
  std::vector<std::unique_ptr<MethodHandler>> kept_;
  bool has_hosts_ = false;
  mutable ServedMethod generic_;  ///< Its path is the call's.
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_METHOD_TABLE_H_
