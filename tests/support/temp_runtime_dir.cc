#include "tests/support/temp_runtime_dir.h"

#include <nearcall/stale_resources.h>
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace nearcall::internal {

namespace {
constexpr char kVariable[] = "NEARCALL_RUNTIME_DIR";
}

TempRuntimeDir::TempRuntimeDir() : path_("/tmp/nearcall-test-XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) {
    perror("mkdtemp");
    abort();
  }
  if (const char* before = getenv(kVariable)) {
    was_set_ = true;
    before_ = before;
  }
  setenv(kVariable, path_.c_str(), 1);
}

TempRuntimeDir::~TempRuntimeDir() {
  // What killed processes left in the kernel is found through the directory.
  RemoveStaleResources();
  if (was_set_) {
    setenv(kVariable, before_.c_str(), 1);
  } else {
    unsetenv(kVariable);
  }
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::vector<std::string> TempRuntimeDir::List() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace nearcall::internal
