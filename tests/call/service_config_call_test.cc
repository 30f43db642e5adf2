// What a channel's service config does to calls.
#include <future>
#include <memory>
#include <string>

#include "tests/call/call_test.h"

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
