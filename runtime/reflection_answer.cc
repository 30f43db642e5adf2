#include "runtime/reflection_answer.h"

#include <google/protobuf/descriptor.pb.h>
#include <nearcall/status.h>

#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

namespace nearcall::internal {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using reflection::ServerReflectionRequest;
using reflection::ServerReflectionResponse;

Status NotFound(std::string_view what, const std::string& name) {
  return Status(NOT_FOUND,
                absl::StrCat("the server's program has no description of the ",
                             std::string(what), " '", name, "'"));
}

/// The file, then what it imports, directly and indirectly, each once.
Status Files(const FileDescriptor* first, ServerReflectionResponse* response) {
  std::vector<const FileDescriptor*> files = {first};
  absl::flat_hash_set<const FileDescriptor*> seen = {first};
  auto* answer = response->mutable_file_descriptor_response();
  for (size_t i = 0; i < files.size(); ++i) {
    google::protobuf::FileDescriptorProto description;
    files[i]->CopyTo(&description);
    description.SerializeToString(answer->add_file_descriptor_proto());
    for (int d = 0; d < files[i]->dependency_count(); ++d) {
      const FileDescriptor* const dependency = files[i]->dependency(d);
      if (seen.insert(dependency).second) files.push_back(dependency);
    }
  }
  return Status();
}

Status FileOfSymbol(const DescriptorPool& pool,
                    const std::set<std::string>& services,
                    const std::string& symbol,
                    ServerReflectionResponse* response) {
  const FileDescriptor* const file = pool.FindFileContainingSymbol(symbol);
  if (file != nullptr) return Files(file, response);
  if (services.contains(symbol)) {
    return Status(NOT_FOUND,
                  absl::StrCat("the server has the service '", symbol,
                               "', and no description of it"));
  }
  return NotFound("symbol", symbol);
}

Status FileOfExtension(const DescriptorPool& pool,
                       const reflection::ExtensionRequest& request,
                       ServerReflectionResponse* response) {
  const Descriptor* const type =
      pool.FindMessageTypeByName(request.containing_type());
  if (type == nullptr) return NotFound("type", request.containing_type());
  const FieldDescriptor* const extension =
      pool.FindExtensionByNumber(type, request.extension_number());
  if (extension == nullptr) {
    return NotFound("extension", absl::StrCat(request.containing_type(), " ",
                                              request.extension_number()));
  }
  return Files(extension->file(), response);
}

Status ExtensionNumbers(const DescriptorPool& pool, const std::string& name,
                        ServerReflectionResponse* response) {
  const Descriptor* const type = pool.FindMessageTypeByName(name);
  if (type == nullptr) return NotFound("type", name);
  std::vector<const FieldDescriptor*> extensions;
  pool.FindAllExtensions(type, &extensions);
  auto* answer = response->mutable_all_extension_numbers_response();
  answer->set_base_type_name(name);
  for (const FieldDescriptor* extension : extensions) {
    answer->add_extension_number(extension->number());
  }
  return Status();
}

Status Answer(const DescriptorPool& pool, const std::set<std::string>& services,
              const ServerReflectionRequest& request,
              ServerReflectionResponse* response) {
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename: {
      const std::string& name = request.file_by_filename();
      const FileDescriptor* const file = pool.FindFileByName(name);
      return file == nullptr ? NotFound("file", name) : Files(file, response);
    }
    case ServerReflectionRequest::kFileContainingSymbol:
      return FileOfSymbol(pool, services, request.file_containing_symbol(),
                          response);
    case ServerReflectionRequest::kFileContainingExtension:
      return FileOfExtension(pool, request.file_containing_extension(),
                             response);
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      return ExtensionNumbers(pool, request.all_extension_numbers_of_type(),
                              response);
    case ServerReflectionRequest::kListServices: {
      auto* answer = response->mutable_list_services_response();
      for (const std::string& name : services) {
        answer->add_service()->set_name(name);
      }
      return Status();
    }
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      break;
  }
  return Status(UNIMPLEMENTED, "the request asks nothing that is known here");
}

}  // namespace

void AnswerReflection(const DescriptorPool& pool,
                      const std::set<std::string>& services,
                      const ServerReflectionRequest& request,
                      ServerReflectionResponse* response) {
  response->Clear();
  response->set_valid_host(request.host());
  *response->mutable_original_request() = request;
  const Status status = Answer(pool, services, request, response);
  if (status.ok()) return;
  response->mutable_error_response()->set_error_code(status.error_code());
  response->mutable_error_response()->set_error_message(status.error_message());
}

}  // namespace nearcall::internal
