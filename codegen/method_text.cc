#include "codegen/method_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace nearcall::codegen {

MethodText TextOf(Shape shape, const std::string& root,
                  const std::string& request, const std::string& response) {
  const auto in = [&](const char* name, const std::string& types) {
    return absl::StrCat(root, "::", name, "<", types, ">");
  };
  const std::string both = absl::StrCat(request, ", ", response);
  const Parameter client_context = {root + "::ClientContext*", "context"};
  const Parameter server_context = {root + "::ServerContext*", "context"};
  const Parameter callback_context = {root + "::CallbackServerContext*",
                                      "context"};
  const Parameter request_reference = {absl::StrCat("const ", request, "&"),
                                       "request"};
  const Parameter request_pointer = {absl::StrCat("const ", request, "*"),
                                     "request"};
  const Parameter reply = {response + "*", "response"};

  MethodText text;
  switch (shape) {
    case Shape::kUnary:
      text.rpc_type = "NORMAL_RPC";
      text.stub = {client_context, request_reference, reply};
      text.async_stub = {client_context,
                         request_pointer,
                         reply,
                         {root + "::ClientUnaryReactor*", "reactor"}};
      text.factory = root + "::internal::ClientCallbackUnaryFactory";
      text.service = {server_context, request_pointer, reply};
      text.handler = "RpcMethodHandler";
      text.callback = {callback_context, request_pointer, reply};
      text.server_reactor = root + "::ServerUnaryReactor";
      text.callback_handler = in("internal::CallbackUnaryHandler", both);
      break;
    case Shape::kServerStreaming:
      text.rpc_type = "SERVER_STREAMING";
      text.stub = {client_context, request_reference};
      text.stream = "ClientReader";
      text.stream_types = response;
      text.async_stub = {client_context,
                         request_pointer,
                         {in("ClientReadReactor", response) + "*", "reactor"}};
      text.factory = in("internal::ClientCallbackReaderFactory", response);
      text.service = {server_context,
                      request_pointer,
                      {in("ServerWriter", response) + "*", "writer"}};
      text.handler = "ServerStreamingHandler";
      text.callback = {callback_context, request_pointer};
      text.server_reactor = in("ServerWriteReactor", response);
      text.callback_handler =
          in("internal::CallbackServerStreamingHandler", both);
      break;
    case Shape::kClientStreaming:
      text.rpc_type = "CLIENT_STREAMING";
      text.stub = {client_context, reply};
      text.stream = "ClientWriter";
      text.stream_types = request;
      text.async_stub = {client_context,
                         reply,
                         {in("ClientWriteReactor", request) + "*", "reactor"}};
      text.factory = in("internal::ClientCallbackWriterFactory", request);
      text.service = {
          server_context, {in("ServerReader", request) + "*", "reader"}, reply};
      text.handler = "ClientStreamingHandler";
      text.callback = {callback_context, reply};
      text.server_reactor = in("ServerReadReactor", request);
      text.callback_handler =
          in("internal::CallbackClientStreamingHandler", both);
      break;
    case Shape::kBidiStreaming:
      text.rpc_type = "BIDI_STREAMING";
      text.stub = {client_context};
      text.stream = "ClientReaderWriter";
      text.stream_types = both;
      text.async_stub = {client_context,
                         {in("ClientBidiReactor", both) + "*", "reactor"}};
      text.factory = in("internal::ClientCallbackReaderWriterFactory", both);
      // The response comes first in the type of the handler's stream.
      text.service = {
          server_context,
          {in("ServerReaderWriter", absl::StrCat(response, ", ", request)) +
               "*",
           "stream"}};
      text.handler = "BidiStreamingHandler";
      text.callback = {callback_context};
      text.server_reactor = in("ServerBidiReactor", both);
      text.callback_handler = in("internal::CallbackBidiHandler", both);
      break;
  }
  return text;
}

std::string Declared(const Parameters& parameters) {
  return absl::StrJoin(
      parameters, ", ", [](std::string* out, const Parameter& parameter) {
        absl::StrAppend(out, parameter.type, " ", parameter.name);
      });
}

std::string Unnamed(const Parameters& parameters) {
  return absl::StrJoin(
      parameters, ", ", [](std::string* out, const Parameter& parameter) {
        absl::StrAppend(out, parameter.type, " /*", parameter.name, "*/");
      });
}

std::string Passed(const Parameters& parameters) {
  return absl::StrJoin(parameters, ", ",
                       [](std::string* out, const Parameter& parameter) {
                         out->append(parameter.name);
                       });
}

}  // namespace nearcall::codegen
