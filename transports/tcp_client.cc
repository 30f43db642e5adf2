#include "transports/tcp_client.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transports/await_socket.h"
#include "transports/http2_peer.h"
#include "transports/tcp_owner.h"
#include "transports/tcp_token.h"

namespace nearcall::internal {
namespace {

/// What we show the server, and the words for why it is nothing.
struct Shown {
  std::optional<Token> token;
  std::string why_none;
};

absl::StatusOr<Shown> FindToken(const SocketAddress& server,
                                const TcpAuth& auth) {
  Shown shown;
  if (auth.kind == TcpAuth::Kind::kNone) {
    shown.why_none = "this target says auth=none";
    return shown;
  }
  if (auth.kind == TcpAuth::Kind::kFile) {
    const absl::StatusOr<Token> token = ReadSecretFile(auth.token_file);
    if (!token.ok()) return token.status();
    shown.token = *token;
    return shown;
  }
  if (!server.loopback()) {
    shown.why_none =
        "the token of a server is on its machine; give both sides the same "
        "token_file=FILE";
    return shown;
  }
  const absl::StatusOr<std::string> path =
      TokenPath(Side::kClient, server.port());
  if (!path.ok()) return path.status();
  const absl::StatusOr<Token> token = ReadTokenFile(*path);
  if (token.ok()) {
    shown.token = *token;
  } else if (absl::IsNotFound(token.status())) {
    shown.why_none = absl::StrCat(
        *path,
        " does not exist; run both as the same user with the same "
        "NEARCALL_RUNTIME_DIR, or give both token_file=FILE, or the server "
        "auth=none or our uid in allow_uids");
  } else {
    return token.status();
  }
  return shown;
}

// Before a token is shown: it must not go to a stranger who took the port.
absl::Status CheckServer(int fd, const SocketAddress& server,
                         const TcpAuth& auth, PeerIds* ids) {
  if (!server.loopback()) return absl::OkStatus();
  SocketAddress own;
  socklen_t size = SocketAddress::kCapacity;
  if (getsockname(fd, own.data(), &size) != 0) {
    return TcpError("getsockname", errno);
  }
  for (const uid_t uid : ServersOf(own, server)) {
    ids->uid = uid;
    if (absl::Status status =
            CheckPeer(*ids, "server", server.Text(), auth.peers);
        !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status ReceiveAnswer(int fd, const LinkInfo& info, const Shown& shown,
                           Deadline deadline, int interrupt_fd) {
  std::array<std::byte, kTcpAnswerBytes> bytes;
  const Deadline patience = Deadline::AfterMillis(kEstablishTimeoutMillis);
  const std::string where = absl::StrCat("the server at tcp:", info.address);
  for (size_t received = 0; received < bytes.size();) {
    const absl::Status waited = AwaitSocket(
        fd, POLLIN, std::min(deadline, patience), interrupt_fd,
        absl::StrCat(where, " accepted, but did not answer in time"));
    if (absl::IsDeadlineExceeded(waited) && patience < deadline) {
      return absl::UnavailableError(absl::StrCat(
          waited.message(), ": is it stopped, or no nearcall server?"));
    }
    if (!waited.ok()) return waited;
    const ssize_t got = recv(fd, bytes.data() + received,
                             bytes.size() - received, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got <= 0) {
      return absl::UnavailableError(absl::StrCat(
          where,
          " closed the connection: it does not speak nearcall, or has "
          "just ended"));
    }
    received += static_cast<size_t>(got);
    if (IsHttp2Server({bytes.data(), received})) {
      return absl::UnavailableError(PeerSpeaksGrpc(info));
    }
  }
  const absl::StatusOr<TcpAnswer> answer = DecodeTcpAnswer(bytes);
  if (!answer.ok()) {
    return absl::Status(answer.status().code(),
                        absl::StrCat(where, ": ", answer.status().message()));
  }
  switch (answer->code) {
    case TcpCode::kOk:
      return absl::OkStatus();
    case TcpCode::kToken:
      return absl::PermissionDeniedError(absl::StrCat(
          where, shown.token
                     ? " refuses our token: it was started by another user, "
                       "with another NEARCALL_RUNTIME_DIR or another "
                       "token_file"
                     : absl::StrCat(" wants a token: ", shown.why_none)));
    case TcpCode::kVersion:
      return absl::UnavailableError(
          absl::StrCat(where, " speaks version ", answer->version,
                       " of the TCP hello, this process version ", kTcpVersion,
                       ": build both with the same nearcall"));
  }
  return absl::InternalError(absl::StrCat(where,
                                          " refuses with the unknown code ",
                                          static_cast<uint32_t>(answer->code)));
}

}  // namespace

absl::Status TcpError(absl::string_view what, int error) {
  const std::string text = absl::StrCat(what, ": ", strerror(error));
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return absl::ResourceExhaustedError(
          absl::StrCat(text, "; raise the limit of open files (ulimit -n)"));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(text);
    case EAFNOSUPPORT:
      return absl::UnimplementedError(text);
    default:
      return absl::UnavailableError(text);
  }
}

absl::StatusOr<std::unique_ptr<Link>> EstablishTcp(
    Fd fd, const SocketAddress& server, const TcpAuth& auth, FdLinkOptions link,
    Deadline deadline, int interrupt_fd) {
  const absl::StatusOr<Shown> shown = FindToken(server, auth);
  if (!shown.ok()) return shown.status();
  link.info.address = server.Text();
  link.info.peer_name = server.PeerName();
  if (shown->token) {
    if (absl::Status status =
            CheckServer(fd.get(), server, auth, &link.info.peer);
        !status.ok()) {
      return status;
    }
  }
  const auto hello = EncodeTcpHello(shown->token);
  if (send(fd.get(), hello.data(), hello.size(), MSG_DONTWAIT | MSG_NOSIGNAL) !=
      static_cast<ssize_t>(hello.size())) {
    return TcpError(absl::StrCat(server.Text(), ": the server went away"),
                    errno);
  }
  if (absl::Status status =
          ReceiveAnswer(fd.get(), link.info, *shown, deadline, interrupt_fd);
      !status.ok()) {
    return status;
  }
  return MakeSocketLink(std::move(fd), std::move(link));
}

}  // namespace nearcall::internal
