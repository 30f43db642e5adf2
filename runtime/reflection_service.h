// grpc.reflection.v1 and v1alpha: ServerReflection.
#ifndef NEARCALL_RUNTIME_REFLECTION_SERVICE_H_
#define NEARCALL_RUNTIME_REFLECTION_SERVICE_H_

#include <nearcall/reflection.h>
#include <nearcall/server_callback.h>

#include <set>
#include <string>

#include "runtime/standard_service.h"

namespace nearcall::internal {

/// Of servers whose builder does not say.
Reflection DefaultReflection();

class ReflectionService final : public StandardService {
 public:
  /// `services`: the full names of the server's others. A version that is among
  /// them is the program's own, and not served here.
  ReflectionService(Reflection audience, std::set<std::string> services);

 private:
  class Stream;

  const Reflection audience_;
  /// Those served here as well. Constant after the constructor.
  std::set<std::string> services_;
};

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_REFLECTION_SERVICE_H_
