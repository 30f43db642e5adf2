// C++ names for what a .proto names.
#ifndef NEARCALL_CODEGEN_NAMES_H_
#define NEARCALL_CODEGEN_NAMES_H_

#include <set>
#include <string>

namespace nearcall::codegen {

// True for names that cannot be C++ identifiers: keywords, alternative tokens
// and NULL.
bool IsKeyword(const std::string& name);

// The namespace that protoc's C++ generator opens for `package`: "a.b" gives
// "a::b", a keyword among the parts gets a trailing underscore. No leading
// "::".
std::string NamespaceOf(const std::string& package);

// `name`, with as many trailing underscores as it takes (none, as a rule) to be
// neither a keyword nor in `taken`. Adds the result to `taken`.
std::string UniqueName(const std::string& name, std::set<std::string>& taken);

// The include guard of a generated header: different for different paths.
std::string IncludeGuard(const std::string& path);

}  // namespace nearcall::codegen

#endif  // NEARCALL_CODEGEN_NAMES_H_
