// The scheme inproc: two ends in one process. A table of names, and rings in
// private memory that both ends map at the same place.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "runtime/fd.h"
#include "runtime/per_process.h"
#include "runtime/sync.h"
#include "transports/factories.h"
#include "transports/ring_link.h"
#include "transports/ring_options.h"

namespace nearcall::internal {
namespace {

// Links that were dialled and not yet accepted, as a socket's backlog.
constexpr size_t kBacklog = 1024;

// What a listener and those who dial it share.
class Rendezvous {
 public:
  Rendezvous(RingWish wish, Fd arrived)
      : wish_(wish), arrived_(std::move(arrived)) {}

  const RingWish& wish() const { return wish_; }
  bool MadeBeforeFork() const { return generation_ != ForkGeneration(); }
  int arrived_fd() const { return arrived_.get(); }

  /// False: too many are waiting, or the listener has closed.
  bool Push(std::unique_ptr<Link> link) {
    MutexLock lock(&mutex_);
    if (closed_ || waiting_.size() >= kBacklog) return false;
    waiting_.push_back(std::move(link));
    const uint64_t one = 1;
    (void)!write(arrived_.get(), &one, sizeof one);
    return true;
  }
  /// Null: nobody waits.
  std::unique_ptr<Link> Pop() {
    MutexLock lock(&mutex_);
    if (waiting_.empty()) return nullptr;
    std::unique_ptr<Link> link = std::move(waiting_.front());
    waiting_.pop_front();
    uint64_t count;
    if (waiting_.empty()) (void)!read(arrived_.get(), &count, sizeof count);
    return link;
  }
  void Close() {
    std::deque<std::unique_ptr<Link>> dropped;
    MutexLock lock(&mutex_);
    closed_ = true;
    dropped.swap(waiting_);
  }

 private:
  const RingWish wish_;
  const uint32_t generation_ = ForkGeneration();
  const Fd arrived_;  // Readable while links wait.
  Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::unique_ptr<Link>> waiting_ ABSL_GUARDED_BY(mutex_);
};

// The names of this process.
class Names {
 public:
  static Names& Get();

  bool Take(const std::string& name, std::shared_ptr<Rendezvous> rendezvous) {
    MutexLock lock(&mutex_);
    std::shared_ptr<Rendezvous>& entry = names_[name];
    if (entry != nullptr) return false;
    entry = std::move(rendezvous);
    return true;
  }
  std::shared_ptr<Rendezvous> Find(const std::string& name) {
    MutexLock lock(&mutex_);
    const auto found = names_.find(name);
    return found == names_.end() ? nullptr : found->second;
  }
  void GiveBack(const std::string& name, const Rendezvous* rendezvous) {
    MutexLock lock(&mutex_);
    const auto found = names_.find(name);
    if (found != names_.end() && found->second.get() == rendezvous) {
      names_.erase(found);
    }
  }

 private:
  Mutex mutex_;
  absl::flat_hash_map<std::string, std::shared_ptr<Rendezvous>> names_
      ABSL_GUARDED_BY(mutex_);
};

constinit PerProcess<Names> process_names;
Names& Names::Get() { return process_names.Get(); }

struct LinkPair {
  std::unique_ptr<Link> client;
  std::unique_ptr<Link> server;
};

absl::StatusOr<LinkPair> MakePair(const std::string& name,
                                  const RingSizes& sizes) {
  std::array<RingEnds, 2> ends;
  std::array<std::shared_ptr<RingRegion>, 2> regions;
  for (std::shared_ptr<RingRegion>& region : regions) {
    absl::StatusOr<std::shared_ptr<RingRegion>> made =
        RingRegion::MakePrivate(sizes.ring_bytes);
    if (!made.ok()) return made.status();
    region = *std::move(made);
  }
  for (Fd RingEnds::*bell : {&RingEnds::frames_bell, &RingEnds::space_bell}) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "inproc:", name, ": no sockets for the bells of a connection: ",
          strerror(errno), "; raise the limit of open files (ulimit -n)"));
    }
    ends[0].*bell = Fd(fds[0]);
    ends[1].*bell = Fd(fds[1]);
  }
  LinkInfo info;
  info.scheme = "inproc";
  info.address = name;
  info.peer = {geteuid(), getegid(), getpid()};
  info.max_frame = sizes.max_frame;
  for (size_t side = 0; side < ends.size(); ++side) {
    ends[side].own = regions[side];
    ends[side].peer = regions[1 - side];
    ends[side].trusted = true;
  }
  return LinkPair{MakeRingLink(std::move(ends[0]), info),
                  MakeRingLink(std::move(ends[1]), info)};
}

