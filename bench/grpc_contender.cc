// gRPC C++ as a contender of the unary latency bench. Its targets: what gRPC
// takes (unix:PATH, HOST:PORT), and inproc:ANY for its in-process channel.
#include <grpcpp/grpcpp.h>

#include "bench/echo.grpc.pb.h"

namespace bench {
namespace rpc = grpc;
}  // namespace bench

#include "bench/unary.h"

namespace {

struct Grpc {
  static constexpr char kName[] = "grpc";
  static void Listen(grpc::ServerBuilder* builder, const std::string& target) {
    if (target.starts_with("inproc:")) return;  // It needs no port.
    builder->AddListeningPort(target, grpc::InsecureServerCredentials());
  }
  static std::shared_ptr<grpc::Channel> Connect(grpc::Server* server,
                                                const std::string& target) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(64 << 20);
    if (server != nullptr) return server->InProcessChannel(arguments);
    return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(),
                                     arguments);
  }
};

}  // namespace

int main(int argc, char** argv) { return bench::UnaryMain<Grpc>(argc, argv); }
