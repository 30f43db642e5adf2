// A private runtime directory for one test.
#ifndef NEARCALL_TESTS_SUPPORT_TEMP_RUNTIME_DIR_H_
#define NEARCALL_TESTS_SUPPORT_TEMP_RUNTIME_DIR_H_

#include <string>
#include <vector>

namespace nearcall::internal {

/// Makes a directory (mode 0700), points NEARCALL_RUNTIME_DIR at it, and undoes
/// both at the end, with what killed processes left behind. One at a time; set
/// up before threads start.
class TempRuntimeDir {
 public:
  TempRuntimeDir();
  ~TempRuntimeDir();
  TempRuntimeDir(const TempRuntimeDir&) = delete;
  TempRuntimeDir& operator=(const TempRuntimeDir&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  /// The names in it, sorted: what a test left behind.
  std::vector<std::string> List() const;

 private:
  std::string path_;
  std::string before_;
  bool was_set_ = false;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_TESTS_SUPPORT_TEMP_RUNTIME_DIR_H_
