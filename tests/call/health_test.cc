// grpc.health.v1.Health as the library answers it, by gRPC's own description.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "grpc/health/v1/health.nearcall.pb.h"
#include "tests/call/call_test.h"

namespace nearcall::test {
namespace {

using ::grpc::health::v1::Health;
using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;

HealthCheckRequest Named(const std::string& service) {
  HealthCheckRequest request;
  request.set_service(service);
  return request;
}

struct Watch {
  Watch(Health::Stub* stub, const std::string& service)
      : reader(stub->Watch(&context, Named(service))) {}
  /// The next status told; UNKNOWN, which no server tells: the end.
  HealthCheckResponse::ServingStatus Next() {
    HealthCheckResponse response;
    return reader->Read(&response) ? response.status()
                                   : HealthCheckResponse::UNKNOWN;
  }

  ClientContext context;
  const std::unique_ptr<ClientReader<HealthCheckResponse>> reader;
};

class HealthTest : public CallTest {
 protected:
  static constexpr auto kServing = HealthCheckResponse::SERVING;
  static constexpr auto kNotServing = HealthCheckResponse::NOT_SERVING;
  static constexpr auto kServiceUnknown = HealthCheckResponse::SERVICE_UNKNOWN;

  static ServerSettings WithHealth() {
    ServerSettings settings;
    settings.health = true;
    return settings;
  }
  void Start(ServerSettings settings = WithHealth()) {
    served_ = Serve(std::move(settings));
    channel_ = MakeChannel(Target());
    health_ = Health::NewStub(channel_);
  }

  Status Check(const std::string& service, HealthCheckResponse* response) {
    ClientContext context;
    return health_->Check(&context, Named(service), response);
  }
  HealthCheckResponse::ServingStatus Check(const std::string& service) {
    HealthCheckResponse response;
    EXPECT_THAT(Check(service, &response), IsOk());
    return response.status();
  }

  Status Operate(const ServingState& state) {
    ClientContext context;
    ServingState reply;
    return Operator::NewStub(channel_)->SetServing(&context, state, &reply);
  }
  void Set(const std::string& service, bool serving) {
    ServingState state;
    state.set_service(service);
    state.set_serving(serving);
    EXPECT_THAT(Operate(state), IsOk());
  }
  void SetAll(bool serving) {
    ServingState state;
    state.set_all(true);
    state.set_serving(serving);
    EXPECT_THAT(Operate(state), IsOk());
  }
  void ShutDownHealth() {
    ServingState state;
    state.set_shutdown(true);
    EXPECT_THAT(Operate(state), IsOk());
  }
  int64_t Threads() {
    ClientContext context;
    ProcessState reply;
    EXPECT_THAT(Control::NewStub(channel_)->Process(&context, {}, &reply),
                IsOk());
    return reply.threads();
  }

