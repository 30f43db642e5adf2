// What the printers know of a .proto file: its services in C++ terms. Nothing
// of libprotoc is needed to print it.
#ifndef NEARCALL_CODEGEN_MODEL_H_
#define NEARCALL_CODEGEN_MODEL_H_

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "codegen/options.h"

namespace nearcall::codegen {

enum class Shape { kUnary, kClientStreaming, kServerStreaming, kBidiStreaming };

// Comment text by line, without "//" and without blanks at the end of a line.
// The detached blocks come first, an empty line after each; then what stands
// before the declaration, then what stands behind it.
using Comments = std::vector<std::string>;

struct Method {
  std::string name;        // C++; "delete" is "delete_"
  std::string proto_name;  // as the .proto spells it
  std::string path;  // "/package.Service/Method", as the .proto spells them
  int index = 0;     // in declaration order; the runtime's id of the method
  Shape shape = Shape::kUnary;
  std::string request;  // "::package::Outer_Inner"
  std::string response;
  Comments comments;
  // Whether the stub also offers overloads that return absl::StatusOr.
  bool value_overloads = false;
};

struct Service {
  std::string name;       // C++
  std::string full_name;  // "package.Service", as the .proto spells it
  Comments comments;
  std::vector<Method> methods;
};

struct Include {
  std::string path;
  bool system = false;  // <path>, else "path"
};

struct File {
  std::string source;      // "dir/name.proto"
  Comments comments;       // the file's own, above its first statement
  std::string name_space;  // "a::b"; empty: the global one
  std::vector<Service> services;

  std::string root;         // the runtime's namespace: "::nearcall" or "::grpc"
  std::string header_path;  // "dir/name.nearcall.pb.h"
  std::string source_path;  // "dir/name.nearcall.pb.cc"
  std::string mock_path;    // empty: no mocks are wanted
  std::vector<Include> includes;  // of the header, in order
  Include mock_include;           // GoogleMock's header
};

// Names that C++ or the generated classes need for something else get a
// trailing underscore ("class_", "Stub_"); all others stay as they are. Fails
// where protoc writes classes of the same names (cc_generic_services).
absl::StatusOr<File> BuildModel(const google::protobuf::FileDescriptor& file,
                                const Options& options);

}  // namespace nearcall::codegen

#endif  // NEARCALL_CODEGEN_MODEL_H_
