// The schemes unix: (a file) and unix-abstract: (a name of Linux's own).
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "transports/factories.h"
#include "transports/fd_link.h"
#include "transports/name_watch.h"
#include "transports/options.h"
#include "transports/socket_listener.h"
#include "transports/unix_socket.h"

namespace nearcall::internal {
namespace {

struct UnixTarget {
  UnixAddress address;
  FdLinkOptions link;
};

absl::StatusOr<UnixAddress> ParseAddress(const Target& target, Side side) {
  UnixAddress address;
  absl::string_view rest = target.rest;
  if (target.scheme == "unix-abstract") {
    if (rest.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the name in '", target.uri, "' is missing: write ",
                       target.scheme, ":NAME"));
    }
    address.abstract = true;
    address.path = std::string(rest);
  } else {
    if (absl::ConsumePrefix(&rest, "//") && !absl::StartsWith(rest, "/")) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", target.uri,
                       "' names a host; a Unix socket is on this machine: "
                       "write unix:///PATH, unix:/PATH or unix:NAME"));
    }
    absl::StatusOr<std::string> path = ResolveName(side, "unix", rest, "");
    if (!path.ok()) return path.status();
    address.path = *std::move(path);
  }
  if (absl::Status status = CheckSocketPath(address.path); !status.ok()) {
    return status;
  }
  if (absl::Status status = ParseUnixAccess(target, &address); !status.ok()) {
    return status;
  }
  return address;
}

absl::StatusOr<UnixTarget> Parse(const Target& target, Side side) {
  const absl::StatusOr<uint32_t> frame_bytes = FrameBytes(target);
  if (!frame_bytes.ok()) return frame_bytes.status();
  absl::StatusOr<UnixAddress> address = ParseAddress(target, side);
  if (!address.ok()) return address.status();
  UnixTarget result;
  result.link.info.scheme = target.scheme;
  result.link.info.address = address->path;
  result.link.info.max_frame = *frame_bytes;
  result.address = *std::move(address);
  return result;
}

std::unique_ptr<Link> MakeLink(ConnectedSocket socket, FdLinkOptions options) {
  options.info.peer = socket.peer;
  return MakeSocketLink(std::move(socket.fd), std::move(options));
}

class UnixDialer final : public Dialer {
 public:
  explicit UnixDialer(UnixTarget target)
      : target_(std::move(target)), watch_(target_.address.path) {}

  absl::StatusOr<std::unique_ptr<Link>> Dial(Deadline deadline,
                                             int interrupt_fd) override {
    absl::StatusOr<ConnectedSocket> socket =
        ConnectUnix(target_.address, deadline, interrupt_fd);
    if (!socket.ok()) return socket.status();
    watch_.Stop();
    return MakeLink(*std::move(socket), target_.link);
  }
  bool WaitForServer(Deadline until, int interrupt_fd) override {
    return target_.address.abstract ? Dialer::WaitForServer(until, interrupt_fd)
                                    : watch_.Wait(until, interrupt_fd);
  }

 private:
  const UnixTarget target_;
  NameWatch watch_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Dialer>> MakeUnixDialer(const Target& target) {
  absl::StatusOr<UnixTarget> parsed = Parse(target, Side::kClient);
  if (!parsed.ok()) return parsed.status();
  return std::make_unique<UnixDialer>(*std::move(parsed));
}

absl::StatusOr<std::unique_ptr<Listener>> ListenUnix(const Target& target) {
  absl::StatusOr<UnixTarget> parsed = Parse(target, Side::kServer);
  if (!parsed.ok()) return parsed.status();
  absl::StatusOr<std::unique_ptr<ConnectionSource>> source =
      UnixListenSocket::Listen(parsed->address);
  if (!source.ok()) return source.status();
  SocketListener::Options options;
  options.address = absl::StrCat(target.scheme, ":", parsed->address.path);
  options.make_link = [link = parsed->link](ConnectedSocket socket,
                                            std::span<const std::byte>) {
    return MakeLink(std::move(socket), link);
  };
  return SocketListener::Create(*std::move(source), std::move(options));
}

}  // namespace nearcall::internal
