// The outcome of a call: gRPC's codes, a message for humans, and details.
#ifndef NEARCALL_STATUS_H_
#define NEARCALL_STATUS_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"

namespace nearcall {

/// gRPC's codes, with its numbers and meanings
/// (https://grpc.github.io/grpc/core/md_doc_statuscodes.html).
enum StatusCode {
  OK = 0,
  CANCELLED = 1,
  UNKNOWN = 2,
  INVALID_ARGUMENT = 3,
  DEADLINE_EXCEEDED = 4,
  NOT_FOUND = 5,
  ALREADY_EXISTS = 6,
  PERMISSION_DENIED = 7,
  RESOURCE_EXHAUSTED = 8,
  FAILED_PRECONDITION = 9,
  ABORTED = 10,
  OUT_OF_RANGE = 11,
  UNIMPLEMENTED = 12,
  INTERNAL = 13,
  UNAVAILABLE = 14,
  DATA_LOSS = 15,
  UNAUTHENTICATED = 16,
  DO_NOT_USE = -1
};

/// "UNAVAILABLE" and so on; "UNKNOWN(99)" for a number that is no code.
std::string StatusCodeName(StatusCode code);

/// OK costs nothing: it is a null pointer. (gRPC lets an OK status carry a
/// message; that one is not null.)
class [[nodiscard]] Status {
 public:
  /// OK.
  Status() = default;
  Status(StatusCode code, const std::string& message)
      : Status(code, message, std::string()) {}
  /// `details`: a serialized google.rpc.Status, by gRPC's convention; the wire
  /// carries any bytes.
  Status(StatusCode code, const std::string& message,
         const std::string& details);
  /// An absl::Status has the same codes.
  explicit Status(const absl::Status& status);

  Status(const Status& other)
      : error_(other.error_ == nullptr
                   ? nullptr
                   : std::make_unique<Error>(*other.error_)) {}
  Status(Status&&) = default;
  Status& operator=(Status other) noexcept {
    error_.swap(other.error_);
    return *this;
  }
  ~Status() = default;

  static const Status& OK;
  static const Status& CANCELLED;

  StatusCode error_code() const {
    return error_ == nullptr ? StatusCode::OK : error_->code;
  }
  const std::string& error_message() const {
    return error_ == nullptr ? kNone : error_->message;
  }
  const std::string& error_details() const {
    return error_ == nullptr ? kNone : error_->details;
  }
  bool ok() const { return error_code() == StatusCode::OK; }
  /// For calls whose outcome does not matter.
  void IgnoreError() const {}

  /// "UNAVAILABLE: no server at ..."; "OK".
  std::string ToString() const;
  /// The details are lost: absl::Status has no place for them.
  absl::Status ToAbsl() const;

 private:
  struct Error {
    StatusCode code;
    std::string message;
    std::string details;
  };
  static const std::string& kNone;

  std::unique_ptr<Error> error_;
};

}  // namespace nearcall

#endif  // NEARCALL_STATUS_H_
