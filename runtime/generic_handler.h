#ifndef NEARCALL_RUNTIME_GENERIC_HANDLER_H_
#define NEARCALL_RUNTIME_GENERIC_HANDLER_H_

#include <nearcall/impl/server_call.h>

#include <memory>

namespace nearcall {
class CallbackGenericService;

namespace internal {

/// Runs every call through the service's reactors.
std::unique_ptr<MethodHandler> MakeGenericHandler(
    CallbackGenericService* service);

}  // namespace internal
}  // namespace nearcall

#endif  // NEARCALL_RUNTIME_GENERIC_HANDLER_H_
