#include "tests/support/leak_audit.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>
#include <vector>

namespace nearcall::internal {
namespace {

// How long the kernel and other threads may take to let go. Far beyond what
// they do take.
constexpr std::chrono::seconds kPatience{10};

std::vector<std::string> Entries(const std::string& path) {
  std::vector<std::string> names;
  DIR* const directory = opendir(path.c_str());
  if (directory == nullptr) return names;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') names.push_back(entry->d_name);
  }
  closedir(directory);
  return names;
}

// "socket:[4711]" and the like without the number, which differs each time.
std::string KindOf(const std::string& link) {
  return link.substr(0, link.find(":["));
}

std::multiset<std::string> Descriptors(const std::string& proc) {
  std::multiset<std::string> result;
  for (const std::string& name : Entries(proc + "/fd")) {
    char target[4096];
    const ssize_t size =
        readlink((proc + "/fd/" + name).c_str(), target, sizeof target);
    if (size <= 0) continue;
    const std::string link(target, static_cast<size_t>(size));
    // The listing's own.
    if (link.starts_with("/proc/") && link.ends_with("/fd")) continue;
    result.insert(KindOf(link));
  }
  return result;
}

std::multiset<std::string> Threads(const std::string& proc) {
  std::multiset<std::string> result;
  for (const std::string& name : Entries(proc + "/task")) {
    std::string text;
    std::getline(std::ifstream(proc + "/task/" + name + "/comm"), text);
    result.insert(text);
  }
  return result;
}

// The state letter and the parent of a process; false: there is none.
bool StatusOf(pid_t pid, char* state, pid_t* parent) {
  std::string text;
  std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/stat"), text);
  // The second field is a name in parentheses that may contain anything.
  const size_t name_end = text.rfind(')');
  if (name_end == text.npos) return false;
  return static_cast<bool>(std::istringstream(text.substr(name_end + 1)) >>
                           *state >> *parent);
}

// A live process that is neither this one nor started by it.
bool IsStranger(pid_t pid) {
  char state;
  pid_t parent;
  if (pid <= 0 || !StatusOf(pid, &state, &parent) || state == 'Z') return false;
  while (pid != getpid()) {
    if (pid <= 1 || !StatusOf(pid, &state, &parent)) return true;
    pid = parent;
  }
  return false;
}

struct SysVTable {
  const char* kind;
  size_t owner;               ///< The column of the uid.
  std::vector<size_t> users;  ///< Those of pids that used it last.
};

// But for what other programs are using: tests of the machine run beside each
// other, and some for longer than the audit's patience.
void AddSysV(const SysVTable& description, std::set<std::string>* machine) {
  const std::string kind = description.kind;
  std::ifstream table("/proc/sysvipc/" + kind);
  std::string line;
  std::getline(table, line);  // The heading.
  while (std::getline(table, line)) {
    std::istringstream text(line);
    const std::vector<std::string> columns{
        std::istream_iterator<std::string>(text), {}};
    if (columns.size() <= description.owner) continue;
    if (columns[description.owner] != std::to_string(geteuid())) continue;
    const bool strange = std::any_of(
        description.users.begin(), description.users.end(),
        [&](size_t user) { return IsStranger(std::stoi(columns[user])); });
    if (!strange) machine->insert(kind + " " + columns[1]);
  }
}

std::set<std::string> Machine() {
  std::set<std::string> result;
  for (const std::string& name : Entries("/dev/shm")) {
    result.insert("/dev/shm/" + name);
  }
  AddSysV({"msg", 7, {5, 6}}, &result);
  AddSysV({"shm", 7, {4, 5}}, &result);
  AddSysV({"sem", 4, {}}, &result);
  if (const char* directory = getenv("NEARCALL_RUNTIME_DIR")) {
    for (const std::string& name : Entries(directory)) {
      result.insert(std::string(directory) + "/" + name);
    }
  }
  return result;
}

template <typename Set>
Set Beyond(const Set& now, const Set& before) {
  Set more;
  std::set_difference(now.begin(), now.end(), before.begin(), before.end(),
                      std::inserter(more, more.end()));
  return more;
}

template <typename Set>
std::string List(const Set& names) {
  std::string text;
  for (const std::string& name : names) text += "\n  " + name;
  return text;
}

}  // namespace

Holdings Holdings::Of(pid_t pid) {
  const std::string proc = "/proc/" + std::to_string(pid);
  return {Descriptors(proc), Threads(proc), Machine()};
}

LeakAudit::LeakAudit(pid_t pid)
    : pid_(pid == 0 ? getpid() : pid), before_(Now()) {}

Holdings LeakAudit::Now() const { return Holdings::Of(pid_); }

void LeakAudit::Check(int more_threads) const {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  const size_t most =
      before_.threads.size() + static_cast<size_t>(more_threads);
  // Other tests of the machine come and go: what was there at every look is
  // left behind.
  std::set<std::string> machine = Beyond(Now().machine, before_.machine);
  for (;;) {
    const Holdings now = Now();
    const auto descriptors = Beyond(now.descriptors, before_.descriptors);
    std::erase_if(machine, [&now](const std::string& name) {
      return !now.machine.contains(name);
    });
    const bool threads = now.threads.size() > most;
    if (descriptors.empty() && machine.empty() && !threads) return;
    if (std::chrono::steady_clock::now() > until) {
      if (!descriptors.empty()) {
        ADD_FAILURE() << "descriptors of process " << pid_
                      << " left open:" << List(descriptors);
      }
      if (!machine.empty()) ADD_FAILURE() << "left behind:" << List(machine);
      if (threads) {
        ADD_FAILURE() << now.threads.size() << " threads in process " << pid_
                      << ", of which " << most << " are expected:"
                      << List(Beyond(now.threads, before_.threads));
      }
      return;
    }
    // Nobody tells of a thread's or a descriptor's end: looked at again.
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace nearcall::internal
