#include "tests/link/kinds.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/epoll_waiter.h"
#include "runtime/transport.h"
#include "tests/support/temp_runtime_dir.h"
#include "transports/fd_link.h"

namespace nearcall::internal {
namespace {

constexpr int64_t kWatchdogMillis = 20'000;
constexpr uint32_t kWhole = std::numeric_limits<uint32_t>::max();

[[noreturn]] void Die(const std::string& what) {
  fprintf(stderr, "making a link: %s\n", what.c_str());
  abort();
}

template <typename T>
T OrDie(absl::StatusOr<T> result) {
  if (!result.ok()) Die(result.status().ToString());
  return *std::move(result);
}

// --- Byte streams made by hand ---

/// Raw descriptors of one end; write -1: read is a socket and both.
struct RawEnd {
  int read = -1;
  int write = -1;
  void Close() const {
    close(read);
    if (write >= 0) close(write);
  }
};
using RawPair = std::pair<RawEnd, RawEnd>;
using MakeRawPair = RawPair (*)();

RawPair SocketPair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    Die("socketpair");
  }
  return {{fds[0], -1}, {fds[1], -1}};
}

RawPair SmallSocketPair() {
  const RawPair pair = SocketPair();
  const int bytes = 1;  // The kernel takes its least, some 4 KiB.
  setsockopt(pair.first.read, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  setsockopt(pair.second.read, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  return pair;
}

RawPair PipePair() {
  int there[2], back[2];
  if (pipe2(there, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0) Die("pipe2");
  return {{back[0], there[1]}, {there[0], back[1]}};
}

RawPair SmallPipePair() {
  const RawPair pair = PipePair();
  fcntl(pair.first.write, F_SETPIPE_SZ, 4096);
  fcntl(pair.second.write, F_SETPIPE_SZ, 4096);
  return pair;
}

RawPair TcpPair() {
  const Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener.get(), generic, size) != 0 ||
      listen(listener.get(), 1) != 0 ||
      getsockname(listener.get(), generic, &size) != 0 ||
      connect(client, generic, size) != 0) {
    Die("a loopback connection");
  }
  const int server = accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
  if (server < 0) Die("accept4");
  return {{client, -1}, {server, -1}};
}

std::unique_ptr<Link> MakeRawLink(RawEnd end, const FdLinkOptions& options) {
  if (end.write < 0) return MakeSocketLink(Fd(end.read), options);
  return OrDie(MakePipeLink(Fd(end.read), Fd(end.write), options));
}

/// With the pidfd of the process at the other end, open as long as the link.
FdLinkOptions WithPidfd(FdLinkOptions options, pid_t pid) {
  const auto pidfd =
      std::make_shared<Fd>(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!*pidfd) Die("pidfd_open");
  options.pidfd = pidfd->get();
  options.how_peer_ended = [pidfd, pid] {
    return absl::StrCat("pid ", pid, ", by its pidfd ", pidfd->get());
  };
  return options;
}

/// `by_pidfd`: an end watches the process of the other one, as a channel
/// watches the child that it started.
LinkKind RawKind(std::string name, MakeRawPair make_raw, uint32_t max_frame,
                 uint32_t max_io = kWhole, int slowness = 1,
                 bool by_pidfd = false) {
  FdLinkOptions options;
  options.info.scheme = "test";
  options.info.address = name;
  options.info.max_frame = max_frame;
  options.max_io = max_io;
  LinkKind kind;
  kind.name = std::move(name);
  kind.slowness = slowness;
  const auto options_for = [options, by_pidfd](pid_t peer) {
    return by_pidfd ? WithPidfd(options, peer) : options;
  };
  kind.make_pair = [make_raw, options_for] {
    const auto [a, b] = make_raw();
    LinkPair pair;
    pair.a = MakeRawLink(a, options_for(getpid()));
    pair.b = MakeRawLink(b, options_for(getpid()));
    return pair;
  };
  kind.make_with_child = [make_raw, options, options_for](ChildBody body) {
    const auto [ours, theirs] = make_raw();
    LinkToChild result;
    result.child = ChildProcess::Fork([&, ours = ours, theirs = theirs] {
      ours.Close();
      body(MakeRawLink(theirs, options));
      return 0;
    });
    theirs.Close();
    result.link = MakeRawLink(ours, options_for(result.child.pid()));
    return result;
  };
  return kind;
}

// --- Registered schemes ---

std::unique_ptr<Link> AcceptOne(Listener* listener) {
  std::unique_ptr<EpollWaiter> epoll;
  Waiter* waiter = listener->waiter();
  if (waiter == nullptr) {
    epoll = OrDie(EpollWaiter::Create());
    waiter = epoll.get();
  }
  waiter->Add(listener, listener);
  const Deadline watchdog = Deadline::AfterMillis(kWatchdogMillis);
  for (;;) {
    std::unique_ptr<Link> link = OrDie(listener->Accept());
    if (link != nullptr) {
      waiter->Remove(listener);
      return link;
    }
    void* ready[1];
    if (waiter->Wait(watchdog, ready) == 0 && watchdog.passed()) {
      Die("nobody came");
    }
  }
}

std::unique_ptr<Link> DialOne(const Target& target) {
  const auto dialer = OrDie(FindTransport(target.scheme)->make_dialer(target));
  return OrDie(dialer->Dial(Deadline::AfterMillis(kWatchdogMillis), -1));
}

/// The name, and the directory it lives in, for as long as the links.
struct Rendezvous {
  TempRuntimeDir directory;
  Target target;
  std::unique_ptr<Listener> listener;

  explicit Rendezvous(const std::string& uri)
      : target(OrDie(ParseTarget(uri))),
        listener(OrDie(FindTransport(target.scheme)->listen(target))) {
    // The address that was chosen, with the options that were given.
    const Target chosen = OrDie(ParseTarget(listener->address()));
    target.rest = chosen.rest;
  }
};

}  // namespace

