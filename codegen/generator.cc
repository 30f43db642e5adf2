#include "codegen/generator.h"

#include <google/protobuf/io/zero_copy_stream.h>

#include <memory>

#include "codegen/model.h"
#include "codegen/options.h"
#include "codegen/printers.h"

namespace nearcall::codegen {
namespace {

bool Write(const File& file, const std::string& path,
           void (*print)(const File&, Printer&),
           google::protobuf::compiler::GeneratorContext& context,
           std::string& error) {
  const std::unique_ptr<google::protobuf::io::ZeroCopyOutputStream> output(
      context.Open(path));
  Printer printer(output.get(), '$');
  print(file, printer);
  if (printer.failed()) error = "cannot write " + path;
  return !printer.failed();
}

}  // namespace

bool Generator::Generate(const google::protobuf::FileDescriptor* file,
                         const std::string& parameter,
                         google::protobuf::compiler::GeneratorContext* context,
                         std::string* error) const {
  const absl::StatusOr<Options> options = ParseOptions(parameter);
  if (!options.ok()) {
    *error = std::string(options.status().message());
    return false;
  }
  const absl::StatusOr<File> model = BuildModel(*file, *options);
  if (!model.ok()) {
    *error = std::string(model.status().message());
    return false;
  }
  return Write(*model, model->header_path, PrintHeader, *context, *error) &&
         Write(*model, model->source_path, PrintSource, *context, *error) &&
         (model->mock_path.empty() ||
          Write(*model, model->mock_path, PrintMock, *context, *error));
}

}  // namespace nearcall::codegen
