// How each of the four shapes of a method is declared and called in C++. The
// printers are written once; what differs between shapes is here.
#ifndef NEARCALL_CODEGEN_METHOD_TEXT_H_
#define NEARCALL_CODEGEN_METHOD_TEXT_H_

#include <string>
#include <vector>

#include "codegen/model.h"

namespace nearcall::codegen {

struct Parameter {
  std::string type;
  std::string name;
};
using Parameters = std::vector<Parameter>;

struct MethodText {
  const char* rpc_type = "";  // the enumerator of internal::RpcMethod

  // The synchronous stub. For a stream it returns `stream<stream_types>` or the
  // abstract `streamInterface<stream_types>`; a unary method has none.
  Parameters stub;
  std::string stream;
  std::string stream_types;

  // The stub with callbacks: the reactor comes last. `factory` makes the call.
  Parameters async_stub;
  std::string factory;

  // The synchronous and the callback handler, and the runtime's adapters.
  Parameters service;
  std::string handler;
  Parameters callback;
  std::string server_reactor;
  std::string callback_handler;
};

// For `method` with `request` and `response` in place of its own types, the
// runtime's names under `root`.
MethodText TextOf(Shape shape, const std::string& root,
                  const std::string& request, const std::string& response);

// "T a, U b", "T /*a*/, U /*b*/" and "a, b".
std::string Declared(const Parameters& parameters);
std::string Unnamed(const Parameters& parameters);
std::string Passed(const Parameters& parameters);

}  // namespace nearcall::codegen

#endif  // NEARCALL_CODEGEN_METHOD_TEXT_H_