LinkKind SchemeKind(std::string name, std::string target, int slowness) {
  LinkKind kind;
  kind.name = std::move(name);
  kind.slowness = slowness;
  kind.make_pair = [target] {
    const auto rendezvous = std::make_shared<Rendezvous>(target);
    LinkPair pair;
    pair.keep = rendezvous;
    pair.waiter = rendezvous->listener->waiter();
    std::thread dialing([&] { pair.a = DialOne(rendezvous->target); });
    pair.b = AcceptOne(rendezvous->listener.get());
    dialing.join();
    return pair;
  };
  if (target.rfind("inproc:", 0) == 0) return kind;
  kind.make_with_child = [target](ChildBody body) {
    const auto rendezvous = std::make_shared<Rendezvous>(target);
    LinkToChild result;
    result.keep = rendezvous;
    result.child = ChildProcess::Fork([&] {
      body(DialOne(rendezvous->target));
      return 0;
    });
    result.link = AcceptOne(rendezvous->listener.get());
    return result;
  };
  return kind;
}

// A server's end speaks first, which a client's end of fd: waits for.
void SpeakFirst(Link* link) {
  const WriteSpan span = link->Reserve(1);
  if (span.io != Io::kOk) Die("the first frame");
  *span.data = std::byte{1};
  link->Commit(1);
  if (link->Flush() != Io::kOk) Die("the first flush");
}

std::unique_ptr<Link> DialGiven(int fd) {
  std::unique_ptr<Link> link =
      DialOne(OrDie(ParseTarget(absl::StrCat("fd:", fd))));
  if (link->Peek().io != Io::kOk) Die("no first frame");
  link->Release();
  return link;
}

std::unique_ptr<Link> AcceptGiven(int fd) {
  const Target target = OrDie(ParseTarget(absl::StrCat("fd:", fd)));
  const auto listener = OrDie(FindTransport(target.scheme)->listen(target));
  std::unique_ptr<Link> link = AcceptOne(listener.get());
  SpeakFirst(link.get());
  return link;
}

/// The scheme fd at both ends of a connection.
LinkKind GivenKind(std::string name) {
  LinkKind kind;
  kind.name = std::move(name);
  kind.make_pair = [] {
    const auto [a, b] = SocketPair();
    LinkPair pair;
    pair.b = AcceptGiven(b.read);
    pair.a = DialGiven(a.read);
    return pair;
  };
  kind.make_with_child = [](ChildBody body) {
    const auto [ours, theirs] = SocketPair();
    LinkToChild result;
    result.child = ChildProcess::Fork([&, ours = ours, theirs = theirs] {
      ours.Close();
      body(DialGiven(theirs.read));
      return 0;
    });
    theirs.Close();
    result.link = AcceptGiven(ours.read);
    return result;
  };
  return kind;
}

const std::vector<LinkKind>& LinkKinds() {
  static const auto* const kinds = new std::vector<LinkKind>{
      RawKind("socketpair", &SocketPair, 65536),
      RawKind("pipe", &PipePair, 65536),
      RawKind("pipe_to_process", &PipePair, 65536, kWhole, 1,
              /*by_pidfd=*/true),
      RawKind("tcp_stream", &TcpPair, 65536),
      SchemeKind("unix", "unix:link"),
      SchemeKind("unix_abstract",
                 absl::StrCat("unix-abstract:nearcall-test-", getpid())),
      SchemeKind("fifo", "fifo:link"),
      SchemeKind("tcp", "tcp:127.0.0.1:0"),
      SchemeKind("tcp6", "tcp:[::1]:0"),
      GivenKind("fd"),
      SchemeKind("shm", "shm:link"),
      SchemeKind("shm_smallest", "shm:link?ring_bytes=4096"),
      SchemeKind("sysv", "sysv:link"),
      SchemeKind("inproc", "inproc:link"),
      // Decorated: one byte a system call, the smallest frames, large frames.
      RawKind("socketpair_1byte", &SocketPair, 4096, 1, 50),
      RawKind("pipe_1byte", &PipePair, 4096, 1, 50),
      RawKind("socketpair_tiny", &SmallSocketPair, 256),
      RawKind("pipe_tiny", &SmallPipePair, 256),
      RawKind("socketpair_large", &SmallSocketPair, 1 << 20, 1 << 30, 4),
      SchemeKind("unix_tiny", "unix:link?frame_bytes=256"),
      SchemeKind("sysv_tiny", "sysv:link?frame_bytes=256"),
      SchemeKind("fifo_tiny", "fifo:link?frame_bytes=256&pipe_bytes=4096"),
  };
  return *kinds;
}

}  // namespace nearcall::internal
