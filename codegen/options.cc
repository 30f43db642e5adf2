#include "codegen/options.h"

#include <google/protobuf/compiler/code_generator.h>

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace nearcall::codegen {

absl::StatusOr<Options> ParseOptions(const std::string& parameter) {
  Options options;
  const std::map<std::string, bool*> flags = {
      {"generate_mock_code", &options.generate_mock_code},
      {"grpc_compat", &options.grpc_compat},
      {"include_import_headers", &options.include_import_headers},
      {"use_system_headers", &options.use_system_headers},
  };
  std::string additional_header_includes;
  const std::map<std::string, std::string*> texts = {
      {"additional_header_includes", &additional_header_includes},
      {"gmock_search_path", &options.gmock_search_path},
      {"grpc_search_path", &options.grpc_search_path},
      {"message_header_extension", &options.message_header_extension},
      {"services_namespace", &options.services_namespace},
  };

  std::vector<std::pair<std::string, std::string>> pairs;
  google::protobuf::compiler::ParseGeneratorParameter(parameter, &pairs);
  for (const auto& [name, value] : pairs) {
    if (const auto flag = flags.find(name); flag != flags.end()) {
      // A bare name comes as an empty value and switches the option on.
      if (value != "true" && value != "false" && !value.empty()) {
        return absl::InvalidArgumentError(absl::StrCat(
            "option ", name, " is '", value, "': use true or false"));
      }
      *flag->second = value != "false";
    } else if (const auto text = texts.find(name); text != texts.end()) {
      *text->second = value;
    } else {
      const auto key = [](std::string* out, const auto& entry) {
        out->append(entry.first);
      };
      return absl::InvalidArgumentError(absl::StrCat(
          "unknown option '", name, "'; known are ",
          absl::StrJoin(flags, ", ", key), " (each true or false), ",
          absl::StrJoin(texts, ", ", key)));
    }
  }
  options.additional_header_includes =
      absl::StrSplit(additional_header_includes, ':', absl::SkipEmpty());
  return options;
}

}  // namespace nearcall::codegen
