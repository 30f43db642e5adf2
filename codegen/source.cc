#include "absl/strings/str_cat.h"
#include "codegen/method_text.h"
#include "codegen/printers.h"

namespace nearcall::codegen {
namespace {

constexpr const char kNewStub[] = R"(
::std::unique_ptr<$service$::Stub> $service$::NewStub(const ::std::shared_ptr<$root$::ChannelInterface>& channel, const $root$::StubOptions& options) {
  return ::std::make_unique<Stub>(channel, options);
}
)";

constexpr const char kStubUnary[] = R"(
$root$::Status $service$::Stub::$method$($stub_params$) {
  return $root$::internal::BlockingUnaryCall<$request$, $response$>(channel_.get(), rpcmethod_$proto_method$_, $stub_args$);
}

void $service$::Stub::async::$method$($root$::ClientContext* context, const $request$* request, $response$* response, ::std::function<void($root$::Status)> done) {
  $root$::internal::CallbackUnaryCall<$request$, $response$>(stub_->channel_.get(), stub_->rpcmethod_$proto_method$_, context, request, response, ::std::move(done));
}
)";

constexpr const char kStubStream[] = R"(
$stream$* $service$::Stub::$method$Raw($stub_params$) {
  return $stream_factory$::Create(channel_.get(), rpcmethod_$proto_method$_, $stub_args$);
}
)";

constexpr const char kStubReactor[] = R"(
void $service$::Stub::async::$method$($async_params$) {
  $factory$::Create(stub_->channel_.get(), stub_->rpcmethod_$proto_method$_, $async_args$);
}
)";

constexpr const char kAddMethod[] =
    R"(  $root$::Service::AddMethod(new $root$::internal::RpcServiceMethod(
      $service$_method_names[$index$], $root$::internal::RpcMethod::$rpc_type$,
      new $root$::internal::$handler$<Service, $request$, $response$>(
          [](Service* service, $service_params$) { return service->$method$($service_args$); }, this)));
)";

constexpr const char kDefaultHandler[] = R"(
$root$::Status $service$::Service::$method$($service_unnamed$) {
  return $root$::Status($root$::StatusCode::UNIMPLEMENTED, "");
}
)";

void PrintStub(const Variables& service_variables, const Service& service,
               Printer& printer) {
  Variables variables = service_variables;
  variables["options"] = service.methods.empty() ? " /*options*/" : " options";
  printer.Print(
      variables,
      "\n$service$::Stub::Stub(const "
      "::std::shared_ptr<$root$::ChannelInterface>& channel, "
      "const $root$::StubOptions&$options$)\n    : channel_(channel)");
  for (const Method& method : service.methods) {
    printer.Print(
        VariablesOf(service_variables, method),
        ",\n      rpcmethod_$proto_method$_($service$_method_names[$index$], "
        "options.suffix_for_stats(), "
        "$root$::internal::RpcMethod::$rpc_type$, channel)");
  }
  printer.Print(" {}\n");
  for (const Method& method : service.methods) {
    Variables method_variables = VariablesOf(service_variables, method);
    printer.Print(method_variables,
                  method.shape == Shape::kUnary ? kStubUnary : kStubStream);
    printer.Print(method_variables, kStubReactor);
  }
}

void PrintService(const File& file, const Service& service, Printer& printer) {
  const Variables variables = VariablesOf(file, service);
  if (!service.methods.empty()) {
    printer.Print(variables,
                  "\nstatic const char* const $service$_method_names[] = {\n");
    for (const Method& method : service.methods)
      printer.Print("    \"$path$\",\n", "path", method.path);
    printer.Print("};\n");
  }
  printer.Print(variables, kNewStub);
  PrintStub(variables, service, printer);
  printer.Print(variables, "\n$service$::Service::Service() {\n");
  for (const Method& method : service.methods)
    printer.Print(VariablesOf(variables, method), kAddMethod);
  printer.Print(variables, "}\n\n$service$::Service::~Service() = default;\n");
  for (const Method& method : service.methods)
    printer.Print(VariablesOf(variables, method), kDefaultHandler);
}

}  // namespace

void PrintSource(const File& file, Printer& printer) {
  PrintPreamble(file, printer);
  PrintInclude({file.header_path}, printer);
  OpenNamespace(file, printer);
  for (const Service& service : file.services)
    PrintService(file, service, printer);
  CloseNamespace(file, printer);
}

}  // namespace nearcall::codegen
