#include "codegen/names.h"
#include "codegen/printers.h"

namespace nearcall::codegen {

void PrintMock(const File& file, Printer& printer) {
  const std::string guard = IncludeGuard(file.mock_path);
  PrintPreamble(file, printer);
  printer.Print("#ifndef $guard$\n#define $guard$\n\n", "guard", guard);
  PrintInclude(file.mock_include, printer);
  printer.Print("\n");
  PrintInclude({file.header_path}, printer);
  OpenNamespace(file, printer);
  for (const Service& service : file.services) {
    const Variables variables = VariablesOf(file, service);
    printer.Print(variables,
                  "\nclass Mock$service$Stub : public $service$::StubInterface "
                  "{\n public:\n");
    for (const Method& method : service.methods) {
      // A type with a comma must stand in parentheses in the macro.
      printer.Print(VariablesOf(variables, method),
                    method.shape == Shape::kUnary
                        ? "  MOCK_METHOD($root$::Status, $method$, "
                          "($stub_params$), (override));\n"
                        : "  MOCK_METHOD(($stream_interface$*), $method$Raw, "
                          "($stub_params$), (override));\n");
    }
    printer.Print("};\n");
  }
  CloseNamespace(file, printer);
  printer.Print("\n#endif  // $guard$\n", "guard", guard);
}

}  // namespace nearcall::codegen
