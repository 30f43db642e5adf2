// What others may do to the names and into the FIFO of a fifo: server, and
// clients that die between any two steps. A bystander is served all the while.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/epoll_waiter.h"
#include "tests/support/child_process.h"
#include "tests/unit/fifo_test.h"
#include "transports/fifo_files.h"
#include "transports/fifo_request.h"

namespace nearcall::internal {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::IsEmpty;

void MakeFile(const std::string& path) { std::ofstream(path) << "precious\n"; }

void MakeSocket(const std::string& path) {
  const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof address.sun_path);
  memcpy(address.sun_path, path.data(), path.size());
  ASSERT_EQ(
      bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
}

/// What can lie where a FIFO of ours should be, besides one.
struct Decoy {
  const char* name;
  void (*make)(const std::string& path);
};
const Decoy kDecoys[] = {
    {"a file", &MakeFile},
    {"a directory",
     [](const std::string& path) { ASSERT_EQ(mkdir(path.c_str(), 0700), 0); }},
    {"a socket", &MakeSocket},
    {"a symbolic link to a file",
     [](const std::string& path) {
       MakeFile(path + "-there");
       ASSERT_EQ(symlink((path + "-there").c_str(), path.c_str()), 0);
     }},
    {"a symbolic link to a FIFO",
     [](const std::string& path) {
       ASSERT_TRUE(MakeFifo(path + "-there").ok());
       ASSERT_EQ(symlink((path + "-there").c_str(), path.c_str()), 0);
     }},
};

class FifoHostileTest : public FifoTest {
 protected:
  void SetUp() override {
    auto listener = Listen();
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
  }

