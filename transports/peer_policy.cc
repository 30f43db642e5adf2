#include "transports/peer_policy.h"

#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace nearcall::internal {
namespace {

absl::Status OptionError(const Target& target, absl::string_view option,
                         absl::string_view value, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      "target '", target.uri, "': ", option, " is '", value, "': ", what));
}

absl::StatusOr<gid_t> FindGroup(const Target& target) {
  const std::string& name = target.options.group();
  uint32_t id;
  if (absl::SimpleAtoi(name, &id)) return id;
  std::vector<char> space(1024);
  group entry;
  group* found = nullptr;
  int error;
  while ((error = getgrnam_r(name.c_str(), &entry, space.data(), space.size(),
                             &found)) == ERANGE) {
    space.resize(2 * space.size());
  }
  if (found != nullptr) return found->gr_gid;
  return OptionError(target, "group", name,
                     "there is no such group; write its name or number");
}

bool InGroup(int fd, const PeerIds& peer, gid_t group) {
  if (peer.gid == group) return true;
#ifdef SO_PEERGROUPS
  std::vector<gid_t> groups(64);
  for (;;) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const int result =
        getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
    const size_t count = size / sizeof(gid_t);
    if (result == 0) {
      groups.resize(count);
      return std::find(groups.begin(), groups.end(), group) != groups.end();
    }
    if (errno != ERANGE || count <= groups.size()) return false;
    groups.resize(count);
  }
#else
  return false;
#endif
}

}  // namespace

bool PeerPolicy::Allows(std::optional<uid_t> uid,
                        absl::string_view role) const {
  if (anyone) return true;
  if (!uid) return false;
  return *uid == geteuid() || (*uid == 0 && role == "server") ||
         std::find(uids.begin(), uids.end(), *uid) != uids.end();
}

absl::StatusOr<PeerPolicy> ParsePeerPolicy(const Target& target) {
  PeerPolicy policy;
  const config::Options& options = target.options;
  if (options.has_allow_uids()) {
    for (absl::string_view part : absl::StrSplit(options.allow_uids(), ',')) {
      uint32_t uid;
      if (part == "*") {
        policy.anyone = true;
      } else if (absl::SimpleAtoi(part, &uid)) {
        policy.uids.push_back(uid);
      } else {
        return OptionError(target, "allow_uids", options.allow_uids(),
                           "write user ids with commas between them, or * for "
                           "everybody");
      }
    }
  }
  if (options.has_group()) {
    const absl::StatusOr<gid_t> group = FindGroup(target);
    if (!group.ok()) return group.status();
    policy.group = *group;
  }
  return policy;
}

absl::StatusOr<PeerIds> UnixPeerIds(int fd) {
  ucred credentials;
  socklen_t size = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return absl::InternalError(
        absl::StrCat("getsockopt(SO_PEERCRED): ", strerror(errno)));
  }
  PeerIds peer;
  // The kernel fills in -1 and 0 where it knows nothing.
  if (credentials.uid != static_cast<uid_t>(-1)) peer.uid = credentials.uid;
  if (credentials.gid != static_cast<gid_t>(-1)) peer.gid = credentials.gid;
  if (credentials.pid > 0) peer.pid = credentials.pid;
  return peer;
}

absl::Status CheckPeer(const PeerIds& peer, absl::string_view role,
                       absl::string_view address, const PeerPolicy& policy) {
  if (policy.Allows(peer.uid, role)) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat(
      "the ", role, " at ", address, " runs as ",
      peer.uid ? absl::StrCat("uid ", *peer.uid) : "an unknown uid",
      peer.pid ? absl::StrCat(" (pid ", *peer.pid, ")") : "",
      ", this process as uid ", geteuid(),
      "; run both as the same user, or name the other in allow_uids"));
}

absl::StatusOr<PeerIds> CheckUnixPeer(int fd, absl::string_view role,
                                      absl::string_view address,
                                      const PeerPolicy& policy) {
  absl::StatusOr<PeerIds> peer = UnixPeerIds(fd);
  if (!peer.ok()) return peer;
  if (policy.group && InGroup(fd, *peer, *policy.group)) return peer;
  if (absl::Status status = CheckPeer(*peer, role, address, policy);
      !status.ok()) {
    return status;
  }
  return peer;
}

absl::StatusOr<FileAccess> ParseFileAccess(const Target& target,
                                           const PeerPolicy& policy) {
  FileAccess access;
  access.group = policy.group;
  const bool others =
      policy.anyone ||
      std::any_of(policy.uids.begin(), policy.uids.end(),
                  [](uid_t uid) { return uid != geteuid() && uid != 0; });
  if (policy.group) access.mode = 0660;
  // A mode cannot name users: the check of each peer's uid does.
  if (others) access.mode = 0666;
  if (target.options.has_mode()) {
    const std::string& text = target.options.mode();
    char* end = nullptr;
    const unsigned long mode = strtoul(text.c_str(), &end, 8);
    if (text.find_first_not_of("01234567") != text.npos || mode > 0777 ||
        (mode & 0600) != 0600) {
      return OptionError(target, "mode", text,
                         "write an octal mode that leaves us read and write "
                         "access, such as 0660");
    }
    access.mode = static_cast<mode_t>(mode);
    if ((access.mode & 077) != 0 && !policy.group && !policy.anyone &&
        policy.uids.empty()) {
      return OptionError(target, "mode", text,
                         "others could connect and would still be refused; "
                         "name them in group or allow_uids as well");
    }
  }
  if ((access.mode & 077) != 0 && !absl::StartsWith(target.rest, "/")) {
    return absl::InvalidArgumentError(absl::StrCat(
        "target '", target.uri,
        "': a name for other users cannot be in the runtime directory, which "
        "only this user can enter; write an absolute path, ",
        target.scheme, ":/PATH"));
  }
  return access;
}

}  // namespace nearcall::internal
