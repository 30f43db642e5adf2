#include "transports/tcp_owner.h"

#include <dirent.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace nearcall::internal {
namespace {

// "0100007F:C383": 32-bit words in this machine's order, then the port.
bool ParseAddress(absl::string_view text, std::string* address,
                  uint16_t* port) {
  const size_t colon = text.find(':');
  uint32_t number;
  if (colon == text.npos || colon % 8 != 0 ||
      !absl::SimpleHexAtoi(text.substr(colon + 1), &number)) {
    return false;
  }
  *port = static_cast<uint16_t>(number);
  address->clear();
  for (size_t i = 0; i < colon; i += 8) {
    if (!absl::SimpleHexAtoi(text.substr(i, 8), &number)) return false;
    address->append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  static constexpr char kMapped[] = "\0\0\0\0\0\0\0\0\0\0\xff\xff";
  if (address->compare(0, 12, kMapped, 12) == 0) address->erase(0, 12);
  return address->size() == 4 || address->size() == 16;
}

template <typename Visit>
void ForEachRow(const char* table, Visit visit) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fopen(table, "re"), &fclose);
  std::array<char, 512> line;
  while (file && fgets(line.data(), line.size(), file.get()) != nullptr) {
    if (const auto row = ParseTcpTableRow(line.data())) visit(*row);
  }
}

bool IsAny(const std::string& address) {
  return address.find_first_not_of('\0') == address.npos;
}

// An IPv4 connection can be that of an IPv6 socket, so both tables are read.
template <typename Visit>
void ForEachRow(Visit visit) {
  ForEachRow("/proc/net/tcp", visit);
  ForEachRow("/proc/net/tcp6", visit);
}

pid_t HolderOf(uint64_t inode) {
  using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;
  const std::string wanted = absl::StrCat("socket:[", inode, "]");
  const Directory processes(opendir("/proc"), &closedir);
  while (const dirent* process =
             processes ? readdir(processes.get()) : nullptr) {
    int pid;
    if (!absl::SimpleAtoi(process->d_name, &pid)) continue;
    const std::string path = absl::StrCat("/proc/", pid, "/fd");
    const Directory fds(opendir(path.c_str()), &closedir);
    while (const dirent* fd = fds ? readdir(fds.get()) : nullptr) {
      std::array<char, 64> link;
      const ssize_t size =
          readlinkat(dirfd(fds.get()), fd->d_name, link.data(), link.size());
      if (size > 0 &&
          std::string_view(link.data(), static_cast<size_t>(size)) == wanted) {
        return pid;
      }
    }
  }
  return 0;
}

// The listener that gets a connection to `address`: of that very address, else
// of all addresses.
std::optional<TcpTableRow> FindListener(const SocketAddress& address) {
  const std::string bytes = address.bytes();
  std::optional<TcpTableRow> exact, any;
  ForEachRow([&](const TcpTableRow& row) {
    if (row.state != kTcpListen || row.local_port != address.port()) return;
    if (row.local == bytes) exact = row;
    if (IsAny(row.local) && (!any || row.local.size() == bytes.size())) {
      any = row;
    }
  });
  return exact ? exact : any;
}

}  // namespace

std::optional<TcpTableRow> ParseTcpTableRow(std::string_view line) {
  // sl local rem st tx:rx tr:when retrnsmt uid timeout inode ...
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(line.data(), line.size()),
                     absl::ByAnyChar(" \n"), absl::SkipEmpty());
  TcpTableRow row;
  if (fields.size() < 10 ||
      !ParseAddress(fields[1], &row.local, &row.local_port) ||
      !ParseAddress(fields[2], &row.remote, &row.remote_port) ||
      !absl::SimpleHexAtoi(fields[3], &row.state) ||
      !absl::SimpleAtoi(fields[7], &row.uid) ||
      !absl::SimpleAtoi(fields[9], &row.inode)) {
    return std::nullopt;
  }
  return row;
}

std::vector<uid_t> ServersOf(const SocketAddress& own,
                             const SocketAddress& server) {
  std::vector<uid_t> result;
  if (const auto listener = FindListener(server)) {
    result.push_back(listener->uid);
  }
  if (const auto accepted = ClientOf(own, server)) result.push_back(*accepted);
  return result;
}

// The other side's line has the addresses the other way round.
std::optional<uid_t> ClientOf(const SocketAddress& own,
                              const SocketAddress& client) {
  const std::string local = client.bytes();
  const std::string remote = own.bytes();
  std::optional<uid_t> result;
  ForEachRow([&](const TcpTableRow& row) {
    if (row.state != kTcpListen && row.inode != 0 &&
        row.local_port == client.port() && row.remote_port == own.port() &&
        row.local == local && row.remote == remote) {
      result = row.uid;
    }
  });
  return result;
}

PeerIds ListenerOn(const SocketAddress& address) {
  PeerIds ids;
  const auto listener = FindListener(address);
  if (!listener) return ids;
  ids.uid = listener->uid;
  if (const pid_t pid = HolderOf(listener->inode); pid != 0) ids.pid = pid;
  return ids;
}

}  // namespace nearcall::internal
