#include <dirent.h>
#include <nearcall/stale_resources.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/transport.h"
#include "transports/rendezvous.h"

namespace nearcall {
namespace {

using internal::NameLock;

constexpr char kLock[] = ".lock";

// The names that objects or locks in the directory speak of, and whether there
// is a lock file.
absl::StatusOr<std::map<std::string, bool>> Names(
    const std::string& directory) {
  std::map<std::string, bool> names;
  DIR* const dir = opendir(directory.c_str());
  if (dir == nullptr) {
    if (errno == ENOENT) return names;
    return absl::PermissionDeniedError(
        absl::StrCat(directory, ": opendir: ", strerror(errno)));
  }
  while (const dirent* entry = readdir(dir)) {
    absl::string_view name = entry->d_name;
    const bool is_lock = absl::ConsumeSuffix(&name, kLock);
    if (name == "." || name == ".." || name.empty()) continue;
    names[std::string(name)] |= is_lock;
  }
  closedir(dir);
  return names;
}

void Clean(const std::string& path, bool was_locked, StaleResources* result) {
  absl::StatusOr<NameLock> lock = NameLock::Take(path);
  if (absl::IsAlreadyExists(lock.status())) return;  // In use.
  if (!lock.ok()) {
    result->problems.emplace_back(lock.status().message());
    return;
  }
  for (const internal::Transport& transport : internal::Transports()) {
    if (transport.remove_stale == nullptr) continue;
    if (absl::Status status = transport.remove_stale(path, &result->removed);
        !status.ok()) {
      result->problems.emplace_back(status.message());
    }
  }
  lock->Release();
  if (was_locked) result->removed.push_back(absl::StrCat(path, kLock));
}

}  // namespace

StaleResources RemoveStaleResources() {
  StaleResources result;
  const absl::StatusOr<std::string> directory =
      internal::RuntimeDirectory(internal::Side::kClient);
  if (!directory.ok()) {
    result.problems.emplace_back(directory.status().message());
    return result;
  }
  const absl::StatusOr<std::map<std::string, bool>> names = Names(*directory);
  if (!names.ok()) {
    result.problems.emplace_back(names.status().message());
    return result;
  }
  for (const auto& [name, has_lock] : *names) {
    const std::string path = absl::StrCat(*directory, "/", name);
    const absl::StatusOr<bool> held = internal::NameIsHeld(path);
    if (held.ok() && *held) continue;
    Clean(path, has_lock, &result);
  }
  return result;
}

}  // namespace nearcall
