// A server of test.proto in this process.
#ifndef NEARCALL_TESTS_CALL_TEST_SERVER_H_
#define NEARCALL_TESTS_CALL_TEST_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/call/interceptors.h"
#include "tests/call/operator_service.h"
#include "tests/call/services.h"

namespace nearcall::test {

struct ServerSettings {
  std::vector<std::string> targets;
  bool callback = false;      ///< Reactors in place of blocking handlers.
  bool record_hooks = false;  ///< With RecordingServerInterceptors.
  bool health = false;        ///< EnableDefaultHealthCheckService.
  Reflection reflection = Reflection::kSameUser;
  int max_receive = 0;  ///< 0: the default.
  int max_send = 0;
  int max_threads = 0;
  /// ServerBuilder::SetStreamBuffering's mode, where not the default.
  int buffering = 0;
  int buffering_bytes = 0;
  /// "?key=value...": options of the target under test, at both ends.
  std::string options;
  std::string ledger;  ///< As Gates::KeepLedger; empty: none.
};

class TestServer {
 public:
  explicit TestServer(const ServerSettings& settings)
      : sync_(&gates_), reactors_(&gates_), control_(&gates_) {
    if (!settings.ledger.empty()) gates_.KeepLedger(settings.ledger);
    EnableDefaultHealthCheckService(settings.health);
    ServerBuilder builder;
    for (const std::string& target : settings.targets) {
      builder.AddListeningPort(target, InsecureServerCredentials());
    }
    builder.RegisterService(
        settings.callback ? static_cast<Service*>(&reactors_) : &sync_);
    builder.RegisterService(&control_);
    builder.RegisterService(&operator_);
    builder.SetReflection(settings.reflection);
    if (settings.max_receive != 0) {
      builder.SetMaxReceiveMessageSize(settings.max_receive);
    }
    if (settings.max_send != 0)
      builder.SetMaxSendMessageSize(settings.max_send);
    if (settings.max_threads != 0) builder.SetMaxThreads(settings.max_threads);
    if (settings.buffering != 0 || settings.buffering_bytes != 0) {
      builder.SetStreamBuffering(
          {static_cast<BufferingMode>(settings.buffering),
           static_cast<uint32_t>(settings.buffering_bytes)});
    }
    builder.experimental().SetInterceptorCreators(
        settings.record_hooks ? RecordingServerInterceptors(&gates_)
                              : PassingServerInterceptors());
    server_ = builder.BuildAndStart();
    operator_.Operate(server_.get());
  }

  /// Null: it did not start; stderr says why.
  Server* server() const { return server_.get(); }
  Gates& gates() { return gates_; }
  /// Ends it as its destructor does.
  void Destroy() { server_.reset(); }

 private:
  Gates gates_;
  SyncService sync_;
  ReactorService reactors_;
  ControlService control_;
  OperatorService operator_;
  std::unique_ptr<Server> server_;
};

}  // namespace nearcall::test

#endif  // NEARCALL_TESTS_CALL_TEST_SERVER_H_
