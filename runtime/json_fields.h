// JSON into a message, field by field, so that a mistake has a place: a syntax
// error its line and column, an unknown key or a wrong type its path. The
// values themselves are read by protobuf's own JSON parser, in the proto3
// mapping.
#ifndef NEARCALL_RUNTIME_JSON_FIELDS_H_
#define NEARCALL_RUNTIME_JSON_FIELDS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace nearcall::internal {

/// `source` names the text in messages: a file. INVALID_ARGUMENT:
/// "SOURCE:LINE:COLUMN: ..." or "SOURCE: PATH ...".
absl::Status ParseJson(std::string_view text, std::string_view source,
                       google::protobuf::Message* into);

/// How a path goes on with `key`: ".key", or "[\"key\"]" where a dot would not
/// be read as one.
std::string JsonPath(std::string_view path, std::string_view key);

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_JSON_FIELDS_H_
