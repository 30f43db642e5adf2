#include "runtime/config.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/util/json_util.h"
#include "runtime/absl_view.h"
#include "runtime/fd.h"
#include "runtime/json_fields.h"
#include "runtime/nearest.h"
#include "runtime/option_fields.h"
#include "runtime/service_config.h"
#include "runtime/target_spelling.h"
#include "runtime/transport.h"

namespace nearcall::internal {
namespace {

constexpr char kOverrides[] = "NEARCALL_TARGETS";

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const auto error = [&path](int number) {
    const std::string text = absl::StrCat("cannot read the configuration ",
                                          path, ": ", strerror(number));
    if (number == ENOENT) return absl::NotFoundError(text);
    if (number == EACCES) return absl::PermissionDeniedError(text);
    return absl::InvalidArgumentError(text);
  };
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return error(errno);
  std::string text;
  char piece[4096];
  for (;;) {
    const ssize_t got = read(file.get(), piece, sizeof piece);
    if (got == 0) return text;
    if (got > 0) {
      text.append(piece, static_cast<size_t>(got));
    } else if (errno != EINTR) {
      return error(errno);
    }
  }
}

/// The part before '?', and what is behind it.
std::pair<std::string_view, std::string_view> SplitOptions(
    std::string_view target) {
  const size_t question = target.find('?');
  if (question == target.npos) return {target, {}};
  return {target.substr(0, question), target.substr(question + 1)};
}

std::string ServiceConfigOf(const config::Entry& entry) {
  std::string json;
  if (entry.has_service_config() &&
      !google::protobuf::util::MessageToJsonString(entry.service_config(),
                                                   &json)
           .ok()) {
    json = "not printable";
  }
  return json;
}

absl::Status At(std::string_view where, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(AbslView(where), ": ", status.message()));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Configuration>> Configuration::Load(
    const std::string& path, std::string_view overrides) {
  auto result = std::make_shared<Configuration>();
  result->path_ = path;
  result->has_overrides_ = !overrides.empty();
  Entries entries;
  absl::Status status = result->TakeFile(&entries);
  if (status.ok()) status = result->TakeOverrides(overrides, &entries);
  if (status.ok()) status = result->Follow(entries);
  if (!status.ok()) return status;
  return std::shared_ptr<const Configuration>(std::move(result));
}

// --- What is written where ---

absl::Status Configuration::Add(Entry entry, Entries* entries) {
  if (entry.name.empty() || HasScheme(entry.name)) {
    return absl::InvalidArgumentError(absl::StrCat(
        entry.where, ": '", entry.name,
        "' cannot be a logical name: a target with a scheme stands for itself; "
        "use a name without one, or HOST:PORT"));
  }
  if (absl::StrContains(entry.name, '?')) {
    return absl::InvalidArgumentError(
        absl::StrCat(entry.where,
                     ": a logical name has no '?'; options belong to its "
                     "target"));
  }
  if (entry.uri.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(entry.where,
                     " has no target; write SCHEME:..., where "
                     "SCHEME is one of ",
                     KnownSchemes()));
  }
  const std::string key = ConfigurationName(entry.name);
  const auto [other, added] = entries->try_emplace(key, std::move(entry));
  if (added) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(entry.where, " is the same name as ", other->second.where));
}

absl::Status Configuration::TakeFile(Entries* entries) {
  if (path_.empty()) return absl::OkStatus();
  const absl::StatusOr<std::string> text = ReadFile(path_);
  if (!text.ok()) return text.status();
  absl::Status status = ParseJson(*text, path_, &file_);
  // In the order of the names, so that messages do not change between runs.
  const std::map<std::string, config::Entry> sorted(file_.targets().begin(),
                                                    file_.targets().end());
  for (const auto& [name, value] : sorted) {
    if (!status.ok()) break;
    status = Add({name, absl::StrCat(path_, ": ", JsonPath("targets", name)),
                  value.uri(), value.options(), ServiceConfigOf(value)},
                 entries);
  }
  return status;
}

absl::Status Configuration::TakeOverrides(std::string_view overrides,
                                          Entries* entries) {
  Entries taken;
  for (absl::string_view piece : absl::StrSplit(AbslView(overrides), ';')) {
    const absl::string_view entry = absl::StripAsciiWhitespace(piece);
    if (entry.empty()) continue;
    const size_t equals = entry.find('=');
    if (equals == entry.npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(kOverrides, ": '", entry,
                       "' is not NAME=TARGET; write NAME=TARGET;NAME=TARGET"));
    }
    const std::string name(entry.substr(0, equals));
    absl::Status status = Add({name,
                               absl::StrCat(kOverrides, ": ", name),
                               std::string(entry.substr(equals + 1)),
                               config::Options(),
                               {}},
                              &taken);
    if (!status.ok()) return status;
  }
  // The whole entry: its options would be another transport's.
  for (auto& [key, entry] : taken) (*entries)[key] = std::move(entry);
  return absl::OkStatus();
}

// --- What it stands for ---

