// The fixture of the tests of interceptors, with the API and the handlers of
// the kind under test.
#ifndef NEARCALL_TESTS_CALL_INTERCEPTOR_TEST_H_
#define NEARCALL_TESTS_CALL_INTERCEPTOR_TEST_H_

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "tests/call/interceptors.h"
#include "tests/call/stream_test.h"

namespace nearcall::test {

inline std::string Value(const std::multimap<string_ref, string_ref>& metadata,
                         const std::string& key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return "(absent)";
  return std::string(found->second.data(), found->second.size());
}

class InterceptorTest : public StreamTest {
 protected:
  /// By the API under test.
  Status Echo(TestService::Stub* stub, ClientContext* context,
              const Message& request, Message* reply) {
    if (api() == Api::kSync) return stub->Echo(context, request, reply);
    std::mutex mu;
    std::condition_variable changed;
    bool done = false;
    Status result;
    stub->async()->Echo(context, &request, reply, [&](Status status) {
      const std::lock_guard<std::mutex> lock(mu);
      result = std::move(status);
      done = true;
      changed.notify_all();
    });
    std::unique_lock<std::mutex> lock(mu);
    changed.wait(lock, [&] { return done; });
    return result;
  }
  Served ServeRecording() {
    ServerSettings settings;
    settings.record_hooks = true;
    return Serve(settings);
  }
};

}  // namespace nearcall::test

#endif  // NEARCALL_TESTS_CALL_INTERCEPTOR_TEST_H_
