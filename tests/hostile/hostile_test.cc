#include "tests/hostile/hostile_test.h"

#include <cstring>

namespace nearcall::test {

using internal::Deadline;
using internal::Io;
using internal::Link;
using internal::ReceiveFrame;
using internal::wire::Header;
using internal::wire::Type;

Bystander::Bystander(const std::string& target) {
  thread_ = std::thread([this, target] {
    const auto stub = TestService::NewStub(DefaultChannel(target));
    while (!stop_.load()) {
      ClientContext context;
      // A hostile peer may not slow others down either.
      context.set_deadline(In(std::chrono::seconds(10)));
      Message reply;
      const Status status = stub->Echo(&context, MakeMessage(64), &reply);
      if (!status.ok()) {
        errors_.fetch_add(1);
        ADD_FAILURE() << "the bystander: " << status.ToString();
      }
      calls_.fetch_add(1);
    }
  });
}

Bystander::~Bystander() {
  stop_.store(true);
  thread_.join();
}

struct HostileTest::Shared {
  internal::TempRuntimeDir directory;
  internal::ChildProcess server;
  std::unique_ptr<Control::Stub> control;
  std::unique_ptr<Bystander> bystander;
  int64_t descriptors = 0;

  ProcessState Process() const {
    ClientContext context;
    context.set_deadline(In(std::chrono::seconds(20)));
    ProcessState reply;
    EXPECT_THAT(control->Process(&context, ProcessState(), &reply), IsOk());
    return reply;
  }
};

HostileTest::Shared* HostileTest::shared_ = nullptr;

std::string HostileTest::Path(const std::string& scheme) {
  return shared_->directory.File(scheme);
}

void HostileTest::SetUpTestSuite() {
  shared_ = new Shared();
  ServerSettings settings;
  settings.targets = {Target("unix"), Target("shm")};
  std::string line;
  shared_->server = ExecUntilReady(ServerCommand(settings), &line);
  ASSERT_EQ(line.rfind("ready ", 0), 0u) << "the server did not start";
  shared_->control = Control::NewStub(DefaultChannel(Target("unix")));
  shared_->bystander = std::make_unique<Bystander>(Target("shm"));
  while (shared_->bystander->calls() == 0) std::this_thread::yield();
  for (const std::string scheme : {"unix", "shm"}) {
    ExpectAlive(DialHonestly(scheme).get());
  }
  // Our two links are gone when the figure stays.
  int64_t last = -1;
  while (shared_->descriptors != last) {
    last = shared_->descriptors;
    shared_->descriptors = shared_->Process().descriptors();
  }
}

void HostileTest::TearDownTestSuite() {
  shared_->bystander.reset();
  shared_->control.reset();
  shared_->server.Kill();
  delete shared_;
  shared_ = nullptr;
}

void HostileTest::ExpectUnharmed() {
  const Deadline watchdog = Deadline::AfterMillis(20'000);
  ProcessState state = shared_->Process();
  // Descriptors are given back by the server's threads soon after the end.
  while (state.descriptors() > shared_->descriptors && !watchdog.passed()) {
    state = shared_->Process();
  }
  EXPECT_LE(state.descriptors(), shared_->descriptors);
  EXPECT_EQ(state.pid(), shared_->server.pid());
  const int64_t calls = shared_->bystander->calls();
  while (shared_->bystander->calls() == calls && !watchdog.passed()) {
    std::this_thread::yield();
  }
  EXPECT_GT(shared_->bystander->calls(), calls);
  EXPECT_EQ(shared_->bystander->errors(), 0);
}

std::unique_ptr<Link> HostileTest::Dial(const std::string& scheme) {
  const auto target = internal::ParseTarget(Target(scheme));
  EXPECT_TRUE(target.ok()) << target.status();
  const auto dialer = internal::FindTransport(scheme)->make_dialer(*target);
  EXPECT_TRUE(dialer.ok()) << dialer.status();
  auto link = (*dialer)->Dial(internal::Watchdog(), -1);
  EXPECT_TRUE(link.ok()) << link.status();
  return *std::move(link);
}

std::unique_ptr<Link> HostileTest::DialHonestly(const std::string& scheme) {
  std::unique_ptr<Link> link = Dial(scheme);
  EXPECT_EQ(internal::SendFrame(link.get(), RawHelloFrame().substr(4)),
            Io::kOk);
  EXPECT_EQ(ReceiveFrame(link.get()).io, Io::kOk);
  return link;
}

void ExpectClosed(Link* link) {
  Io io;
  do {
    io = ReceiveFrame(link).io;
  } while (io == Io::kOk);
  EXPECT_TRUE(internal::Ended(io)) << "the link is open still";
}

void ExpectAlive(Link* link) {
  const std::string ping = RawFrame(Type::kPing, 0, 0, 4711).substr(4);
  EXPECT_EQ(internal::SendFrame(link, ping), Io::kOk);
  for (;;) {
    const internal::Received received = ReceiveFrame(link);
    ASSERT_EQ(received.io, Io::kOk) << link->reason();
    if (received.frame == RawFrame(Type::kPong, 0, 0, 4711).substr(4)) return;
  }
}

int CodeOfCall(Link* link) {
  for (;;) {
    const internal::Received received = ReceiveFrame(link);
    if (received.io != Io::kOk || received.frame.size() < Header::kSize) {
      return -1;
    }
    const Header header =
        Header::Read(reinterpret_cast<const uint8_t*>(received.frame.data()));
    if (header.call == 1 &&
        (header.type == Type::kStatus || header.type == Type::kReset)) {
      return header.code;
    }
  }
}

}  // namespace nearcall::test
