// The fine rules of the client's callback API.
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/call/call_test.h"

namespace nearcall::test {
namespace {

class ReactorTest : public CallTest {};

/// Thread-safe.
class Count {
 public:
  void Add() {
    const std::lock_guard<std::mutex> lock(mu_);
    ++count_;
    changed_.notify_all();
  }
  void Await(int least) {
    std::unique_lock<std::mutex> lock(mu_);
    changed_.wait(lock, [&] { return count_ >= least; });
  }
  int get() {
    const std::lock_guard<std::mutex> lock(mu_);
    return count_;
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  int count_ = 0;
};

/// All of its operations are started in the constructor, the call last.
class EagerReactor final : public ClientBidiReactor<Message, Message> {
 public:
  explicit EagerReactor(TestService::Stub* stub) : out_(MakeMessage(10, 4)) {
    stub->async()->Bidi(&context_, this);
    StartRead(&in_);
    StartWriteLast(&out_, WriteOptions());
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    EXPECT_EQ(in_.sequence(), 4);
    reads.Add();
    StartRead(&in_);
  }
  void OnDone(const Status& status) override {
    EXPECT_THAT(status, IsOk());
    done.Add();
  }

  Count reads;
  Count done;

 private:
  ClientContext context_;
  Message in_;
  const Message out_;
};

TEST_P(ReactorTest, OperationsMayComeBeforeTheCall) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  for (int i = 0; i < 20; ++i) {
    EagerReactor reactor(stub.get());
    reactor.done.Await(1);
    EXPECT_EQ(reactor.reads.get(), 1);
    EXPECT_EQ(reactor.done.get(), 1);
  }
}

class HeldReactor final : public ClientReadReactor<Message> {
 public:
  HeldReactor(TestService::Stub* stub, const Plan& plan) {
    stub->async()->ServerStream(&context_, &plan, this);
    AddMultipleHolds(2);
    StartCall();
  }
  void Read() { StartRead(&in_); }
  void OnReadDone(bool ok) override { (ok ? reads : failed_reads).Add(); }
  void OnDone(const Status&) override { done.Add(); }

  Count reads;
  Count failed_reads;
  Count done;

 private:
  ClientContext context_;
  Message in_;
};

TEST_P(ReactorTest, AHoldKeepsTheCallForOperationsFromOutside) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Plan plan;
  plan.set_count(2);
  HeldReactor reactor(stub.get(), plan);
  for (int i = 1; i <= 2; ++i) {
    reactor.Read();
    reactor.reads.Await(i);
  }
  // The call has ended, and still takes operations.
  for (int i = 1; i <= 3; ++i) {
    reactor.Read();
    reactor.failed_reads.Await(i);
    EXPECT_EQ(reactor.done.get(), 0);
  }
  reactor.RemoveHold();
  EXPECT_EQ(reactor.done.get(), 0);
  reactor.RemoveHold();
  reactor.done.Await(1);
}

/// Deletes itself in OnDone, and begins the next of a row there.
class ChainReactor final : public ClientUnaryReactor {
 public:
  ChainReactor(TestService::Stub* stub, int left, Count* ended)
      : stub_(stub), left_(left), ended_(ended) {
    request_ = MakeMessage(20, left);
    stub->async()->Echo(&context_, &request_, &reply_, this);
    StartCall();
  }
  void OnDone(const Status& status) override {
    EXPECT_THAT(status, IsOk());
    EXPECT_EQ(reply_.sequence(), left_);
    if (left_ > 1) new ChainReactor(stub_, left_ - 1, ended_);
    Count* const ended = ended_;
    delete this;
    ended->Add();
  }

 private:
  TestService::Stub* const stub_;
  const int left_;
  Count* const ended_;
  ClientContext context_;
  Message request_;
  Message reply_;
};

TEST_P(ReactorTest, OnDoneMayDeleteTheReactorAndBeginAnother) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Count ended;
  new ChainReactor(stub.get(), 200, &ended);
  ended.Await(200);
}