  Served served_;
  std::shared_ptr<Channel> channel_;
  std::unique_ptr<Health::Stub> health_;
};

TEST_P(HealthTest, TheServerServesAndOtherNamesAreUnknown) {
  Start();
  EXPECT_EQ(Check(""), kServing);
  HealthCheckResponse response;
  EXPECT_THAT(Check("nobody", &response),
              IsStatus(NOT_FOUND, "service name unknown"));
}

TEST_P(HealthTest, EachNameHasItsStatus) {
  Start();
  Set("one", true);
  Set("two", false);
  EXPECT_EQ(Check("one"), kServing);
  EXPECT_EQ(Check("two"), kNotServing);
  Set("one", false);
  Set("two", true);
  EXPECT_EQ(Check("one"), kNotServing);
  EXPECT_EQ(Check("two"), kServing);
  SetAll(false);
  for (const char* name : {"", "one", "two"}) {
    EXPECT_EQ(Check(name), kNotServing) << name;
  }
  SetAll(true);
  for (const char* name : {"", "one", "two"}) {
    EXPECT_EQ(Check(name), kServing) << name;
  }
}

TEST_P(HealthTest, AfterTheShutdownNothingServes) {
  Start();
  Set("one", true);
  Watch watch(health_.get(), "one");
  EXPECT_EQ(watch.Next(), kServing);
  ShutDownHealth();
  EXPECT_EQ(watch.Next(), kNotServing);
  Set("one", true);
  SetAll(true);
  Set("new", true);
  for (const char* name : {"", "one", "new"}) {
    EXPECT_EQ(Check(name), kNotServing) << name;
  }
}

TEST_P(HealthTest, AWatchIsToldOfEachChangeInOrder) {
  Start();
  Watch watch(health_.get(), "");
  EXPECT_EQ(watch.Next(), kServing);
  for (int i = 0; i < 3; ++i) {
    Set("", true);  // No change.
    Set("", false);
    EXPECT_EQ(watch.Next(), kNotServing);
    SetAll(false);
    SetAll(true);
    EXPECT_EQ(watch.Next(), kServing);
  }
}

TEST_P(HealthTest, AWatchOfAnUnknownNameWaitsForIt) {
  Start();
  Watch watch(health_.get(), "later");
  EXPECT_EQ(watch.Next(), kServiceUnknown);
  // It is watched, and still not known.
  SetAll(true);
  HealthCheckResponse response;
  EXPECT_THAT(Check("later", &response), IsStatus(NOT_FOUND, ""));
  Set("later", true);
  EXPECT_EQ(watch.Next(), kServing);
  EXPECT_EQ(Check("later"), kServing);
}

TEST_P(HealthTest, AWatchEndsWithItsClient) {
  Start();
  Watch other(health_.get(), "one");
  EXPECT_EQ(other.Next(), kServiceUnknown);
  {
    Watch watch(health_.get(), "one");
    EXPECT_EQ(watch.Next(), kServiceUnknown);
    watch.context.TryCancel();
    EXPECT_THAT(watch.reader->Finish(), IsStatus(CANCELLED, ""));
  }
  Set("one", true);
  EXPECT_EQ(other.Next(), kServing);
}

TEST_P(HealthTest, WatchesHoldNoThread) {
  Start();
  EXPECT_EQ(Check(""), kServing);
  const int64_t before = Threads();
  std::vector<std::unique_ptr<Watch>> watches;
  for (int i = 0; i < 64; ++i) {
    watches.push_back(std::make_unique<Watch>(health_.get(), ""));
    EXPECT_EQ(watches.back()->Next(), kServing);
  }
  EXPECT_LT(Threads() - before, 32);
  Set("", false);
  for (const auto& watch : watches) EXPECT_EQ(watch->Next(), kNotServing);
}

TEST_P(HealthTest, ALongNameIsRefused) {
  Start();
  const std::string longest(200, 'a');
  Set(longest, true);
  EXPECT_EQ(Check(longest), kServing);
  HealthCheckResponse response;
  EXPECT_THAT(
      Check(longest + "a", &response),
      IsStatus(INVALID_ARGUMENT, "at most 200 bytes, and this one 201"));
  Watch watch(health_.get(), longest + "a");
  EXPECT_EQ(watch.Next(), HealthCheckResponse::UNKNOWN);
  EXPECT_THAT(watch.reader->Finish(), IsStatus(INVALID_ARGUMENT, "at most"));
}

TEST_P(HealthTest, AWatchDoesNotHoldUpTheServersShutdown) {
  Start();
  Watch watch(health_.get(), "");
  EXPECT_EQ(watch.Next(), kServing);
  ClientContext context;
  ServingState reply;
  EXPECT_THAT(Operator::NewStub(channel_)->Shutdown(&context, {}, &reply),
              IsOk());
  EXPECT_EQ(watch.Next(), HealthCheckResponse::UNKNOWN);
  EXPECT_THAT(watch.reader->Finish(), IsStatus(UNAVAILABLE, "shutting down"));
}

TEST_P(HealthTest, WithoutItChecksAreUnimplemented) {
  Start(ServerSettings());
  HealthCheckResponse response;
  EXPECT_THAT(Check("", &response),
              IsStatus(UNIMPLEMENTED, "grpc.health.v1.Health"));
  EXPECT_THAT(Operate({}), IsStatus(FAILED_PRECONDITION, ""));
}

INSTANTIATE_TEST_SUITE_P(
    Transports, HealthTest, ::testing::ValuesIn(AllTransports()),
    NameOfTransport<::testing::TestParamInfo<TransportCase>>);

class OwnHealth final : public Health::Service {
  Status Check(ServerContext*, const HealthCheckRequest*,
               HealthCheckResponse* response) override {
    response->set_status(HealthCheckResponse::NOT_SERVING);
    return Status();
  }
};

class OwnHealthTest : public ::testing::Test {
 protected:
  ~OwnHealthTest() override { EnableDefaultHealthCheckService(false); }

