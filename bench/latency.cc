// nearcall as a contender of the unary latency bench.
#include <nearcall/nearcall.h>

#include "bench/echo.nearcall.pb.h"

namespace bench {
namespace rpc = nearcall;
}  // namespace bench

#include "bench/unary.h"

namespace {

struct Nearcall {
  static constexpr char kName[] = "nearcall";
  static void Listen(nearcall::ServerBuilder* builder,
                     const std::string& target) {
    builder->AddListeningPort(target, nearcall::InsecureServerCredentials());
  }
  static std::shared_ptr<nearcall::Channel> Connect(
      nearcall::Server* /*server*/, const std::string& target) {
    nearcall::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(64 << 20);
    return nearcall::CreateCustomChannel(
        target, nearcall::InsecureChannelCredentials(), arguments);
  }
};

}  // namespace

int main(int argc, char** argv) {
  return bench::UnaryMain<Nearcall>(argc, argv);
}