absl::Status Configuration::Follow(const Entries& entries) {
  for (const auto& [key, entry] : entries) {
    std::vector<std::string> chain;
    absl::StatusOr<Target> target = FollowOne(entries, entry, &chain);
    if (!target.ok()) return target.status();
    targets_[key] = *std::move(target);
  }
  return absl::OkStatus();
}

absl::StatusOr<Target> Configuration::FollowOne(
    const Entries& entries, const Entry& entry,
    std::vector<std::string>* chain) const {
  const bool circle =
      std::find(chain->begin(), chain->end(), entry.name) != chain->end();
  chain->push_back(entry.name);
  if (circle) {
    return absl::InvalidArgumentError(absl::StrCat(
        entry.where, " leads in a circle: ", absl::StrJoin(*chain, " -> "),
        "; one of them must be SCHEME:..."));
  }
  Target target;
  const auto [name, text] = SplitOptions(entry.uri);
  const auto next = HasScheme(entry.uri)
                        ? entries.end()
                        : entries.find(ConfigurationName(name));
  if (next != entries.end()) {
    absl::StatusOr<Target> found = FollowOne(entries, next->second, chain);
    if (!found.ok()) return found.status();
    target = *std::move(found);
    target.options.MergeFrom(entry.options);
    if (text.data() != nullptr) {
      absl::Status status =
          SetOptions(target.scheme, text, entry.where, &target.options);
      if (!status.ok()) return status;
    }
  } else {
    absl::StatusOr<Target> parsed = ParseTarget(entry.uri);
    if (!parsed.ok()) {
      if (HasScheme(entry.uri)) return At(entry.where, parsed.status());
      std::vector<std::string> known;
      for (const auto& [key, other] : entries) known.push_back(other.name);
      return At(entry.where, UnknownName(name, known));
    }
    target = *std::move(parsed);
    config::Options options = entry.options;
    options.MergeFrom(target.options);
    target.options = std::move(options);
  }
  absl::Status status = CheckOptions(target.scheme, entry.options,
                                     absl::StrCat(entry.where, ".options"));
  if (!status.ok()) return status;
  if (!entry.service_config.empty()) {
    target.service_config = entry.service_config;
    target.service_config_source = entry.where;
    const auto parsed =
        ServiceConfig::Parse(target.service_config, entry.where);
    if (!parsed.ok()) return parsed.status();
  }
  return target;
}

absl::Status Configuration::UnknownName(
    std::string_view name, const std::vector<std::string>& known) const {
  std::string text =
      absl::StrCat("target '", AbslView(name),
                   "' has no known scheme and is no name of the configuration");
  const size_t colon = name.find(':');
  std::string nearest;
  if (colon != name.npos) {
    std::vector<std::string> schemes;
    for (const Transport& transport : Transports()) {
      schemes.emplace_back(transport.scheme);
    }
    nearest = NearestName(name.substr(0, colon), schemes);
    if (!nearest.empty()) {
      nearest = absl::StrCat(nearest, AbslView(name.substr(colon)));
    }
  }
  if (nearest.empty()) nearest = NearestName(name, known);
  if (!nearest.empty()) {
    absl::StrAppend(&text, "; did you mean '", nearest, "'?");
  } else if (!known.empty()) {
    absl::StrAppend(&text, ", whose names are ", absl::StrJoin(known, ", "));
  }
  absl::StrAppend(
      &text, nearest.empty() ? ". Schemes: " : " Schemes: ", KnownSchemes(),
      ". Configuration: ",
      path_.empty() ? "no file (NEARCALL_CONFIG is not set, LoadConfig was not "
                      "called)"
                    : path_,
      has_overrides_ ? " and NEARCALL_TARGETS" : ", NEARCALL_TARGETS not set");
  return absl::InvalidArgumentError(text);
}

absl::StatusOr<Target> Configuration::Resolve(std::string_view written) const {
  Target target;
  const auto [name, text] = SplitOptions(written);
  const auto found = HasScheme(written)
                         ? targets_.end()
                         : targets_.find(ConfigurationName(name));
  if (found != targets_.end()) {
    target = found->second;
    target.written = std::string(name);
    if (text.data() != nullptr) {
      absl::Status status = SetOptions(
          target.scheme, text, absl::StrCat("target '", AbslView(written), "'"),
          &target.options);
      if (!status.ok()) return status;
    }
  } else {
    absl::StatusOr<Target> parsed = ParseTarget(written);
    if (!parsed.ok()) {
      if (HasScheme(written)) return parsed.status();
      const absl::StatusOr<std::optional<HostPort>> address =
          ParseGrpcSpelling(name);
      if (!address.ok() || address->has_value()) return parsed.status();
      std::vector<std::string> known;
      for (const auto& [key, other] : targets_) known.push_back(key);
      return UnknownName(name, known);
    }
    target = *std::move(parsed);
  }
  config::Options options = OptionsOf(target.scheme, file_.defaults());
  options.MergeFrom(target.options);
  target.options = std::move(options);
  return target;
}

}  // namespace nearcall::internal
