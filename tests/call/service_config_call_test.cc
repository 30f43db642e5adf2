// What a channel's service config does to calls.
#include <future>
#include <memory>
#include <string>

#include "tests/call/pending_call.h"

namespace nearcall::test {
namespace {

class ServiceConfigTest : public CallTest {
 protected:
  std::shared_ptr<Channel> Configured(const std::string& method_config) const {
    ChannelArguments arguments;
    arguments.SetServiceConfigJSON(
        R"({"methodConfig": [{"name": [{"service": ")" +
        std::string(TestService::service_full_name()) + R"("}], )" +
        method_config + "}]}");
    return CreateCustomChannel(Target(), InsecureChannelCredentials(),
                               arguments);
  }
  static Status Echo(const std::shared_ptr<Channel>& channel, size_t size) {
    ClientContext context;
    Message reply;
    return TestService::NewStub(channel)->Echo(&context, MakeMessage(size),
                                               &reply);
  }
};

TEST_P(ServiceConfigTest, TheSoonerDeadlineCounts) {
  const Served served = Serve();
  Plan plan;
  plan.set_gate("never");
  plan.set_wait(true);
  Message reply;
  {
    const auto stub = TestService::NewStub(Configured(R"("timeout": "0.05s")"));
    ClientContext context;
    context.set_deadline(In(std::chrono::hours(1)));
    EXPECT_THAT(stub->Block(&context, plan, &reply),
                IsStatus(DEADLINE_EXCEEDED, ""));
  }
  {
    const auto stub = TestService::NewStub(Configured(R"("timeout": "3600s")"));
    ClientContext context;
    context.set_deadline(In(std::chrono::milliseconds(50)));
    EXPECT_THAT(stub->Block(&context, plan, &reply),
                IsStatus(DEADLINE_EXCEEDED, ""));
  }
  EXPECT_THAT(Echo(Configured(R"("timeout": "0s")"), 8),
              IsStatus(DEADLINE_EXCEEDED, ""));
}

TEST_P(ServiceConfigTest, TheSmallerLimitCounts) {
  const Served served = Serve();
  const auto request = Configured(R"("maxRequestMessageBytes": 1000)");
  EXPECT_THAT(Echo(request, 2000),
              IsStatus(RESOURCE_EXHAUSTED, "Sent message larger than max"));
  EXPECT_THAT(Echo(request, 500), IsOk());
  const auto response = Configured(R"("maxResponseMessageBytes": 1000)");
  EXPECT_THAT(Echo(response, 2000),
              IsStatus(RESOURCE_EXHAUSTED, "Received message larger than max"));
  EXPECT_THAT(Echo(response, 500), IsOk());
}

TEST_P(ServiceConfigTest, AMistakeEndsEachCall) {
  const Served served = Serve();
  EXPECT_THAT(Echo(Configured(R"("timeout": 7)"), 8),
              IsStatus(INVALID_ARGUMENT, "service config"));
}

constexpr char kRetries[] = R"("retryPolicy": {
    "maxAttempts": 4, "initialBackoff": "0.001s", "maxBackoff": "0.002s",
    "backoffMultiplier": 2, "retryableStatusCodes": ["ABORTED"]})";

Plan Failing(StatusCode code, int fails = 0) {
  Plan plan;
  plan.set_gate("attempts");
  plan.set_code(code);
  plan.set_message("on purpose");
  plan.set_fails(fails);
  return plan;
}

TEST_P(ServiceConfigTest, ACallIsTriedAgain) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(Configured(kRetries));
  for (const Surface surface : kAllSurfaces) {
    PendingCall call(surface);
    call.context.AddMetadata("kept", "yes");
    call.StartFail(stub.get(), Failing(ABORTED, 3));
    EXPECT_THAT(call.Await(), IsOk());
  }
  EXPECT_EQ(Gatekeeper(served).AwaitEntered("attempts", 12).entered(), 12);
}

TEST_P(ServiceConfigTest, NotMoreOftenThanItSays) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(Configured(kRetries));
  for (const Surface surface : kAllSurfaces) {
    PendingCall call(surface);
    call.StartFail(stub.get(), Failing(ABORTED));
    EXPECT_THAT(call.Await(), IsStatus(ABORTED, "on purpose"));
  }
  EXPECT_EQ(Gatekeeper(served).AwaitEntered("attempts", 12).entered(), 12);
}

TEST_P(ServiceConfigTest, WhatIsNotTriedAgain) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(Configured(kRetries));
  Message reply;
  {  // Another code.
    ClientContext context;
    EXPECT_THAT(stub->Fail(&context, Failing(UNAVAILABLE, 1), &reply),
                IsStatus(UNAVAILABLE, "on purpose"));
  }
  {  // The server has answered with metadata.
    ClientContext context;
    Plan plan = Failing(ABORTED, 1);
    Entry* entry = plan.add_initial_metadata();
    entry->set_key("answer");
    entry->set_value("given");
    EXPECT_THAT(stub->Fail(&context, plan, &reply), IsStatus(ABORTED, ""));
  }
  {  // The server asks not to.
    ClientContext context;
    Plan plan = Failing(ABORTED, 1);
    Entry* entry = plan.add_trailing_metadata();
    entry->set_key("grpc-retry-pushback-ms");
    entry->set_value("-1");
    EXPECT_THAT(stub->Fail(&context, plan, &reply), IsStatus(ABORTED, ""));
  }
  EXPECT_EQ(Gatekeeper(served).AwaitEntered("attempts", 3).entered(), 3);
}

TEST_P(ServiceConfigTest, ACancelEndsTheWaitForTheNextTry) {
  const Served served = Serve();
  const auto stub = TestService::NewStub(Configured(R"("retryPolicy": {
      "maxAttempts": 2, "initialBackoff": "3600s", "maxBackoff": "3600s",
      "backoffMultiplier": 1, "retryableStatusCodes": ["ABORTED"]})"));
  int64_t ended = 0;
  for (const Surface surface : kAllSurfaces) {
    PendingCall call(surface);
    call.StartFail(stub.get(), Failing(ABORTED));
    Gatekeeper(served).AwaitEnded("attempts", ++ended);
    call.context.TryCancel();
    EXPECT_THAT(call.Await(), IsStatus(CANCELLED, ""));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Transports, ServiceConfigTest,
    ::testing::ValuesIn(TransportsThatShareAServer()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);

class WaitForReadyByConfigTest : public ServiceConfigTest {};

TEST_P(WaitForReadyByConfigTest, WaitsWhereTheContextDoesNotSay) {
  const auto channel = Configured(R"("waitForReady": true)");
  {
    ClientContext context;
    context.set_wait_for_ready(false);
    Message reply;
    EXPECT_THAT(
        TestService::NewStub(channel)->Echo(&context, MakeMessage(8), &reply),
        IsStatus(UNAVAILABLE, ""));
  }
  std::future<Status> waiting =
      std::async(std::launch::async, [&channel] { return Echo(channel, 8); });
  const Served served = Serve();
  EXPECT_THAT(waiting.get(), IsOk());
}

INSTANTIATE_TEST_SUITE_P(
    Transports, WaitForReadyByConfigTest,
    ::testing::ValuesIn(TransportsToStandingServers()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);

}  // namespace
}  // namespace nearcall::test
