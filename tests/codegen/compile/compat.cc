// The flavor for programs of gRPC's, with the alias and with -Dgrpc=nearcall.
#include <memory>

#include "imports.grpc.pb.h"
#include "streaming_mock.grpc.pb.h"

namespace compat {

class Transfer final : public streaming::Transfer::Service {
  ::grpc::Status Ask(::grpc::ServerContext*, const streaming::Chunk*,
                     streaming::Summary*) override {
    return ::grpc::Status::OK;
  }
};

::grpc::Status Call(const std::shared_ptr<::grpc::ChannelInterface>& channel) {
  Transfer service;
  streaming::MockTransferStub mock;
  ::grpc::ClientContext context;
  streaming::Summary reply;
  // The address of a stub's member is not ambiguous, as it is not with gRPC.
  const auto member = &streaming::Transfer::Stub::Ask;
  return (streaming::Transfer::NewStub(channel).get()->*member)(
      &context, streaming::Chunk(), &reply);
}

}  // namespace compat
