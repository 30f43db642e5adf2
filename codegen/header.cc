#include <nearcall/version.h>

#include "absl/strings/str_cat.h"
#include "codegen/names.h"
#include "codegen/printers.h"

namespace nearcall::codegen {
namespace {

constexpr const char kStubInterface[] = R"(
class StubInterface {
 public:
  virtual ~StubInterface() = default;
)";

// Of the types behind async(), whose class of the same name needs "class".
constexpr const char kAsyncAccess[] =
    R"(typedef class async_interface experimental_async_interface;
virtual class async_interface* async() { return nullptr; }
class async_interface* experimental_async() { return async(); }
)";

constexpr const char kUnaryPure[] =
    "virtual $root$::Status $method$($stub_params$) = 0;\n";

constexpr const char kStreamWrapper[] =
    R"(::std::unique_ptr<$stream_type$> $method$($stub_params$) {
  return ::std::unique_ptr<$stream_type$>($method$Raw($stub_args$));
}
)";

constexpr const char kValueOverloads[] =
    R"(::absl::StatusOr<$response$> $method$($root$::ClientContext* context, const $request$& request) {
  $response$ response;
  const $root$::Status status = this->$method$(context, request, &response);
  if (!status.ok()) return status.ToAbsl();
  return response;
}
::absl::StatusOr<$response$> $method$(const $request$& request) {
  $root$::ClientContext context;
  return this->$method$(&context, request);
}
)";

constexpr const char kAsyncUnaryFunction[] =
    "void $method$($root$::ClientContext* context, const $request$* request, "
    "$response$* response, "
    "::std::function<void($root$::Status)> done)";

constexpr const char kAsyncImplementation[] =
    R"( private:
  friend class Stub;
  explicit async(Stub* stub) : stub_(stub) {}
  Stub* const stub_;
};
class async* async() override { return &async_stub_; }

)";

// A service without methods makes no use of its stub.
constexpr const char kEmptyAsyncImplementation[] =
    R"( private:
  friend class Stub;
  explicit async(Stub* /*stub*/) {}
};
class async* async() override { return &async_stub_; }

)";

constexpr const char kWrapperStart[] = R"(
template <class BaseClass>
class $wrapper$_$method$ : public BaseClass {
  static_assert(::std::is_base_of_v<Service, BaseClass>, "the base must be derived from Service");

 public:
)";

// What the wrapped method replaces is no longer reachable.
constexpr const char kSynchronousOff[] =
    "  $root$::Status $method$($service_unnamed$) override { ::std::abort(); "
    "}\n";

void PrintStubInterface(const Variables& service_variables,
                        const Service& service, Printer& printer) {
  printer.Print(kStubInterface);
  printer.Indent();
  for (const Method& method : service.methods) {
    Variables variables = VariablesOf(service_variables, method);
    variables["stream_type"] = variables["stream_interface"];
    PrintComments(method.comments, printer);
    printer.Print(variables,
                  method.shape == Shape::kUnary ? kUnaryPure : kStreamWrapper);
  }
  printer.Print(
      "\nclass async_interface {\n public:\n  virtual ~async_interface() = "
      "default;\n");
  printer.Indent();
  for (const Method& method : service.methods) {
    const Variables variables = VariablesOf(service_variables, method);
    PrintComments(method.comments, printer);
    if (method.shape == Shape::kUnary) {
      printer.Print(
          variables,
          absl::StrCat("virtual ", kAsyncUnaryFunction, " = 0;\n").c_str());
    }
    printer.Print(variables, "virtual void $method$($async_params$) = 0;\n");
  }
  printer.Outdent();
  printer.Print("};\n");
  printer.Print(kAsyncAccess);
  printer.Outdent();
  bool first = true;
  for (const Method& method : service.methods) {
    if (method.shape == Shape::kUnary) continue;
    if (first) printer.Print("\n private:\n");
    first = false;
    printer.Print(
        VariablesOf(service_variables, method),
        "  virtual $stream_interface$* $method$Raw($stub_params$) = 0;\n");
  }
  printer.Print("};\n");
}

void PrintStub(const Variables& service_variables, const Service& service,
               Printer& printer) {
  printer.Print(
      service_variables,
      "\nclass Stub final : public StubInterface {\n public:\n"
      "  Stub(const ::std::shared_ptr<$root$::ChannelInterface>& channel, "
      "const $root$::StubOptions& options = $root$::StubOptions());\n\n");
  printer.Indent();
  for (const Method& method : service.methods) {
    Variables variables = VariablesOf(service_variables, method);
    variables["stream_type"] = variables["stream"];
    if (method.shape == Shape::kUnary) {
      printer.Print(variables,
                    "$root$::Status $method$($stub_params$) override;\n");
    } else {
      printer.Print(variables, kStreamWrapper);
    }
    if (method.value_overloads) printer.Print(variables, kValueOverloads);
  }
  printer.Print(
      "\nclass async final : public StubInterface::async_interface {\n "
      "public:\n");
  for (const Method& method : service.methods) {
    const Variables variables = VariablesOf(service_variables, method);
    if (method.shape == Shape::kUnary) {
      printer.Print(
          variables,
          absl::StrCat("  ", kAsyncUnaryFunction, " override;\n").c_str());
    }
    printer.Print(variables, "  void $method$($async_params$) override;\n");
  }
  printer.Print(service.methods.empty() ? kEmptyAsyncImplementation
                                        : kAsyncImplementation);
  printer.Outdent();
  printer.Print(" private:\n");
  printer.Indent();
  for (const Method& method : service.methods) {
    if (method.shape == Shape::kUnary) continue;
    printer.Print(VariablesOf(service_variables, method),
                  "$stream$* $method$Raw($stub_params$) override;\n");
  }
  printer.Print(service_variables,
                "::std::shared_ptr<$root$::ChannelInterface> channel_;\nclass "
                "async async_stub_{this};\n");
  for (const Method& method : service.methods) {
    printer.Print(
        VariablesOf(service_variables, method),
        "const $root$::internal::RpcMethod rpcmethod_$proto_method$_;\n");
  }
  printer.Outdent();
  printer.Print(
      service_variables,
      "};\n"
      "static ::std::unique_ptr<Stub> NewStub(const "
      "::std::shared_ptr<$root$::ChannelInterface>& channel, "
      "const $root$::StubOptions& options = $root$::StubOptions());\n");
}

