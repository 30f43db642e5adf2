// What logical names stand for, and the options that a process was given from
// outside.
#ifndef NEARCALL_RUNTIME_CONFIG_H_
#define NEARCALL_RUNTIME_CONFIG_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "nearcall/config.pb.h"
#include "runtime/target.h"

namespace nearcall::internal {

/// Immutable: every name has been followed to its target, so what is wrong with
/// one is said when it is loaded.
class Configuration {
 public:
  /// `path` may be empty: no file. `overrides` is what NEARCALL_TARGETS says:
  /// NAME=TARGET;NAME=TARGET. Errors as nearcall::LoadConfig.
  static absl::StatusOr<std::shared_ptr<const Configuration>> Load(
      const std::string& path, std::string_view overrides);

  /// What a program's target stands for. The option nearest to the program
  /// counts: behind '?' in `written`, in the entry's uri, in the entry's
  /// options, in the next entry's where a name leads to a name, in the
  /// defaults.
  absl::StatusOr<Target> Resolve(std::string_view written) const;

 private:
  struct Entry {
    std::string name;   ///< As written.
    std::string where;  ///< "FILE: targets.greeter", for messages.
    std::string uri;
    config::Options options;
    std::string service_config;  ///< JSON; empty: none.
  };
  /// By ConfigurationName, so that spellings of one address are one key.
  using Entries = std::map<std::string, Entry>;

  absl::Status TakeFile(Entries* entries);
  absl::Status TakeOverrides(std::string_view overrides, Entries* entries);
  absl::Status Add(Entry entry, Entries* entries);
  absl::Status Follow(const Entries& entries);
  absl::StatusOr<Target> FollowOne(const Entries& entries, const Entry& entry,
                                   std::vector<std::string>* chain) const;
  absl::Status UnknownName(std::string_view name,
                           const std::vector<std::string>& known) const;

  std::string path_;
  bool has_overrides_ = false;
  config::Config file_;
  std::map<std::string, Target> targets_;
};

/// The process's; loaded from the environment when first asked for.
absl::StatusOr<std::shared_ptr<const Configuration>> CurrentConfiguration();

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_CONFIG_H_
