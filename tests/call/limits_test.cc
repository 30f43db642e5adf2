// The limits that a target's options set.
#include <memory>
#include <string>

#include "tests/call/call_test.h"

namespace nearcall::test {
namespace {

class LimitsTest : public CallTest {
 protected:
  static Status Echo(const std::shared_ptr<Channel>& channel, size_t size) {
    ClientContext context;
    Message reply;
    return TestService::NewStub(channel)->Echo(&context, MakeMessage(size),
                                               &reply);
  }
  Served ServeWith(const std::string& options) {
    ServerSettings settings;
    settings.options = options;
    return Serve(settings);
  }
};

TEST_P(LimitsTest, OneClientTooManyIsToldSo) {
  const Served served = ServeWith("?max_connections=2");
  auto first = MakeChannel(Target());
  const auto second = MakeChannel(Target());
  ASSERT_THAT(Echo(first, 8), IsOk());
  ASSERT_THAT(Echo(second, 8), IsOk());
  const auto third = MakeChannel(Target());
  EXPECT_THAT(Echo(third, 8), IsStatus(UNAVAILABLE, "raise max_connections"));
  EXPECT_THAT(Echo(second, 8), IsOk());
  first.reset();
  // The server learns of it when it looks.
  while (!Echo(third, 8).ok()) continue;
}

TEST_P(LimitsTest, TheServersReceiveLimit) {
  const Served served = ServeWith("?max_receive_bytes=1000");
  const auto channel = MakeChannel(Target());
  EXPECT_THAT(Echo(channel, 2000),
              IsStatus(RESOURCE_EXHAUSTED, "Received message larger than max"));
  EXPECT_THAT(Echo(channel, 500), IsOk());
}

TEST_P(LimitsTest, TheServersSendLimit) {
  const Served served = ServeWith("?max_send_bytes=1000");
  const auto channel = MakeChannel(Target());
  EXPECT_THAT(Echo(channel, 2000),
              IsStatus(RESOURCE_EXHAUSTED, "Sent message larger than max"));
  EXPECT_THAT(Echo(channel, 500), IsOk());
}

TEST_P(LimitsTest, TheClientsOwn) {
  const Served served = Serve();
  const auto receive = MakeChannel(Target() + "?max_receive_bytes=1000");
  EXPECT_THAT(Echo(receive, 2000),
              IsStatus(RESOURCE_EXHAUSTED, "Received message larger than max"));
  EXPECT_THAT(Echo(receive, 500), IsOk());
  const auto send = MakeChannel(Target() + "?max_send_bytes=1000");
  EXPECT_THAT(Echo(send, 2000),
              IsStatus(RESOURCE_EXHAUSTED, "Sent message larger than max"));
  EXPECT_THAT(Echo(send, 500), IsOk());
}

INSTANTIATE_TEST_SUITE_P(
    Transports, LimitsTest, ::testing::ValuesIn(TransportsThatShareAServer()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);

}  // namespace
}  // namespace nearcall::test
