// One call of test.proto as a test drives it: blocking members over either of
// the client's APIs, so that one test body serves both.
#ifndef NEARCALL_TESTS_CALL_STREAM_H_
#define NEARCALL_TESTS_CALL_STREAM_H_

#include <nearcall/nearcall.h>

#include <memory>

#include "test.nearcall.pb.h"

namespace nearcall::test {

enum class Api { kSync, kCallback };

/// One thread at a time reads; another may write. Destroyed before Finish, the
/// call is cancelled.
class Stream {
 public:
  virtual ~Stream() = default;
  /// False: the call ended without.
  virtual bool WaitForInitialMetadata() = 0;
  virtual bool Read(Message* message) = 0;
  virtual bool Write(const Message& message, WriteOptions options) = 0;
  bool Write(const Message& message) { return Write(message, WriteOptions()); }
  virtual bool WritesDone() = 0;
  virtual Status Finish() = 0;
};

/// Each starts the call.
std::unique_ptr<Stream> OpenClientStream(Api api, TestService::Stub* stub,
                                         ClientContext* context,
                                         Summary* summary);
std::unique_ptr<Stream> OpenServerStream(Api api, TestService::Stub* stub,
                                         ClientContext* context,
                                         const Plan& plan);
std::unique_ptr<Stream> OpenBidi(Api api, TestService::Stub* stub,
                                 ClientContext* context);
/// The handler's wait at its gate.
Status CallBlock(Api api, TestService::Stub* stub, ClientContext* context,
                 const Plan& plan);

}  // namespace nearcall::test

#endif  // NEARCALL_TESTS_CALL_STREAM_H_