  absl::StatusOr<std::unique_ptr<Server>> Start() {
    ServerBuilder builder;
    builder.AddListeningPort("inproc:own-health", InsecureServerCredentials());
    builder.RegisterService(&service_);
    return builder.Start();
  }

  OwnHealth service_;
};

TEST_F(OwnHealthTest, AServiceOfTheProgramsOwnAnswers) {
  EXPECT_FALSE(DefaultHealthCheckServiceEnabled());
  const auto server = Start();
  ASSERT_TRUE(server.ok());
  EXPECT_EQ((*server)->GetHealthCheckService(), nullptr);
  ClientContext context;
  HealthCheckResponse response;
  EXPECT_THAT(Health::NewStub(MakeChannel("inproc:own-health"))
                  ->Check(&context, Named(""), &response),
              IsOk());
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
}

// Tells when it goes.
class OwnInterface final : public HealthCheckServiceInterface {
 public:
  explicit OwnInterface(bool* gone) : gone_(gone) {}
  ~OwnInterface() override { *gone_ = true; }
  void SetServingStatus(const std::string&, bool) override {}
  void SetServingStatus(bool) override {}

 private:
  bool* const gone_;
};

TEST_F(OwnHealthTest, AnOptionPutsAnotherInPlaceOfTheDefault) {
  EnableDefaultHealthCheckService(true);
  bool gone = false;
  auto own = std::make_unique<OwnInterface>(&gone);
  HealthCheckServiceInterface* const expected = own.get();
  ServerBuilder builder;
  builder.RegisterService(&service_);
  builder.SetOption(
      std::make_unique<HealthCheckServiceServerBuilderOption>(std::move(own)));
  auto server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  EXPECT_EQ(server->GetHealthCheckService(), expected);
  ClientContext context;
  HealthCheckResponse response;
  EXPECT_THAT(Health::NewStub(server->InProcessChannel(ChannelArguments()))
                  ->Check(&context, Named(""), &response),
              IsOk());
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(gone);
  server.reset();
  EXPECT_TRUE(gone);
}

TEST_F(OwnHealthTest, AnOptionTurnsTheDefaultOff) {
  EnableDefaultHealthCheckService(true);
  ServerBuilder builder;
  builder.SetOption(
      std::make_unique<HealthCheckServiceServerBuilderOption>(nullptr));
  const auto server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  EXPECT_EQ(server->GetHealthCheckService(), nullptr);
  ClientContext context;
  HealthCheckResponse response;
  EXPECT_THAT(Health::NewStub(server->InProcessChannel(ChannelArguments()))
                  ->Check(&context, Named(""), &response),
              IsStatus(UNIMPLEMENTED, ""));
}

TEST_F(OwnHealthTest, BesideTheDefaultOneItIsAMistake) {
  EnableDefaultHealthCheckService(true);
  EXPECT_TRUE(DefaultHealthCheckServiceEnabled());
  const auto server = Start();
  EXPECT_EQ(server.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(server.status().message()),
              ::testing::HasSubstr("EnableDefaultHealthCheckService"));
}

}  // namespace
}  // namespace nearcall::test
