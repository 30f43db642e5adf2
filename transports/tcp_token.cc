#include "transports/tcp_token.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/base/internal/endian.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "runtime/fd.h"

namespace nearcall::internal {
namespace {

using absl::little_endian::Load32;
using absl::little_endian::Store32;

constexpr char kHelloMagic[] = "NCTK";
constexpr char kAnswerMagic[] = "NCTA";
constexpr char kTokenPrefix[] = "tcp-";
constexpr char kTokenSuffix[] = ".token";

absl::Status FileError(const std::string& path, absl::string_view call) {
  const std::string text =
      absl::StrCat(path, ": ", call, ": ", strerror(errno));
  switch (errno) {
    case ENOENT:
      return absl::NotFoundError(text);
    case EMFILE:
    case ENFILE:
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(text);
    case EACCES:
    case EPERM:
    case ELOOP:
      return absl::PermissionDeniedError(text);
    default:
      return absl::FailedPreconditionError(text);
  }
}

struct Secret {
  struct stat info;
  std::string content;
};

absl::StatusOr<Secret> ReadFile(const std::string& path) {
  // Never a FIFO that nobody writes.
  const Fd fd(
      open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return FileError(path, "open");
  Secret result;
  if (fstat(fd.get(), &result.info) != 0) return FileError(path, "fstat");
  if (!S_ISREG(result.info.st_mode)) {
    return absl::PermissionDeniedError(absl::StrCat(path, " is not a file"));
  }
  std::array<char, 4 * kTokenBytes> bytes;
  const ssize_t size = read(fd.get(), bytes.data(), bytes.size());
  if (size < 0) return FileError(path, "read");
  result.content.assign(bytes.data(), static_cast<size_t>(size));
  return result;
}

Token ToToken(const std::string& bytes) {
  Token token;
  memcpy(token.data(), bytes.data(), token.size());
  return token;
}

}  // namespace

std::array<std::byte, kTcpHelloBytes> EncodeTcpHello(
    const std::optional<Token>& token) {
  std::array<std::byte, kTcpHelloBytes> bytes{};
  memcpy(bytes.data(), kHelloMagic, 4);
  Store32(bytes.data() + 4, kTcpVersion);
  if (token) std::copy(token->begin(), token->end(), bytes.begin() + 8);
  return bytes;
}

std::array<std::byte, kTcpAnswerBytes> EncodeTcpAnswer(TcpCode code) {
  std::array<std::byte, kTcpAnswerBytes> bytes{};
  memcpy(bytes.data(), kAnswerMagic, 4);
  Store32(bytes.data() + 4, kTcpVersion);
  Store32(bytes.data() + 8, static_cast<uint32_t>(code));
  return bytes;
}

absl::StatusOr<TcpHello> DecodeTcpHello(std::span<const std::byte> bytes) {
  if (bytes.size() < kTcpHelloBytes ||
      memcmp(bytes.data(), kHelloMagic, 4) != 0) {
    return absl::InternalError("the client does not speak nearcall over TCP");
  }
  TcpHello hello;
  hello.version = Load32(bytes.data() + 4);
  std::copy_n(bytes.begin() + 8, hello.token.size(), hello.token.begin());
  return hello;
}

absl::StatusOr<TcpAnswer> DecodeTcpAnswer(
    std::span<const std::byte, kTcpAnswerBytes> bytes) {
  if (memcmp(bytes.data(), kAnswerMagic, 4) != 0) {
    return absl::InternalError("it does not speak nearcall over TCP");
  }
  return TcpAnswer{Load32(bytes.data() + 4),
                   static_cast<TcpCode>(Load32(bytes.data() + 8))};
}

bool SameToken(const Token& a, const Token& b) {
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= std::to_integer<unsigned>(a[i] ^ b[i]);
    // Keeps the compiler from leaving the loop early.
    asm volatile("" : "+r"(difference));
  }
  return difference == 0;
}

absl::StatusOr<std::string> TokenPath(Side side, uint16_t port) {
  return ResolveName(side, "tcp", absl::StrCat(kTokenPrefix, port),
                     kTokenSuffix);
}

absl::StatusOr<Token> MakeTokenFile(const std::string& path) {
  Token token;
  if (getrandom(token.data(), token.size(), 0) !=
      static_cast<ssize_t>(token.size())) {
    return absl::ResourceExhaustedError(
        absl::StrCat("getrandom: ", strerror(errno)));
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return FileError(path, "unlink");
  }
  const Fd fd(open(path.c_str(),
                   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return FileError(path, "open");
  if (write(fd.get(), token.data(), token.size()) !=
      static_cast<ssize_t>(token.size())) {
    return FileError(path, "write");
  }
  return token;
}

absl::Status RemoveStaleToken(const std::string& path,
                              std::vector<std::string>* removed) {
  absl::string_view name = path;
  name.remove_prefix(name.rfind('/') + 1);
  uint32_t port;
  struct stat info;
  if (!absl::ConsumePrefix(&name, kTokenPrefix) ||
      !absl::ConsumeSuffix(&name, kTokenSuffix) ||
      !absl::SimpleAtoi(name, &port) || lstat(path.c_str(), &info) != 0 ||
      !S_ISREG(info.st_mode)) {
    return absl::OkStatus();
  }
  if (unlink(path.c_str()) != 0) return FileError(path, "unlink");
  removed->push_back(path);
  return absl::OkStatus();
}

absl::StatusOr<Token> ReadTokenFile(const std::string& path) {
  const absl::StatusOr<Secret> file = ReadFile(path);
  if (!file.ok()) return file.status();
  if ((file->info.st_uid != geteuid() && file->info.st_uid != 0) ||
      (file->info.st_mode & 077) != 0 || file->content.size() != kTokenBytes) {
    return absl::PermissionDeniedError(absl::StrCat(
        path,
        " is not a token that a server of ours has written; remove it "
        "and start the server again"));
  }
  return ToToken(file->content);
}

absl::StatusOr<Token> ReadSecretFile(const std::string& path) {
  absl::StatusOr<Secret> file = ReadFile(path);
  if (absl::IsNotFound(file.status())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "token_file: ", file.status().message(),
        "; make it once: (umask 077; head -c 32 /dev/urandom > FILE)"));
  }
  if (!file.ok()) return file.status();
  if ((file->info.st_mode & 027) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        "token_file ", path, " has mode ",
        absl::StrFormat("%04o", file->info.st_mode & 07777),
        ": everybody can read it, or its group can write it; run: chmod 600"));
  }
  if (file->content.size() == kTokenBytes) return ToToken(file->content);
  const absl::string_view digits =
      absl::StripTrailingAsciiWhitespace(file->content);
  if (digits.size() == 2 * kTokenBytes &&
      std::all_of(digits.begin(), digits.end(), [](char c) {
        return absl::ascii_isxdigit(static_cast<unsigned char>(c));
      })) {
    return ToToken(absl::HexStringToBytes(digits));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "token_file ", path, " must have 32 bytes or 64 hexadecimal digits"));
}

}  // namespace nearcall::internal
