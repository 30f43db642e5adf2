// Every class of the file of odd names, instantiated: templates show their
// mistakes only then. Compiled, not run.
#include <memory>

#include "keywords.nearcall.pb.h"
#include "keywords_mock.nearcall.pb.h"

namespace keywords {
namespace {

template <typename Service, typename Mock>
void Use(const std::shared_ptr<nearcall::ChannelInterface>& channel) {
  const auto stub = Service::NewStub(channel);
  static_cast<void>(stub->async());
  typename Service::Service sync;
  typename Service::CallbackService callback;
  Mock mock;
}

}  // namespace

void UseAll(const std::shared_ptr<nearcall::ChannelInterface>& channel) {
  Use<delete__, Mockdelete__Stub>(channel);
  Use<delete_, Mockdelete_Stub>(channel);
  Use<Stub_, MockStub_Stub>(channel);
  Use<Service_, MockService_Stub>(channel);
  Use<NewStub_, MockNewStub_Stub>(channel);
  Use<CallbackService_, MockCallbackService_Stub>(channel);
  Use<StubInterface_, MockStubInterface_Stub>(channel);
  Use<final, MockfinalStub>(channel);
  Use<Holder_Nested_, MockHolder_Nested_Stub>(channel);
  Use<Raw, MockRawStub>(channel);
  delete__::WithRawCallbackMethod_operator_<
      delete__::WithGenericMethod_class__<delete__::Service>>
      wrapped;
  Stub_::WithGenericMethod_BaseClass_<
      Stub_::WithRawCallbackMethod_async_<Stub_::Service>>
      members;
}

}  // namespace keywords
