// What `--nearcall_out=OPTION=VALUE,...:DIR` (or --nearcall_opt) can say.
#ifndef NEARCALL_CODEGEN_OPTIONS_H_
#define NEARCALL_CODEGEN_OPTIONS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace nearcall::codegen {

// Names and meanings are those of gRPC's C++ plugin, except grpc_compat.
struct Options {
  // Also write NAME_mock.nearcall.pb.h: a GoogleMock class per StubInterface.
  bool generate_mock_code = false;
  // Write NAME.grpc.pb.h and so on, which spell the runtime ::grpc, for
  // programs that are compiled with grpc as another name for nearcall.
  bool grpc_compat = false;
  // Include the runtime's and GoogleMock's headers as <...>, else as "...".
  bool use_system_headers = true;
  // Include the message headers of the imported files too.
  bool include_import_headers = false;
  // A namespace for the classes of services, inside the package's.
  std::string services_namespace;
  // A folder to put before the paths of the runtime's headers.
  std::string grpc_search_path;
  // The folder of gmock.h, if it is not gmock/.
  std::string gmock_search_path;
  // The end of the message header's name.
  std::string message_header_extension = ".pb.h";
  // Headers to include first, given as PATH:PATH.
  std::vector<std::string> additional_header_includes;
};

// Reads protoc's parameter. The error of an unknown option lists the known
// ones. Of an option that is given twice the last counts.
absl::StatusOr<Options> ParseOptions(const std::string& parameter);

}  // namespace nearcall::codegen

#endif  // NEARCALL_CODEGEN_OPTIONS_H_