absl::Status CheckName(const Target& target) {
  if (target.rest.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the name in '", target.uri, "' is missing: write inproc:NAME"));
  }
  return absl::OkStatus();
}

class InprocDialer final : public Dialer {
 public:
  InprocDialer(std::string name, RingWish wish)
      : name_(std::move(name)), wish_(wish) {}

  absl::StatusOr<std::unique_ptr<Link>> Dial(Deadline, int) override {
    const std::shared_ptr<Rendezvous> rendezvous = Names::Get().Find(name_);
    if (rendezvous == nullptr) {
      return absl::UnavailableError(
          absl::StrCat("no server listens on inproc:", name_,
                       " in this process (pid ", getpid(),
                       "); start one in it, or use shm: or unix: to reach "
                       "another process"));
    }
    absl::StatusOr<LinkPair> pair =
        MakePair(name_, AgreeOnRing(rendezvous->wish(), wish_));
    if (!pair.ok()) return pair.status();
    if (!rendezvous->Push(std::move(pair->server))) {
      return absl::UnavailableError(absl::StrCat(
          "inproc:", name_,
          ": the server is closing, or accepts no connections: ", kBacklog,
          " may wait"));
    }
    return std::move(pair->client);
  }

 private:
  const std::string name_;
  const RingWish wish_;
};

class InprocListener final : public Listener {
 public:
  InprocListener(std::string name, std::shared_ptr<Rendezvous> rendezvous)
      : name_(std::move(name)),
        address_(absl::StrCat("inproc:", name_)),
        rendezvous_(std::move(rendezvous)) {}
  ~InprocListener() override { Close(); }

  const std::string& address() const override { return address_; }
  Pollable incoming() const override {
    return {rendezvous_->arrived_fd(), EPOLLIN};
  }
  absl::StatusOr<std::unique_ptr<Link>> Accept() override {
    if (rendezvous_->MadeBeforeFork()) return nullptr;
    return rendezvous_->Pop();
  }
  void Close() override {
    if (rendezvous_->MadeBeforeFork()) return;
    Names::Get().GiveBack(name_, rendezvous_.get());
    rendezvous_->Close();
  }

 private:
  const std::string name_;
  const std::string address_;
  const std::shared_ptr<Rendezvous> rendezvous_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Dialer>> MakeInprocDialer(const Target& target) {
  if (absl::Status status = CheckName(target); !status.ok()) return status;
  const absl::StatusOr<RingWish> wish = ParseRingWish(target);
  if (!wish.ok()) return wish.status();
  return std::make_unique<InprocDialer>(target.rest, *wish);
}

absl::StatusOr<std::unique_ptr<Listener>> ListenInproc(const Target& target) {
  if (absl::Status status = CheckName(target); !status.ok()) return status;
  const absl::StatusOr<RingWish> wish = ParseRingWish(target);
  if (!wish.ok()) return wish.status();
  Fd arrived(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!arrived) {
    return absl::ResourceExhaustedError(
        absl::StrCat("inproc:", target.rest, ": eventfd: ", strerror(errno)));
  }
  auto rendezvous = std::make_shared<Rendezvous>(*wish, std::move(arrived));
  if (!Names::Get().Take(target.rest, rendezvous)) {
    return absl::AlreadyExistsError(
        absl::StrCat("inproc:", target.rest,
                     " is held by another server of this process, "
                     "pid ",
                     getpid(), "; stop it or choose another name"));
  }
  return std::make_unique<InprocListener>(target.rest, std::move(rendezvous));
}

}  // namespace nearcall::internal
