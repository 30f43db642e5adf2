// The configuration of this process.
#include <nearcall/config.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <utility>

#include "runtime/config.h"

namespace nearcall {
namespace internal {
namespace {

using Loaded = absl::StatusOr<std::shared_ptr<const Configuration>>;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

// A forked child goes on with the parent's, so there is no lock that another
// thread could hold meanwhile; older ones are kept, as somebody may read them.
struct Version {
  Version(Loaded what, Version* before)
      : loaded(std::move(what)), older(before) {}
  Loaded loaded;
  Version* older;
};
constinit std::atomic<Version*> newest{nullptr};

}  // namespace

Loaded CurrentConfiguration() {
  Version* version = newest.load();
  if (version == nullptr) {
    auto made = std::make_unique<Version>(
        Configuration::Load(Environment("NEARCALL_CONFIG"),
                            Environment("NEARCALL_TARGETS")),
        nullptr);
    if (newest.compare_exchange_strong(version, made.get())) {
      version = made.release();
    }
  }
  return version->loaded;
}

absl::Status LoadConfiguration(const std::string& path) {
  Loaded loaded = Configuration::Load(path, Environment("NEARCALL_TARGETS"));
  if (!loaded.ok()) return loaded.status();
  auto* const made = new Version{std::move(loaded), newest.load()};
  while (!newest.compare_exchange_weak(made->older, made)) {
  }
  return absl::OkStatus();
}

}  // namespace internal

absl::Status LoadConfig(const std::string& path) {
  if (path.empty()) {
    return absl::InvalidArgumentError("LoadConfig: the path is empty");
  }
  return internal::LoadConfiguration(path);
}

}  // namespace nearcall
