#include "runtime/json_fields.h"

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "runtime/absl_view.h"
#include "runtime/nearest.h"
#include "runtime/option_fields.h"

namespace nearcall::internal {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Struct;
using google::protobuf::Value;
using google::protobuf::util::JsonStringToMessage;

// protobuf's message is what went wrong, a piece of the text, and a line with a
// '^' under the place.
absl::Status SyntaxError(std::string_view text, std::string_view source,
                         std::string_view message) {
  const size_t first = message.find('\n');
  const size_t last = message.rfind('\n');
  const std::string_view what = message.substr(0, first);
  if (first != last) {
    const std::string_view piece = message.substr(first + 1, last - first - 1);
    // At the end of the text there is nothing left to show.
    const size_t found = piece.empty() ? text.size() : text.find(piece);
    const size_t caret = message.size() - last - 2;
    if (found != text.npos && caret <= piece.size()) {
      const std::string_view before = text.substr(0, found + caret);
      const size_t line = 1 + static_cast<size_t>(std::count(
                                  before.begin(), before.end(), '\n'));
      const size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0.
      return absl::InvalidArgumentError(absl::StrCat(
          AbslView(source), ":", line, ":", before.size() - line_begin + 1,
          ": not valid JSON: ", AbslView(what)));
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat(AbslView(source), ": not valid JSON: ", AbslView(what)));
}

std::string JsonOf(const Message& value) {
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(value, &json).ok()) {
    json = "not printable";
  }
  return json;
}

class Filler {
 public:
  explicit Filler(std::string_view source) : source_(source) {}

  absl::Status Fill(const Struct& object, const std::string& path,
                    Message* into) {
    // In the order of the names, so that messages do not change between runs.
    std::map<std::string, const Value*> values;
    for (const auto& [key, value] : object.fields()) values[key] = &value;
    std::map<const FieldDescriptor*, std::string> seen;
    for (const auto& [key, value] : values) {
      const std::string here = JsonPath(path, key);
      const FieldDescriptor* field = FindField(*into->GetDescriptor(), key);
      if (field == nullptr) return Unknown(*into->GetDescriptor(), key, here);
      const auto [other, added] = seen.emplace(field, key);
      if (!added) {
        return Error(absl::StrCat(here, " is the same as ", other->second));
      }
      absl::Status status = FillField(*field, *value, here, into);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Error(std::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat(AbslView(source_), ": ", AbslView(what)));
  }

  absl::Status Unknown(const google::protobuf::Descriptor& type,
                       std::string_view key, std::string_view here) const {
    std::vector<std::string> names;
    for (int i = 0; i < type.field_count(); ++i) {
      names.push_back(type.field(i)->name());
    }
    return Error(absl::StrCat(AbslView(here), " does not exist",
                              Suggestion(key, names, "known here are")));
  }

  absl::Status Wrong(const FieldDescriptor& field, const Value& value,
                     std::string_view here) const {
    return Error(absl::StrCat(AbslView(here), " is ", JsonOf(value),
                              ": it must be ", ExpectedValue(field)));
  }

  absl::Status FillField(const FieldDescriptor& field, const Value& value,
                         const std::string& here, Message* into) {
    if (value.kind_case() == Value::kNullValue) return absl::OkStatus();
    const google::protobuf::Reflection& set = *into->GetReflection();
    if (field.is_map()) return FillMap(field, value, here, into);
    const bool object = IsObject(field);
    if (object && field.is_repeated()) {
      if (value.kind_case() != Value::kListValue) {
        return Wrong(field, value, here);
      }
      int index = 0;
      for (const Value& element : value.list_value().values()) {
        const std::string place = absl::StrCat(here, "[", index++, "]");
        if (element.kind_case() != Value::kStructValue) {
          return Error(absl::StrCat(place, " is ", JsonOf(element),
                                    ": it must be an object"));
        }
        absl::Status status =
            Fill(element.struct_value(), place, set.AddMessage(into, &field));
        if (!status.ok()) return status;
      }
      return absl::OkStatus();
    }
    if (object) {
      if (value.kind_case() != Value::kStructValue) {
        return Wrong(field, value, here);
      }
      return Fill(value.struct_value(), here, set.MutableMessage(into, &field));
    }
    // One field by protobuf's rules.
    Struct one;
    (*one.mutable_fields())[field.name()] = value;
    const std::unique_ptr<Message> parsed(into->New());
    if (!JsonStringToMessage(JsonOf(one), parsed.get()).ok() ||
        (!field.is_repeated() && !InRange(*parsed, field))) {
      return Wrong(field, value, here);
    }
    into->MergeFrom(*parsed);
    return absl::OkStatus();
  }

  absl::Status FillMap(const FieldDescriptor& field, const Value& value,
                       const std::string& here, Message* into) {
    if (value.kind_case() != Value::kStructValue) {
      return Wrong(field, value, here);
    }
    std::map<std::string, const Value*> entries;
    for (const auto& [key, entry] : value.struct_value().fields()) {
      entries[key] = &entry;
    }
    const FieldDescriptor* key_field = field.message_type()->map_key();
    const FieldDescriptor* value_field = field.message_type()->map_value();
    for (const auto& [key, entry] : entries) {
      Message* added = into->GetReflection()->AddMessage(into, &field);
      added->GetReflection()->SetString(added, key_field, key);
      absl::Status status =
          FillField(*value_field, *entry, JsonPath(here, key), added);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  /// Whether the field's values are objects with fields of ours: protobuf's own
  /// types have forms of their own.
  static bool IsObject(const FieldDescriptor& field) {
    return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
           field.message_type()->file()->package() != "google.protobuf";
  }

  const std::string_view source_;
};

}  // namespace

std::string JsonPath(std::string_view path, std::string_view key) {
  const bool plain =
      !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
        return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' ||
               c == '-';
      });
  if (!plain) {
    return absl::StrCat(AbslView(path), "[\"", AbslView(key), "\"]");
  }
  return absl::StrCat(AbslView(path), path.empty() ? "" : ".", AbslView(key));
}

absl::Status ParseJson(std::string_view text, std::string_view source,
                       Message* into) {
  Value value;
  const google::protobuf::util::Status parsed =
      JsonStringToMessage(std::string(text), &value);
  if (!parsed.ok()) {
    const auto message = parsed.message();
    return SyntaxError(text, source,
                       std::string_view(message.data(), message.size()));
  }
  if (value.kind_case() != Value::kStructValue) {
    return absl::InvalidArgumentError(
        absl::StrCat(AbslView(source), ": the whole must be an object: {...}"));
  }
  return Filler(source).Fill(value.struct_value(), {}, into);
}

}  // namespace nearcall::internal
