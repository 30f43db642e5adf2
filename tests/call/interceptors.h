// Interceptors of the call tests, for both sides.
#ifndef NEARCALL_TESTS_CALL_INTERCEPTORS_H_
#define NEARCALL_TESTS_CALL_INTERCEPTORS_H_

#include <nearcall/nearcall.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/call/gates.h"

namespace nearcall::test {

/// The names of a batch's hooks, in the order of the enumeration.
std::vector<std::string> HookNames(
    experimental::InterceptorBatchMethods* methods);

using ClientFactories = std::vector<
    std::unique_ptr<experimental::ClientInterceptorFactoryInterface>>;
using ServerFactories = std::vector<
    std::unique_ptr<experimental::ServerInterceptorFactoryInterface>>;

/// Interceptors that change nothing: one that goes on at once, and one that
/// does on a thread of its own. Where NEARCALL_TEST_INTERCEPTORS is set every
/// channel and server of the fixture has them, so that any call test is one of
/// interceptors too; elsewhere none.
ClientFactories PassingClientInterceptors();
ServerFactories PassingServerInterceptors();

/// A server's interceptors that count each hook of TestService's calls at the
/// gate "hook/NAME", and send the names of a call's hooks up to its status as
/// the trailing metadata "hooks". The client's metadata "intercept" has them
/// change what it says: "request", "reply", "bytes" (of the reply), "metadata",
/// "status".
ServerFactories RecordingServerInterceptors(Gates* gates);

}  // namespace nearcall::test

#endif  // NEARCALL_TESTS_CALL_INTERCEPTORS_H_
