#include "runtime/option_fields.h"

#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/message.h"
#include "runtime/absl_view.h"
#include "runtime/nearest.h"

namespace nearcall::internal {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool SchemeHas(const FieldDescriptor& field, std::string_view scheme) {
  const std::string& schemes = field.options().GetExtension(config::schemes);
  for (absl::string_view one : absl::StrSplit(schemes, ' ')) {
    if (one == "*" || one == AbslView(scheme)) return true;
  }
  return false;
}

std::string SuggestOption(std::string_view scheme, std::string_view key) {
  const Descriptor& type = *config::Options::descriptor();
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) {
    if (SchemeHas(*type.field(i), scheme))
      names.push_back(type.field(i)->name());
  }
  return Suggestion(key, names, absl::StrCat(AbslView(scheme), ": has"));
}

absl::Status NotOfScheme(const FieldDescriptor& field, std::string_view scheme,
                         std::string_view where) {
  return absl::InvalidArgumentError(
      absl::StrCat(AbslView(where), " is not an option of ", AbslView(scheme),
                   ": but of ", field.options().GetExtension(config::schemes),
                   SuggestOption(scheme, field.name())));
}

template <typename Number, typename Set>
bool SetNumber(std::string_view text, Set set) {
  Number value;
  if (!absl::SimpleAtoi(AbslView(text), &value)) return false;
  set(value);
  return true;
}

/// False: the text is not of the field's type.
bool SetField(const FieldDescriptor& field, std::string_view text,
              Message* message) {
  const google::protobuf::Reflection& set = *message->GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return SetNumber<uint32_t>(
          text, [&](uint32_t value) { set.SetUInt32(message, &field, value); });
    case FieldDescriptor::CPPTYPE_BOOL:
      if (text != "true" && text != "false") return false;
      set.SetBool(message, &field, text == "true");
      return true;
    case FieldDescriptor::CPPTYPE_STRING:
      set.SetString(message, &field, std::string(text));
      return true;
    default:
      return false;  // The schema has no others; a test looks.
  }
}

}  // namespace

const FieldDescriptor* FindField(const Descriptor& type,
                                 std::string_view name) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    if (field->name() == name || field->json_name() == name) return field;
  }
  return nullptr;
}

std::string ExpectedValue(const FieldDescriptor& field) {
  if (field.is_map()) return "an object";
  if (field.is_repeated()) return "a list";
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32: {
      const uint32_t most = field.options().GetExtension(config::most);
      return absl::StrCat("a whole number from ",
                          field.options().GetExtension(config::least), " to ",
                          most != 0 ? most : UINT32_MAX);
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_STRING:
      return "text";
    case FieldDescriptor::CPPTYPE_FLOAT:
      return "a number";
    case FieldDescriptor::CPPTYPE_ENUM: {
      std::string names = "one of";
      for (int i = 0; i < field.enum_type()->value_count(); ++i) {
        absl::StrAppend(&names, i == 0 ? " " : ", ",
                        field.enum_type()->value(i)->name());
      }
      return names;
    }
    default:
      return field.message_type()->full_name() == "google.protobuf.Duration"
                 ? "a time in seconds, as in \"0.5s\""
                 : "an object";
  }
}

bool InRange(const Message& message, const FieldDescriptor& field) {
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_UINT32) return true;
  const uint32_t most = field.options().GetExtension(config::most);
  const uint32_t value = message.GetReflection()->GetUInt32(message, &field);
  return value >= field.options().GetExtension(config::least) &&
         (most == 0 || value <= most);
}

absl::Status SetOption(std::string_view scheme, std::string_view key,
                       std::string_view value, std::string_view where,
                       config::Options* options) {
  const FieldDescriptor* field = FindField(*config::Options::descriptor(), key);
  if (field == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        AbslView(where), " does not exist", SuggestOption(scheme, key)));
  }
  if (!SchemeHas(*field, scheme)) return NotOfScheme(*field, scheme, where);
  if (value.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        AbslView(where), " has no value; write ", AbslView(key), "=VALUE"));
  }
  if (!SetField(*field, value, options) || !InRange(*options, *field)) {
    return absl::InvalidArgumentError(
        absl::StrCat(AbslView(where), " is '", AbslView(value),
                     "': it must be ", ExpectedValue(*field)));
  }
  return absl::OkStatus();
}

absl::Status SetOptions(std::string_view scheme, std::string_view text,
                        std::string_view where, config::Options* options) {
  absl::flat_hash_set<const FieldDescriptor*> seen;
  for (absl::string_view piece : absl::StrSplit(AbslView(text), '&')) {
    const std::string_view part = StdView(piece);
    const size_t equals = part.find('=');
    const std::string_view key = part.substr(0, equals);
    if (key.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(AbslView(where),
                       ": an option after '?' or '&' has no name; write "
                       "?name=value&name=value"));
    }
    const std::string option =
        absl::StrCat(AbslView(where), ": option '", AbslView(key), "'");
    const FieldDescriptor* field =
        FindField(*config::Options::descriptor(), key);
    if (field != nullptr && !seen.insert(field).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(option, " is given twice"));
    }
    const absl::Status status = SetOption(
        scheme, key,
        equals == part.npos ? std::string_view() : part.substr(equals + 1),
        option, options);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(std::string_view scheme,
                          const config::Options& options,
                          std::string_view where) {
  std::vector<const FieldDescriptor*> set;
  options.GetReflection()->ListFields(options, &set);
  for (const FieldDescriptor* field : set) {
    if (SchemeHas(*field, scheme)) continue;
    return NotOfScheme(*field, scheme,
                       absl::StrCat(AbslView(where), ".", field->name()));
  }
  return absl::OkStatus();
}

config::Options OptionsOf(std::string_view scheme,
                          const config::Options& options) {
  config::Options result = options;
  std::vector<const FieldDescriptor*> set;
  options.GetReflection()->ListFields(options, &set);
  for (const FieldDescriptor* field : set) {
    if (!SchemeHas(*field, scheme)) {
      result.GetReflection()->ClearField(&result, field);
    }
  }
  return result;
}

}  // namespace nearcall::internal
