#include "codegen/names.h"

#include <google/protobuf/compiler/cpp/names.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace nearcall::codegen {
namespace {

// "::package::name" as protoc's C++ generator spells it. Its list of keywords
// is not public, and the namespaces must be those of its headers, so a message
// of that name goes through its public functions.
std::string QualifiedName(const std::string& package, const std::string& name) {
  google::protobuf::FileDescriptorProto file;
  file.set_name("name.proto");
  file.set_package(package);
  file.add_message_type()->set_name(name);
  google::protobuf::DescriptorPool pool;
  return google::protobuf::compiler::cpp::QualifiedClassName(
      pool.BuildFile(file)->message_type(0));
}

// Keywords of C++20 that protoc does not escape in each of its versions.
constexpr std::string_view kNewKeywords[] = {
    "char8_t",  "concept",   "consteval", "constinit",
    "co_await", "co_return", "co_yield",  "requires"};

}  // namespace

bool IsKeyword(const std::string& name) {
  return QualifiedName("", name) != "::" + name ||
         std::find(std::begin(kNewKeywords), std::end(kNewKeywords), name) !=
             std::end(kNewKeywords);
}

std::string NamespaceOf(const std::string& package) {
  if (package.empty()) return "";
  const std::string_view message = "::M";
  const std::string name = QualifiedName(package, "M");
  return name.substr(2, name.size() - 2 - message.size());
}

std::string UniqueName(const std::string& name, std::set<std::string>& taken) {
  std::string unique = name;
  while (IsKeyword(unique) || taken.contains(unique)) unique += '_';
  taken.insert(unique);
  return unique;
}

std::string IncludeGuard(const std::string& path) {
  std::string guard = "NEARCALL_GENERATED_";
  for (const unsigned char c : path) {
    if (absl::ascii_isalnum(c)) {
      guard += static_cast<char>(c);
    } else {
      absl::StrAppend(&guard, "_", absl::Hex(c));
    }
  }
  return guard + "_";
}

}  // namespace nearcall::codegen
