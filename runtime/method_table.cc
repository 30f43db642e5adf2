#include "runtime/method_table.h"

#include "absl/strings/str_cat.h"

namespace nearcall::internal {
namespace {

// A host cannot contain a line feed.
std::string Key(std::string_view host, std::string_view path) {
  return absl::StrCat(std::string(host), "\n", std::string(path));
}

}  // namespace

bool MethodTable::Add(std::string_view host, std::string_view path,
                      MethodHandler* handler, const Buffering& buffering) {
  has_hosts_ |= !host.empty();
  auto method = std::make_unique<ServedMethod>();
  method->path = std::string(path);
  method->handler = handler;
  method->buffering = buffering;
  return methods_.try_emplace(Key(host, path), std::move(method)).second;
}

ServedMethod* MethodTable::Find(std::string_view host,
                                std::string_view path) const {
  if (has_hosts_) {
    const auto found = methods_.find(Key(host, path));
    if (found != methods_.end()) return found->second.get();
  }
  const auto found = methods_.find(Key({}, path));
  if (found != methods_.end()) return found->second.get();
  return generic_.handler == nullptr ? nullptr : &generic_;
}

bool MethodTable::HasService(std::string_view path) const {
  const std::string_view service = path.substr(0, path.rfind('/') + 1);
  for (const auto& [key, method] : methods_) {
    if (method->path.starts_with(service)) return true;
  }
  return false;
}

}  // namespace nearcall::internal
