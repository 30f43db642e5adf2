#include "runtime/target.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "runtime/absl_view.h"
#include "runtime/transport.h"

namespace nearcall::internal {
namespace {

using google::protobuf::FieldDescriptor;

std::string KnownSchemes() {
  return absl::StrJoin(Transports(), ", ",
                       [](std::string* out, const Transport& transport) {
                         out->append(transport.scheme);
                       });
}

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = std::exchange(
          row[j + 1], std::min({replaced, row[j] + 1, row[j + 1] + 1}));
    }
  }
  return row.back();
}

bool SchemeHas(const FieldDescriptor& field, std::string_view scheme) {
  const std::string& schemes = field.options().GetExtension(config::schemes);
  for (absl::string_view one : absl::StrSplit(schemes, ' ')) {
    if (one == "*" || one == AbslView(scheme)) return true;
  }
  return false;
}

const FieldDescriptor* FindOption(std::string_view key) {
  const auto& descriptor = *config::Options::descriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor* field = descriptor.field(i);
    if (field->name() == key || field->json_name() == key) return field;
  }
  return nullptr;
}

/// "; did you mean 'x'?", or the whole list when nothing is near.
std::string Suggestion(std::string_view scheme, std::string_view key) {
  const auto& descriptor = *config::Options::descriptor();
  std::vector<std::string> names;
  std::string nearest;
  size_t least = std::max<size_t>(2, key.size() / 3) + 1;
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor* field = descriptor.field(i);
    if (!SchemeHas(*field, scheme)) continue;
    names.push_back(field->name());
    const size_t distance = std::min(EditDistance(key, field->name()),
                                     EditDistance(key, field->json_name()));
    if (distance < least) {
      least = distance;
      nearest = field->name();
    }
  }
  if (!nearest.empty()) return absl::StrCat("; did you mean '", nearest, "'?");
  return absl::StrCat("; ", AbslView(scheme), ": has ",
                      absl::StrJoin(names, ", "));
}

/// Sets the field; false, with what would have been right, when the text is not
/// of its type.
bool SetField(const FieldDescriptor& field, std::string_view text,
              config::Options* options, std::string* expected) {
  const google::protobuf::Reflection& reflection = *options->GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32: {
      uint32_t value;
      *expected = "a whole number from 0 to 4294967295";
      if (!absl::SimpleAtoi(AbslView(text), &value)) return false;
      reflection.SetUInt32(options, &field, value);
      return true;
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      uint64_t value;
      *expected = "a whole number, 0 or more";
      if (!absl::SimpleAtoi(AbslView(text), &value)) return false;
      reflection.SetUInt64(options, &field, value);
      return true;
    }
    case FieldDescriptor::CPPTYPE_INT32: {
      int32_t value;
      *expected = "a whole number";
      if (!absl::SimpleAtoi(AbslView(text), &value)) return false;
      reflection.SetInt32(options, &field, value);
      return true;
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      int64_t value;
      *expected = "a whole number";
      if (!absl::SimpleAtoi(AbslView(text), &value)) return false;
      reflection.SetInt64(options, &field, value);
      return true;
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      double value;
      *expected = "a number";
      if (!absl::SimpleAtod(AbslView(text), &value)) return false;
      reflection.SetDouble(options, &field, value);
      return true;
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      *expected = "true or false";
      if (text != "true" && text != "false") return false;
      reflection.SetBool(options, &field, text == "true");
      return true;
    case FieldDescriptor::CPPTYPE_STRING:
      reflection.SetString(options, &field, std::string(text));
      return true;
    default:
      *expected = "given in the configuration file";
      return false;
  }
}

absl::Status ParseOptions(std::string_view text, Target* target) {
  absl::flat_hash_set<const FieldDescriptor*> seen;
  for (absl::string_view piece : absl::StrSplit(AbslView(text), '&')) {
    const std::string_view part = StdView(piece);
    const size_t equals = part.find('=');
    const std::string_view key = part.substr(0, equals);
    if (key.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("target '", target->uri,
                       "': an option after '?' or '&' has no name; write "
                       "?name=value&name=value"));
    }
    const std::string where = absl::StrCat(
        "target '", target->uri, "\': option \'", AbslView(key), "\'");
    if (const FieldDescriptor* field = FindOption(key);
        field != nullptr && !seen.insert(field).second) {
      return absl::InvalidArgumentError(absl::StrCat(where, " is given twice"));
    }
    const std::string_view value =
        equals == part.npos ? std::string_view() : part.substr(equals + 1);
    if (absl::Status status =
            SetOption(target->scheme, key, value, where, &target->options);
        !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SetOption(std::string_view scheme, std::string_view key,
                       std::string_view value, std::string_view where,
                       config::Options* options) {
  const FieldDescriptor* field = FindOption(key);
  if (field == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        AbslView(where), " does not exist", Suggestion(scheme, key)));
  }
  if (!SchemeHas(*field, scheme)) {
    return absl::InvalidArgumentError(absl::StrCat(
        AbslView(where), " is not one of ", AbslView(scheme),
        ":; it belongs to ", field->options().GetExtension(config::schemes),
        Suggestion(scheme, key)));
  }
  if (value.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        AbslView(where), " has no value; write ", AbslView(key), "=VALUE"));
  }
  std::string expected;
  if (!SetField(*field, value, options, &expected)) {
    return absl::InvalidArgumentError(absl::StrCat(
        AbslView(where), " is '", AbslView(value), "': it must be ", expected));
  }
  return absl::OkStatus();
}

absl::StatusOr<Target> ParseTarget(std::string_view uri) {
  const size_t colon = uri.find(':');
  if (colon == uri.npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "target '", AbslView(uri), "' has no scheme; write SCHEME:",
        AbslView(uri), ", where SCHEME is one of ", KnownSchemes()));
  }
  Target target;
  target.uri = std::string(uri);
  target.scheme = std::string(uri.substr(0, colon));
  if (FindTransport(target.scheme) == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("target '", AbslView(uri), "': unknown scheme '",
                     target.scheme, "'; known are ", KnownSchemes()));
  }
  const std::string_view after = uri.substr(colon + 1);
  const size_t question = after.find('?');
  target.rest = std::string(after.substr(0, question));
  if (question != after.npos) {
    if (absl::Status status = ParseOptions(after.substr(question + 1), &target);
        !status.ok()) {
      return status;
    }
  }
  return target;
}

}  // namespace nearcall::internal