  void WriteRaw(const std::string& bytes) {
    absl::StatusOr<OpenedFifo> fifo = OpenFifo(path(), O_WRONLY);
    ASSERT_TRUE(fifo.ok()) << fifo.status();
    ASSERT_EQ(write(fifo->fd.get(), bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }
  void Ask(const std::string& token, int version = kFifoVersion) {
    WriteRaw(EncodeFifoRequest({version, token}));
  }
  /// A client of good manners, now.
  void ExpectServed(const std::string& after) {
    absl::StatusOr<std::unique_ptr<Link>> client;
    std::thread dialing([&] { client = Dial(); });
    const auto server = Accept(listener_.get());
    dialing.join();
    EXPECT_TRUE(client.ok()) << after << ": " << client.status();
    EXPECT_TRUE(server.ok()) << after << ": " << server.status();
  }

  std::unique_ptr<Listener> listener_;
};

TEST_F(FifoHostileTest, GarbageHurtsNobody) {
  const std::string good =
      EncodeFifoRequest({kFifoVersion, std::string(kFifoTokenBytes, '0')});
  ExpectServed("nothing");
  for (const std::string& garbage :
       {std::string(4096, '\0'), std::string(30'000, '\n'),
        std::string(30'000, 'x'), good.substr(0, 1), good.substr(0, 20),
        good.substr(0, good.size() - 1), good.substr(1), good.substr(20)}) {
    WriteRaw(garbage);
    ExpectServed(garbage.substr(0, 60));
  }
  // A request of nobody: an error about one connection.
  WriteRaw(good);
  EXPECT_EQ(Accept(listener_.get()).status().code(),
            absl::StatusCode::kNotFound);
  ExpectServed("a request of nobody");
}

TEST_F(FifoHostileTest, AServerTakesNoDecoyForAPrivateFifo) {
  for (const Decoy& decoy : kDecoys) {
    for (const bool down : {false, true}) {
      absl::StatusOr<PrivateFifos> fifos = PrivateFifos::Make(path());
      ASSERT_TRUE(fifos.ok()) << fifos.status();
      const FifoPairPaths paths(path(), fifos->token());
      const std::string& swapped = down ? paths.down : paths.up;
      ASSERT_EQ(unlink(swapped.c_str()), 0);
      decoy.make(swapped);
      Ask(fifos->token());
      const auto link = Accept(listener_.get());
      EXPECT_EQ(link.status().code(), absl::StatusCode::kFailedPrecondition)
          << decoy.name << ": " << link.status();
      if (access((swapped + "-there").c_str(), F_OK) == 0) {
        unlink((swapped + "-there").c_str());
      }
      rmdir(swapped.c_str());
      ExpectServed(decoy.name);
    }
  }
  EXPECT_THAT(directory_.List(), ElementsAreArray(Served()));
}

TEST_F(FifoHostileTest, AServerRefusesFifosThatAreNotOneClientsOwn) {
  const auto refused = [this](const std::string& token) {
    Ask(token);
    const auto link = Accept(listener_.get());
    EXPECT_FALSE(link.ok());
    ExpectServed(Text(link.status()));
    return link.status().code();
  };
  {
    absl::StatusOr<PrivateFifos> open = PrivateFifos::Make(path());
    const FifoPairPaths paths(path(), open->token());
    ASSERT_EQ(chmod(paths.up.c_str(), 0666), 0);
    EXPECT_EQ(refused(open->token()), absl::StatusCode::kPermissionDenied);
  }
  {
    // Both directions by one pipe would hide the client's end.
    absl::StatusOr<PrivateFifos> looped = PrivateFifos::Make(path());
    const FifoPairPaths paths(path(), looped->token());
    ASSERT_EQ(unlink(paths.up.c_str()), 0);
    ASSERT_EQ(link(paths.down.c_str(), paths.up.c_str()), 0);
    EXPECT_EQ(refused(looped->token()), absl::StatusCode::kFailedPrecondition);
  }
  {
    absl::StatusOr<PrivateFifos> no_writer = PrivateFifos::Make(path());
    no_writer->up.reset();
    EXPECT_EQ(refused(no_writer->token()), absl::StatusCode::kUnavailable);
  }
  {
    absl::StatusOr<PrivateFifos> no_reader = PrivateFifos::Make(path());
    no_reader->down.reset();
    EXPECT_EQ(refused(no_reader->token()), absl::StatusCode::kUnavailable);
  }
  EXPECT_THAT(directory_.List(), ElementsAreArray(Served()));
}

TEST_F(FifoHostileTest, ARequestIsGoodOnce) {
  absl::StatusOr<PrivateFifos> fifos = PrivateFifos::Make(path());
  ASSERT_TRUE(fifos.ok()) << fifos.status();
  Ask(fifos->token());
  Ask(fifos->token());
  EXPECT_TRUE(Accept(listener_.get()).ok());
  EXPECT_EQ(Accept(listener_.get()).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(FifoHostileTest, AnotherVersionIsToldOurs) {
  absl::StatusOr<PrivateFifos> fifos = PrivateFifos::Make(path());
  ASSERT_TRUE(fifos.ok()) << fifos.status();
  Ask(fifos->token(), kFifoVersion + 1);
  EXPECT_EQ(Accept(listener_.get()).status().code(),
            absl::StatusCode::kUnimplemented);
  char answer[kFifoAnswerBytes];
  ASSERT_EQ(read(fifos->down.get(), answer, sizeof answer),
            static_cast<ssize_t>(sizeof answer));
  EXPECT_EQ(DecodeFifoAnswer({answer, sizeof answer}), kFifoVersion);
}

// The server's part played by hand, to the `answer`.
absl::Status DialAnswered(const std::string& path, const std::string& answer,
                          const std::function<absl::Status()>& dial) {
  // The listener keeps the lock and does not read; we do, beside it.
  const Fd requests(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  absl::Status result;
  std::thread dialing([&] { result = dial(); });
  char bytes[kFifoRequestBytes];
  EXPECT_EQ(read(requests.get(), bytes, sizeof bytes),
            static_cast<ssize_t>(sizeof bytes));
  FifoRequestReader reader;
  const auto request = reader.Add({bytes, sizeof bytes});
  EXPECT_TRUE(request.has_value());
  const FifoPairPaths paths(path, request ? request->token : "");
  absl::StatusOr<OpenedFifo> down = OpenFifo(paths.down, O_WRONLY);
  EXPECT_TRUE(down.ok()) << down.status();
  EXPECT_EQ(write(down->fd.get(), answer.data(), answer.size()),
            static_cast<ssize_t>(answer.size()));
  down->fd.reset();
  dialing.join();
  return result;
}

TEST_F(FifoHostileTest, AClientJudgesTheAnswer) {
  const auto dial = [] { return Dial().status(); };
  const auto answered = [&](const std::string& answer) {
    return DialAnswered(path(), answer, dial);
  };
  EXPECT_EQ(answered("").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(answered("HTTP/1.1 400 Bad").code(), absl::StatusCode::kInternal);
  EXPECT_EQ(answered("near").code(), absl::StatusCode::kInternal);
  const absl::Status version = answered(EncodeFifoAnswer(kFifoVersion + 1));
  EXPECT_EQ(version.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(version.message()), HasSubstr("version 2"));
  EXPECT_THAT(directory_.List(), ElementsAreArray(Served()));
}

TEST_F(FifoHostileTest, AClientTakesNoDecoyForTheServer) {
  for (const Decoy& decoy : kDecoys) {
    ASSERT_EQ(rename(path().c_str(), (path() + "-away").c_str()), 0);
    decoy.make(path());
    const auto link = Dial();
    EXPECT_EQ(link.status().code(), absl::StatusCode::kFailedPrecondition)
        << decoy.name << ": " << link.status();
    EXPECT_THAT(Text(link.status()), HasSubstr(path()));
    ASSERT_EQ(remove(path().c_str()), 0);
    ASSERT_EQ(rename((path() + "-away").c_str(), path().c_str()), 0);
    remove((path() + "-there").c_str());
  }
  ASSERT_EQ(chmod(path().c_str(), 0622), 0);
  EXPECT_EQ(Dial().status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(FifoHostileTest, AServerLeavesADecoyAlone) {
  listener_.reset();
  for (const Decoy& decoy : kDecoys) {
    decoy.make(path());
    EXPECT_EQ(Listen().status().code(), absl::StatusCode::kFailedPrecondition)
        << decoy.name;
    remove((path() + "-there").c_str());
    ASSERT_EQ(remove(path().c_str()), 0) << "it is still there";
  }
  EXPECT_TRUE(Listen().ok());
}

/// Serves echoes until it goes.
class EchoServer {
 public:
  explicit EchoServer(Listener* listener)
      : waiter_(EpollWaiter::Create().value()), listener_(listener) {
    waiter_->Add(listener_, listener_);
    thread_ = std::thread([this] { Run(); });
  }
  ~EchoServer() {
    stop_ = true;
    waiter_->Interrupt();
    thread_.join();
  }

 private:
  void Run() {
    std::map<Link*, std::unique_ptr<Link>> links;
    while (!stop_) {
      void* ready[16];
      const size_t count = waiter_->Wait(Deadline::Never(), ready);
      for (size_t i = 0; i < count; ++i) {
        if (ready[i] != listener_) {
          const auto found = links.find(static_cast<Link*>(ready[i]));
          if (found != links.end() && !Echo(found->first)) links.erase(found);
          continue;
        }
        for (;;) {
          auto link = listener_->Accept();
          if (!link.ok()) continue;
          if (*link == nullptr) break;
          Link* const key = link->get();
          waiter_->Add(key, kReadable, key);
          links[key] = *std::move(link);
          if (!Echo(key)) links.erase(key);
        }
      }
    }
    for (const auto& [key, link] : links) waiter_->Remove(key);
  }
  bool Echo(Link* link) {
    do {
      ReadSpan span;
      while ((span = link->Peek()).io == Io::kOk) {
        const WriteSpan out = link->Reserve(span.size);
        if (out.io == Io::kOk) memcpy(out.data, span.data, span.size);
        link->Commit(out.io == Io::kOk ? span.size : 0);
        link->Release();
        link->Flush();
      }
      if (span.io != Io::kAgain) {
        waiter_->Remove(link);
        return false;
      }
    } while (!link->Arm(kReadable));
    return true;
  }

  const std::unique_ptr<EpollWaiter> waiter_;
  Listener* const listener_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

struct Step {
  std::string call;
  int number;  ///< Of this call in the whole run.
};

/// What a client does from its first look at the name to its end.
std::vector<Step> StepsOfAClient(const std::string& log) {
  std::vector<Step> steps;
  std::map<std::string, int> calls;
  bool begun = false;
  std::ifstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const size_t begin = line.find_first_not_of("0123456789 ");
    const size_t paren = line.find('(');
    if (begin == line.npos || paren == line.npos || paren < begin) continue;
    const std::string call = line.substr(begin, paren - begin);
    if (call.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789") !=
        call.npos) {
      continue;
    }
    const int number = ++calls[call];
    begun |= absl::StrContains(line, "test.fifo");
    if (!begun || call == "exit_group") continue;
    steps.push_back({call, number});
  }
  return steps;
}

/// The client of this log has sent the server its request. A system call that
/// its death cut off has no result there.
bool HasAsked(const std::string& log) {
  std::ifstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    if (absl::StrContains(line, "nearcall fifo 01 ") &&
        !absl::StrContains(line, "= ?") &&
        !absl::StrContains(line, "<unfinished")) {
      return true;
    }
  }
  return false;
}

// Row 1 of the fault matrix: killed at each system call of its handshake.
TEST_F(FifoHostileTest, AClientKilledAtAnyStepLeavesNothing) {
  const std::string log = directory_.File("log");
  const auto client = [&](std::vector<std::string> inject) {
    std::vector<std::string> argv = {"strace", "-f", "-qq", "-s",
                                     "100",    "-o", log};
    argv.insert(argv.end(), inject.begin(), inject.end());
    argv.insert(argv.end(), {NEARCALL_FIFO_CLIENT, kUri});
    return ChildProcess::Exec(argv).Wait();
  };
  std::vector<Step> steps;
  {
    const EchoServer server(listener_.get());
    ASSERT_EQ(client({}), 0);
    steps = StepsOfAClient(log);
    ASSERT_GT(steps.size(), 20u);
    ASSERT_TRUE(HasAsked(log));
    ASSERT_EQ(unlink(log.c_str()), 0);
    size_t left = Served().size();
    size_t killed = 0;
    for (const Step& step : steps) {
      // How often a client waits differs between runs, so a late step may not
      // come at all.
      killed +=
          client({"-e", absl::StrCat("inject=", step.call,
                                     ":signal=KILL:when=", step.number)}) != 0;
      const bool asked = HasAsked(log);
      ASSERT_EQ(unlink(log.c_str()), 0);
      // Requests are in order: whatever it asked has been seen after this.
      EXPECT_TRUE(Dial().ok()) << step.call << " " << step.number;
      const size_t now = directory_.List().size();
      // Two, of one who died before the server could know of it.
      EXPECT_LE(now, left + (asked ? 0 : 2)) << step.call << " " << step.number;
      left = now;
    }
    EXPECT_GT(killed, steps.size() * 3 / 4);
  }
  listener_.reset();
  EXPECT_THAT(directory_.List(), IsEmpty());
}

}  // namespace
}  // namespace nearcall::internal
