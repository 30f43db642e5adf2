// The fixture of the stream tests: as call_test.h's, for each transport with
// each kind of handlers and the client API of the same kind.
#ifndef NEARCALL_TESTS_CALL_STREAM_TEST_H_
#define NEARCALL_TESTS_CALL_STREAM_TEST_H_

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "tests/call/call_test.h"
#include "tests/call/stream.h"

namespace nearcall::test {

struct StreamCase {
  TransportCase transport;
  Api api;
};

inline std::vector<StreamCase> AllStreamCases() {
  std::vector<StreamCase> cases;
  for (const TransportCase& transport : AllTransports()) {
    cases.push_back({transport, Api::kSync});
    cases.push_back({transport, Api::kCallback});
  }
  return cases;
}

inline std::ostream& operator<<(std::ostream& out, const StreamCase& value) {
  return out << value.transport
             << (value.api == Api::kSync ? "/sync" : "/callback");
}

/// For INSTANTIATE_TEST_SUITE_P.
inline std::string NameOfStreamCase(
    const ::testing::TestParamInfo<StreamCase>& info) {
  std::string name = info.param.transport.scheme;
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name + (info.param.api == Api::kSync ? "_sync" : "_callback");
}

enum class Shape { kUnary, kClientStream, kServerStream, kBidi };
inline constexpr Shape kShapes[] = {Shape::kUnary, Shape::kClientStream,
                                    Shape::kServerStream, Shape::kBidi};

class StreamTest : public ServingTest,
                   public ::testing::WithParamInterface<StreamCase> {
 protected:
  const TransportCase& transport() const override {
    return GetParam().transport;
  }
  Api api() const { return GetParam().api; }
  /// Handlers of the kind under test.
  Served Serve(ServerSettings settings = {}, const std::string& name = "test") {
    settings.callback = api() == Api::kCallback;
    return ServingTest::Serve(std::move(settings), name);
  }
  /// The plan for the shapes whose request has none.
  static void AddPlan(const Plan& plan, ClientContext* context) {
    context->AddMetadata("plan-bin", plan.SerializeAsString());
  }
  std::unique_ptr<Stream> ClientStream(TestService::Stub* stub,
                                       ClientContext* context,
                                       Summary* summary) const {
    return OpenClientStream(api(), stub, context, summary);
  }
  std::unique_ptr<Stream> ServerStream(TestService::Stub* stub,
                                       ClientContext* context,
                                       const Plan& plan) const {
    return OpenServerStream(api(), stub, context, plan);
  }
  std::unique_ptr<Stream> Bidi(TestService::Stub* stub,
                               ClientContext* context) const {
    return OpenBidi(api(), stub, context);
  }
  /// A call of the shape with the plan, until it ends by itself; its one thread
  /// reads what there is.
  Status Run(Shape shape, TestService::Stub* stub, ClientContext* context,
             const Plan& plan) const {
    Summary summary;
    std::unique_ptr<Stream> stream;
    switch (shape) {
      case Shape::kUnary:
        return CallBlock(api(), stub, context, plan);
      case Shape::kClientStream:
        AddPlan(plan, context);
        stream = ClientStream(stub, context, &summary);
        stream->WritesDone();
        break;
      case Shape::kServerStream:
        stream = ServerStream(stub, context, plan);
        break;
      case Shape::kBidi:
        AddPlan(plan, context);
        stream = Bidi(stub, context);
        stream->WritesDone();
        break;
    }
    Message message;
    if (shape != Shape::kClientStream) {
      while (stream->Read(&message)) {
      }
    }
    return stream->Finish();
  }
};

}  // namespace nearcall::test

#endif  // NEARCALL_TESTS_CALL_STREAM_TEST_H_
