#include "absl/status/status.h"

#include <nearcall/status.h>

#include "absl/strings/str_cat.h"

namespace nearcall {
namespace {
// Constructed on first use and never destroyed: other objects' destructors may
// use them.
const Status& NeverDestroyed(StatusCode code) { return *new Status(code, ""); }
}  // namespace

const Status& Status::OK = NeverDestroyed(StatusCode::OK);
const Status& Status::CANCELLED = NeverDestroyed(StatusCode::CANCELLED);

std::string StatusCodeName(StatusCode code) {
  if (code >= 0 && code <= UNAUTHENTICATED) {
    return absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
  }
  return absl::StrCat("UNKNOWN(", static_cast<int>(code), ")");
}

const std::string& Status::kNone = *new std::string();

Status::Status(StatusCode code, const std::string& message,
               const std::string& details) {
  if (code == StatusCode::OK && message.empty() && details.empty()) return;
  error_ = std::make_unique<Error>(Error{code, message, details});
}

Status::Status(const absl::Status& status)
    : Status(static_cast<StatusCode>(status.raw_code()),
             std::string(status.message())) {}

std::string Status::ToString() const {
  if (ok()) return "OK";
  return absl::StrCat(StatusCodeName(error_code()), ": ", error_message());
}

absl::Status Status::ToAbsl() const {
  return absl::Status(static_cast<absl::StatusCode>(error_code()),
                      error_message());
}

}  // namespace nearcall
