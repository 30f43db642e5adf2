#include "bench/child.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern char** environ;

namespace bench {
namespace {

constexpr int kStartMillis = 20'000;

[[noreturn]] void Fail(const char* what, int error) {
  fprintf(stderr, "bench: %s: %s\n", what, strerror(error));
  exit(1);
}

int64_t Nanos(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

Child::Child(const std::string& target) {
  // CLOEXEC: the child gets its ends as 0 and 1 and no other, so that it sees
  // the end of this process.
  int to_child[2];
  int from_child[2];
  if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(from_child, O_CLOEXEC) != 0) {
    Fail("pipe", errno);
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to_child[0], 0);
  posix_spawn_file_actions_adddup2(&actions, from_child[1], 1);
  std::string program = "/proc/self/exe";
  std::string serve = "--serve";
  std::string where = "--target=" + target;
  char* const arguments[] = {program.data(), serve.data(), where.data(),
                             nullptr};
  const int error = posix_spawn(&pid_, program.c_str(), &actions, nullptr,
                                arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(to_child[0]);
  close(from_child[1]);
  if (error != 0) Fail("starting the server", error);
  lifeline_ = to_child[1];
  pollfd ready{from_child[0], POLLIN, 0};
  char byte = 0;
  if (poll(&ready, 1, kStartMillis) != 1 ||
      read(from_child[0], &byte, 1) != 1) {
    fprintf(stderr, "bench: the server for '%s' did not start\n",
            target.c_str());
    exit(1);
  }
  close(from_child[0]);
  clock_getcpuclockid(pid_, &cpu_clock_);
}

Child::~Child() {
  close(lifeline_);
  int status = 0;
  waitpid(pid_, &status, 0);
  if (status != 0) {
    fprintf(stderr, "bench: the server ended with wait status %d\n", status);
  }
}

int64_t Child::CpuNanos() const { return Nanos(cpu_clock_); }

int64_t OnlyChildCpuNanos() {
  FILE* const children = fopen("/proc/thread-self/children", "r");
  int pid = 0;
  const bool found = children != nullptr && fscanf(children, "%d", &pid) == 1;
  if (children != nullptr) fclose(children);
  if (!found) return 0;
  clockid_t cpu_clock;
  clock_getcpuclockid(pid, &cpu_clock);
  return Nanos(cpu_clock);
}

std::string ThisProgram() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  if (size < 0) Fail("/proc/self/exe", errno);
  return std::string(path, static_cast<size_t>(size));
}

void ServeUntilParentLetsGo() {
  char byte = 1;
  if (write(1, &byte, 1) != 1) exit(1);
  while (read(0, &byte, 1) > 0) {
  }
}

int64_t OwnCpuNanos() { return Nanos(CLOCK_PROCESS_CPUTIME_ID); }

}  // namespace bench
