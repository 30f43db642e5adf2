#include "codegen/model.h"

#include <google/protobuf/compiler/code_generator.h>
#include <google/protobuf/compiler/cpp/names.h>
#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "codegen/names.h"

namespace nearcall::codegen {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using google::protobuf::SourceLocation;
namespace cpp = google::protobuf::compiler::cpp;

// Members of a service's class: no class inside or outside may share them.
constexpr const char* kServiceMembers[] = {"AsyncService",
                                           "CallbackService",
                                           "ExperimentalCallbackService",
                                           "NewStub",
                                           "Service",
                                           "SplitStreamedService",
                                           "StreamedService",
                                           "StreamedUnaryService",
                                           "Stub",
                                           "StubInterface",
                                           "service_full_name"};

// Classes, types and fields in whose scope a method is declared.
constexpr const char* kMethodScopes[] = {"BaseClass",
                                         "Service",
                                         "Stub",
                                         "StubInterface",
                                         "async",
                                         "async_interface",
                                         "async_stub_",
                                         "channel_",
                                         "experimental_async",
                                         "experimental_async_interface",
                                         "stub_"};

constexpr const char* kMethodWrappers[] = {
    "WithAsyncMethod_",        "WithCallbackMethod_",
    "WithGenericMethod_",      "WithRawCallbackMethod_",
    "WithRawMethod_",          "WithSplitStreamingMethod_",
    "WithStreamedUnaryMethod_"};

void AppendLines(const std::string& text, Comments& lines) {
  if (text.empty()) return;
  std::vector<std::string> added = absl::StrSplit(text, '\n');
  if (added.back().empty()) added.pop_back();
  for (std::string& line : added) {
    absl::StripTrailingAsciiWhitespace(&line);
    // A backslash at the end would pull the next line into the comment.
    if (absl::EndsWith(line, "\\") || absl::EndsWith(line, "?\?/"))
      line += " //";
    lines.push_back(std::move(line));
  }
}

Comments CommentsOf(const SourceLocation& location) {
  Comments lines;
  for (const std::string& block : location.leading_detached_comments) {
    AppendLines(block, lines);
    lines.push_back("");
  }
  AppendLines(location.leading_comments, lines);
  AppendLines(location.trailing_comments, lines);
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

template <typename T>
Comments CommentsOf(const T& descriptor) {
  SourceLocation location;
  return descriptor.GetSourceLocation(&location) ? CommentsOf(location)
                                                 : Comments();
}

Comments FileComments(const FileDescriptor& file) {
  using google::protobuf::FileDescriptorProto;
  SourceLocation location;
  const bool found =
      file.GetSourceLocation({FileDescriptorProto::kSyntaxFieldNumber},
                             &location) ||
      file.GetSourceLocation({FileDescriptorProto::kPackageFieldNumber},
                             &location);
  return found ? CommentsOf(location) : Comments();
}

Shape ShapeOf(const MethodDescriptor& method) {
  if (method.client_streaming()) {
    return method.server_streaming() ? Shape::kBidiStreaming
                                     : Shape::kClientStreaming;
  }
  return method.server_streaming() ? Shape::kServerStreaming : Shape::kUnary;
}

// Whether streaming methods of one shape are called with the same arguments.
bool SameArguments(const Method& a, const Method& b) {
  if (a.shape == Shape::kServerStreaming) return a.request == b.request;
  if (a.shape == Shape::kClientStreaming) return a.response == b.response;
  return true;
}

// A streaming method M also declares MRaw, which a method of that name must not
// repeat with the same parameters.
void AvoidRawNames(std::vector<Method>& methods, std::set<std::string>& taken) {
  for (Method& method : methods) {
    for (const Method& stream : methods) {
      if (stream.shape == Shape::kUnary || method.name != stream.name + "Raw")
        continue;
      if (method.shape == stream.shape && SameArguments(method, stream)) {
        method.name = UniqueName(method.name, taken);
      } else if (method.shape == Shape::kUnary &&
                 stream.shape == Shape::kServerStreaming &&
                 method.request == stream.request) {
        method.value_overloads = false;
      }
    }
  }
}

std::vector<Method> MethodsOf(const ServiceDescriptor& service,
                              bool value_overloads) {
  std::set<std::string> reserved(std::begin(kMethodScopes),
                                 std::end(kMethodScopes));
  for (int i = 0; i < service.method_count(); ++i) {
    reserved.insert(absl::StrCat("rpcmethod_", service.method(i)->name(), "_"));
  }
  // Names that can stay as they are go first, so that no other's escape takes
  // them.
  std::set<std::string> taken = reserved;
  for (int i = 0; i < service.method_count(); ++i)
    taken.insert(service.method(i)->name());

  std::vector<Method> methods;
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& descriptor = *service.method(i);
    const bool escape =
        IsKeyword(descriptor.name()) || reserved.contains(descriptor.name());
    Method& method = methods.emplace_back();
    method.name =
        escape ? UniqueName(descriptor.name(), taken) : descriptor.name();
    method.proto_name = descriptor.name();
    method.path =
        absl::StrCat("/", service.full_name(), "/", descriptor.name());
    method.index = i;
    method.shape = ShapeOf(descriptor);
    method.request = cpp::QualifiedClassName(descriptor.input_type());
    method.response = cpp::QualifiedClassName(descriptor.output_type());
    method.comments = CommentsOf(descriptor);
    method.value_overloads = value_overloads && method.shape == Shape::kUnary;
  }
  AvoidRawNames(methods, taken);
  return methods;
}

void AddClassNames(const Descriptor& message, std::set<std::string>& names) {
  names.insert(cpp::ClassName(&message));
  for (int i = 0; i < message.nested_type_count(); ++i)
    AddClassNames(*message.nested_type(i), names);
  for (int i = 0; i < message.enum_type_count(); ++i)
    names.insert(cpp::ClassName(message.enum_type(i)));
}

// Names that a class of a service cannot have: those of its own members, and
// what protoc's header declares beside it.
std::set<std::string> ReservedServiceNames(const FileDescriptor& file,
                                           bool beside_messages) {
  std::set<std::string> names(std::begin(kServiceMembers),
                              std::end(kServiceMembers));
  for (int i = 0; i < file.service_count(); ++i) {
    for (int k = 0; k < file.service(i)->method_count(); ++k) {
      for (const char* prefix : kMethodWrappers) {
        names.insert(absl::StrCat(prefix, file.service(i)->method(k)->name()));
      }
    }
  }
  if (beside_messages) {
    for (int i = 0; i < file.message_type_count(); ++i)
      AddClassNames(*file.message_type(i), names);
    for (int i = 0; i < file.enum_type_count(); ++i)
      names.insert(cpp::ClassName(file.enum_type(i)));
  }
  return names;
}

std::vector<Service> ServicesOf(const FileDescriptor& file,
                                const Options& options) {
  const std::set<std::string> reserved =
      ReservedServiceNames(file, options.services_namespace.empty());
  std::set<std::string> taken = reserved;
  for (int i = 0; i < file.service_count(); ++i)
    taken.insert(file.service(i)->name());

  std::vector<Service> services;
  for (int i = 0; i < file.service_count(); ++i) {
    const ServiceDescriptor& descriptor = *file.service(i);
    const bool escape =
        IsKeyword(descriptor.name()) || reserved.contains(descriptor.name());
    Service& service = services.emplace_back();
    service.name =
        escape ? UniqueName(descriptor.name(), taken) : descriptor.name();
    service.full_name = descriptor.full_name();
    service.comments = CommentsOf(descriptor);
    // A program of gRPC's may take a stub's member's address, which an overload
    // would make ambiguous.
    service.methods = MethodsOf(descriptor, !options.grpc_compat);
  }
  return services;
}

std::string Join(const std::string& folder, const std::string& path) {
  if (folder.empty() || absl::EndsWith(folder, "/")) return folder + path;
  return absl::StrCat(folder, "/", path);
}

std::vector<Include> IncludesOf(const FileDescriptor& file,
                                const Options& options) {
  const auto message_header = [&](const FileDescriptor& of) {
    return Include{google::protobuf::compiler::StripProto(of.name()) +
                   options.message_header_extension};
  };
  std::vector<Include> includes = {message_header(file)};
  for (const std::string& path : options.additional_header_includes) {
    includes.push_back({path, options.use_system_headers});
  }
  const char* runtime = options.grpc_compat ? "grpcpp/impl/nearcall_generated.h"
                                            : "nearcall/generated.h";
  includes.push_back(
      {Join(options.grpc_search_path, runtime), options.use_system_headers});
  for (int i = 0; options.include_import_headers && i < file.dependency_count();
       ++i) {
    includes.push_back(message_header(*file.dependency(i)));
  }
  return includes;
}

Include MockInclude(const Options& options) {
  if (!options.gmock_search_path.empty())
    return {Join(options.gmock_search_path, "gmock.h")};
  return {Join(options.grpc_search_path, "gmock/gmock.h"),
          options.use_system_headers};
}

absl::Status Check(const FileDescriptor& file, const Options& options) {
  if (file.options().cc_generic_services() && file.service_count() > 0 &&
      options.services_namespace.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        file.name(),
        " sets cc_generic_services, so that protoc writes a class ",
        file.service(0)->full_name(),
        " too: remove that option, or keep the two apart with "
        "services_namespace=NAME"));
  }
  const std::vector<std::string> parts =
      absl::StrSplit(NamespaceOf(file.package()), "::", absl::SkipEmpty());
  for (const std::string& part : parts) {
    if (IsKeyword(part)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "package ", file.package(), " has the C++ keyword '", part,
          "', and this protoc's own header opens a namespace of that name, "
          "which no compiler accepts: rename it"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<File> BuildModel(const FileDescriptor& file,
                                const Options& options) {
  if (absl::Status status = Check(file, options); !status.ok()) return status;
  File model;
  model.source = file.name();
  model.comments = FileComments(file);
  model.name_space = NamespaceOf(file.package());
  if (!options.services_namespace.empty()) {
    if (!model.name_space.empty()) model.name_space += "::";
    model.name_space += options.services_namespace;
  }
  model.services = ServicesOf(file, options);

  const std::string base = google::protobuf::compiler::StripProto(file.name());
  const char* suffix = options.grpc_compat ? ".grpc.pb" : ".nearcall.pb";
  model.root = options.grpc_compat ? "::grpc" : "::nearcall";
  model.header_path = absl::StrCat(base, suffix, ".h");
  model.source_path = absl::StrCat(base, suffix, ".cc");
  if (options.generate_mock_code)
    model.mock_path = absl::StrCat(base, "_mock", suffix, ".h");
  model.includes = IncludesOf(file, options);
  model.mock_include = MockInclude(options);
  return model;
}

}  // namespace nearcall::codegen