void PrintService(const Variables& service_variables, const Service& service,
                  Printer& printer) {
  printer.Print(service_variables,
                "\nclass Service : public $root$::Service {\n public:\n  "
                "Service();\n  ~Service() override;\n");
  printer.Indent();
  for (const Method& method : service.methods) {
    PrintComments(method.comments, printer);
    printer.Print(VariablesOf(service_variables, method),
                  "virtual $root$::Status $method$($service_params$);\n");
  }
  printer.Outdent();
  printer.Print("};\n");
}

// A handler with callbacks, for messages (MarkMethodCallback) or for their
// bytes.
void PrintCallbackWrapper(const Variables& service_variables,
                          const Method& method, bool raw, Printer& printer) {
  const std::string bytes =
      raw ? service_variables.at("root") + "::ByteBuffer" : "";
  Variables variables = VariablesOf(service_variables, method, bytes, bytes);
  variables["wrapper"] = raw ? "WithRawCallbackMethod" : "WithCallbackMethod";
  printer.Print(variables, kWrapperStart);
  printer.Print(variables,
                R"(  $wrapper$_$method$() {
    $root$::Service::MarkMethodCallback($index$, new $callback_handler$(
        [this]($callback_params$) { return this->$method$($callback_args$); }));
  }
)");
  if (method.shape == Shape::kUnary && !raw) {
    printer.Print(
        variables,
        R"(  void SetMessageAllocatorFor_$method$($root$::MessageAllocator<$request$, $response$>* allocator) {
    static_cast<$callback_handler$*>($root$::Service::GetHandler($index$))->SetMessageAllocator(allocator);
  }
)");
  }
  printer.Print(VariablesOf(service_variables, method), kSynchronousOff);
  printer.Print(variables,
                "  virtual $server_reactor$* $method$($callback_unnamed$) { "
                "return nullptr; }\n};\n");
}

void PrintGenericWrapper(const Variables& service_variables,
                         const Method& method, Printer& printer) {
  Variables variables = VariablesOf(service_variables, method);
  variables["wrapper"] = "WithGenericMethod";
  printer.Print(variables, kWrapperStart);
  printer.Print(variables,
                "  $wrapper$_$method$() { "
                "$root$::Service::MarkMethodGeneric($index$); }\n");
  printer.Print(variables, kSynchronousOff);
  printer.Print("};\n");
}

void PrintCallbackService(const Service& service, Printer& printer) {
  std::string type = "Service";
  for (auto method = service.methods.rbegin(); method != service.methods.rend();
       ++method) {
    type = absl::StrCat("WithCallbackMethod_", method->name, "<", type, ">");
  }
  printer.Print(
      "\ntypedef $type$ CallbackService;\ntypedef CallbackService "
      "ExperimentalCallbackService;\n",
      "type", type);
}

void PrintService(const File& file, const Service& service, Printer& printer) {
  const Variables variables = VariablesOf(file, service);
  printer.Print("\n");
  PrintComments(service.comments, printer);
  printer.Print(variables,
                "class $service$ final {\n public:\n"
                "  static constexpr const char* service_full_name() { return "
                "\"$service_full_name$\"; }\n");
  printer.Indent();
  PrintStubInterface(variables, service, printer);
  PrintStub(variables, service, printer);
  PrintService(variables, service, printer);
  for (const Method& method : service.methods)
    PrintCallbackWrapper(variables, method, false, printer);
  PrintCallbackService(service, printer);
  for (const Method& method : service.methods)
    PrintGenericWrapper(variables, method, printer);
  for (const Method& method : service.methods)
    PrintCallbackWrapper(variables, method, true, printer);
  printer.Outdent();
  printer.Print("};\n");
}

void PrintVersionCheck(Printer& printer) {
  constexpr int kMajorMinor = NEARCALL_VERSION / 1000;
  printer.Print(
      "\n#if NEARCALL_VERSION / 1000 != $number$\n"
      "#error \"This file was generated by protoc-gen-nearcall $version$, but "
      "the nearcall headers found are of "
      "another version. Generate it again with the protoc-gen-nearcall that "
      "comes with these headers.\"\n"
      "#endif\n",
      "number", std::to_string(kMajorMinor), "version",
      absl::StrCat(kMajorMinor / 1000, ".", kMajorMinor % 1000));
}

}  // namespace

void PrintHeader(const File& file, Printer& printer) {
  PrintPreamble(file, printer);
  PrintComments(file.comments, printer);
  printer.Print("#ifndef $guard$\n#define $guard$\n\n", "guard",
                IncludeGuard(file.header_path));
  for (const Include& include : file.includes) PrintInclude(include, printer);
  PrintVersionCheck(printer);
  OpenNamespace(file, printer);
  for (const Service& service : file.services)
    PrintService(file, service, printer);
  CloseNamespace(file, printer);
  printer.Print("\n#endif  // $guard$\n", "guard",
                IncludeGuard(file.header_path));
}

}  // namespace nearcall::codegen
