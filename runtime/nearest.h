// "Did you mean": the known name that is nearest to one that is not.
#ifndef NEARCALL_RUNTIME_NEAREST_H_
#define NEARCALL_RUNTIME_NEAREST_H_

#include <string>
#include <string_view>
#include <vector>

namespace nearcall::internal {

/// The nearest of `known`, or "" when none is near enough to be meant.
std::string NearestName(std::string_view name,
                        const std::vector<std::string>& known);

/// How a message about an unknown name ends: "; did you mean 'x'?", or
/// "; `has` x, y, z" when nothing is near.
std::string Suggestion(std::string_view name,
                       const std::vector<std::string>& known,
                       std::string_view has);

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_NEAREST_H_
