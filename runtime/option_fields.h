// The options of a target as fields of config::Options: one list, one set of
// rules, for the configuration file and for ?key=value alike.
#ifndef NEARCALL_RUNTIME_OPTION_FIELDS_H_
#define NEARCALL_RUNTIME_OPTION_FIELDS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/descriptor.h"
#include "nearcall/config.pb.h"

namespace nearcall::internal {

/// The field that a user calls `name`: as the schema writes it, or in
/// lowerCamel as JSON does. Null: there is none.
const google::protobuf::FieldDescriptor* FindField(
    const google::protobuf::Descriptor& type, std::string_view name);

/// "a whole number from 4096 to 67108864": what a value of the field must be.
std::string ExpectedValue(const google::protobuf::FieldDescriptor& field);

/// Whether the number in the field is within the range that the schema names.
bool InRange(const google::protobuf::Message& message,
             const google::protobuf::FieldDescriptor& field);

/// Sets one option from text. INVALID_ARGUMENT, beginning with `where`: no such
/// option, or `scheme` does not have it (and the nearest one that it has); no
/// value, a wrong one.
absl::Status SetOption(std::string_view scheme, std::string_view key,
                       std::string_view value, std::string_view where,
                       config::Options* options);

/// key=value&key=value. `where` is how messages name the whole.
absl::Status SetOptions(std::string_view scheme, std::string_view text,
                        std::string_view where, config::Options* options);

/// INVALID_ARGUMENT names, behind `where` and a '.', the first option set that
/// `scheme` does not have.
absl::Status CheckOptions(std::string_view scheme,
                          const config::Options& options,
                          std::string_view where);

/// Less the options that `scheme` does not have.
config::Options OptionsOf(std::string_view scheme,
                          const config::Options& options);

}  // namespace nearcall::internal

#endif  // NEARCALL_RUNTIME_OPTION_FIELDS_H_
