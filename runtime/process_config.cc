// The configuration of this process.
#include <nearcall/config.h>

#include <cstdlib>

#include "runtime/config.h"
#include "runtime/sync.h"

namespace nearcall {
namespace internal {
namespace {

using Loaded = absl::StatusOr<std::shared_ptr<const Configuration>>;

class ProcessConfiguration {
 public:
  static ProcessConfiguration& Get() {
    static auto* const instance = new ProcessConfiguration;
    return *instance;
  }

  Loaded Current() {
    MutexLock lock(&mu_);
    if (!asked_) {
      asked_ = true;
      loaded_ = Configuration::Load(Environment("NEARCALL_CONFIG"),
                                    Environment("NEARCALL_TARGETS"));
    }
    return loaded_;
  }

  absl::Status Load(const std::string& path) {
    Loaded loaded = Configuration::Load(path, Environment("NEARCALL_TARGETS"));
    if (!loaded.ok()) return loaded.status();
    MutexLock lock(&mu_);
    asked_ = true;
    loaded_ = std::move(loaded);
    return absl::OkStatus();
  }

 private:
  static std::string Environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
  }

  Mutex mu_;
  bool asked_ ABSL_GUARDED_BY(mu_) = false;
  Loaded loaded_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

Loaded CurrentConfiguration() { return ProcessConfiguration::Get().Current(); }

}  // namespace internal

absl::Status LoadConfig(const std::string& path) {
  if (path.empty()) {
    return absl::InvalidArgumentError("LoadConfig: the path is empty");
  }
  return internal::ProcessConfiguration::Get().Load(path);
}

}  // namespace nearcall