/// One reactor for call after call.
class ReusedReactor final : public ClientUnaryReactor {
 public:
  explicit ReusedReactor(TestService::Stub* stub) : stub_(stub) { Begin(); }
  void OnDone(const Status& status) override {
    EXPECT_THAT(status, IsOk());
    if (++calls_ < kCalls) {
      Begin();
    } else {
      done.Add();
    }
  }
  static constexpr int kCalls = 50;
  Count done;

 private:
  void Begin() {
    context_ = std::make_unique<ClientContext>();
    stub_->async()->Echo(context_.get(), &request_, &reply_, this);
    StartCall();
  }
  TestService::Stub* const stub_;
  std::unique_ptr<ClientContext> context_;
  const Message request_;
  Message reply_;
  int calls_ = 0;
};

TEST_P(ReactorTest, AReactorMayBeUsedAgain) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  ReusedReactor reactor(stub.get());
  reactor.done.Await(1);
}

TEST_P(ReactorTest, CallbacksThatBlockLetOthersRun) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  // Each callback waits until all are there.
  constexpr int kCalls = 16;
  Count here;
  Count ended;
  struct One {
    ClientContext context;
    Message request;
    Message reply;
  };
  std::vector<std::unique_ptr<One>> calls;
  for (int i = 0; i < kCalls; ++i) {
    One& one = *calls.emplace_back(std::make_unique<One>());
    stub->async()->Echo(
        &one.context, &one.request, &one.reply, [&](const Status& status) {
          EXPECT_THAT(status, IsOk());
          here.Add();
          here.Await(kCalls);
          // And one may call, and wait for the reply.
          ClientContext context;
          Message reply;
          EXPECT_THAT(stub->Echo(&context, Message(), &reply), IsOk());
          ended.Add();
        });
  }
  ended.Await(kCalls);
}

class ThrowingReactor final : public ClientReadReactor<Message> {
 public:
  ThrowingReactor(TestService::Stub* stub, const Plan& plan) {
    stub->async()->ServerStream(&context_, &plan, this);
    StartRead(&in_);
    StartCall();
  }
  void OnReadInitialMetadataDone(bool) override { throw 1; }
  void OnReadDone(bool ok) override {
    if (ok) StartRead(&in_);
    throw std::runtime_error("from a reaction");
  }
  void OnDone(const Status& status) override {
    EXPECT_THAT(status, IsOk());
    done.Add();
    throw 2;
  }
  Count done;

 private:
  ClientContext context_;
  Message in_;
};

TEST_P(ReactorTest, WhatAReactionThrowsIsSwallowed) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  Plan plan;
  plan.set_count(3);
  ThrowingReactor reactor(stub.get(), plan);
  reactor.done.Await(1);
}

TEST_P(ReactorTest, TheStateOfAChannelIsTold) {
  const Served served = Serve();
  const auto channel = DefaultChannel(Target());
  EXPECT_EQ(channel->GetState(false), ConnectivityState::kIdle);
  EXPECT_FALSE(channel->WaitForStateChange(ConnectivityState::kIdle,
                                           In(std::chrono::milliseconds(1))));
  EXPECT_TRUE(channel->WaitForConnected(In(std::chrono::seconds(30))));
  EXPECT_EQ(channel->GetState(false), ConnectivityState::kReady);
  EXPECT_TRUE(channel->WaitForStateChange(ConnectivityState::kIdle,
                                          In(std::chrono::seconds(30))));
}

TEST_P(ReactorTest, TheKernelSaysWhoServes) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(DefaultChannel(Target()));
  ClientContext context;
  Message reply;
  ASSERT_THAT(stub->Echo(&context, Message(), &reply), IsOk());
  const auto who = context.auth_context();
  ASSERT_TRUE(who->IsPeerAuthenticated());
  EXPECT_EQ(who->GetPeerIdentityPropertyName(), "uid");
  EXPECT_THAT(who->GetPeerIdentity(),
              ::testing::ElementsAre(std::to_string(getuid())));
  EXPECT_THAT(who->FindPropertyValues("transport_security_type"),
              ::testing::ElementsAre("local"));
  if (GetParam().tells_pid) {
    EXPECT_THAT(who->FindPropertyValues("pid"),
                ::testing::ElementsAre(std::to_string(served.pid())));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ReactorTest, ::testing::ValuesIn(AllTransports()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);

}  // namespace
}  // namespace nearcall::test
