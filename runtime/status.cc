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

Status::Status(const absl::Status& status)
    : code_(static_cast<StatusCode>(status.raw_code())),
      message_(status.message()) {}

std::string Status::ToString() const {
  if (ok()) return "OK";
  return absl::StrCat(StatusCodeName(code_), ": ", message_);
}

absl::Status Status::ToAbsl() const {
  return absl::Status(static_cast<absl::StatusCode>(code_), message_);
}

}  // namespace nearcall
