// The generated classes as programs use them: names, parameters and results of
// each shape. Compiled, not run.
#include <memory>
#include <type_traits>
#include <utility>

#include "streaming.nearcall.pb.h"

namespace streaming {
namespace {

using nearcall::ClientContext;
using nearcall::ServerContext;
using nearcall::Status;

template <typename T, typename U>
constexpr bool kSame = std::is_same_v<T, U>;

static_assert(std::string_view(Transfer::service_full_name()) ==
              "streaming.Transfer");
static_assert(std::is_abstract_v<Transfer::StubInterface>);
static_assert(std::is_abstract_v<Transfer::StubInterface::async_interface>);
static_assert(!std::is_abstract_v<Transfer::Stub>);

// The concrete stub gives concrete streams, the interface abstract ones.
template <typename Stub, typename Reader, typename Writer,
          typename ReaderWriter>
void CallSync(Stub& stub) {
  ClientContext context;
  Chunk request;
  Summary reply;
  static_assert(kSame<decltype(stub.Ask(&context, request, &reply)), Status>);
  static_assert(kSame<decltype(stub.Download(&context, request)),
                      std::unique_ptr<Reader>>);
  static_assert(
      kSame<decltype(stub.Upload(&context, &reply)), std::unique_ptr<Writer>>);
  static_assert(
      kSame<decltype(stub.Exchange(&context)), std::unique_ptr<ReaderWriter>>);
  static_cast<void>(stub.Ask(&context, request, &reply));
  static_cast<void>(stub.Download(&context, request));
  static_cast<void>(stub.Upload(&context, &reply));
  static_cast<void>(stub.Exchange(&context));
}

}  // namespace

void CallConcrete(Transfer::Stub& stub) {
  CallSync<Transfer::Stub, nearcall::ClientReader<Summary>,
           nearcall::ClientWriter<Chunk>,
           nearcall::ClientReaderWriter<Chunk, Summary>>(stub);
}

void CallAbstract(Transfer::StubInterface& stub) {
  CallSync<Transfer::StubInterface, nearcall::ClientReaderInterface<Summary>,
           nearcall::ClientWriterInterface<Chunk>,
           nearcall::ClientReaderWriterInterface<Chunk, Summary>>(stub);
}

absl::StatusOr<Summary> CallForAValue(Transfer::Stub& stub,
                                      ClientContext* context) {
  const absl::StatusOr<Summary> first = stub.Ask(Chunk());
  if (!first.ok()) return first.status();
  return stub.Ask(context, Chunk());
}

void CallAsync(Transfer::StubInterface& stub, ClientContext* context,
               const Chunk* request, Summary* reply,
               nearcall::ClientUnaryReactor* unary,
               nearcall::ClientReadReactor<Summary>* read,
               nearcall::ClientWriteReactor<Chunk>* write,
               nearcall::ClientBidiReactor<Chunk, Summary>* bidi) {
  stub.async()->Ask(context, request, reply, [](const Status& /*status*/) {});
  stub.async()->Ask(context, request, reply, unary);
  stub.async()->Download(context, request, read);
  stub.async()->Upload(context, reply, write);
  stub.experimental_async()->Exchange(context, bidi);
}

std::unique_ptr<Transfer::StubInterface> Make(
    const std::shared_ptr<nearcall::ChannelInterface>& channel) {
  return Transfer::NewStub(channel, nearcall::StubOptions("suffix"));
}

class Sync final : public Transfer::Service {
  Status Ask(ServerContext*, const Chunk*, Summary*) override {
    return Status();
  }
  Status Download(ServerContext*, const Chunk*,
                  nearcall::ServerWriter<Summary>*) override {
    return Status();
  }
  Status Upload(ServerContext*, nearcall::ServerReader<Chunk>*,
                Summary*) override {
    return Status();
  }
  Status Exchange(ServerContext*,
                  nearcall::ServerReaderWriter<Summary, Chunk>*) override {
    return Status();
  }
};

class Callback final : public Transfer::CallbackService {
  nearcall::ServerUnaryReactor* Ask(nearcall::CallbackServerContext*,
                                    const Chunk*, Summary*) override {
    return nullptr;
  }
  nearcall::ServerWriteReactor<Summary>* Download(
      nearcall::CallbackServerContext*, const Chunk*) override {
    return nullptr;
  }
  nearcall::ServerReadReactor<Chunk>* Upload(nearcall::CallbackServerContext*,
                                             Summary*) override {
    return nullptr;
  }
  nearcall::ServerBidiReactor<Chunk, Summary>* Exchange(
      nearcall::CallbackServerContext*) override {
    return nullptr;
  }
};
static_assert(
    kSame<Transfer::CallbackService, Transfer::ExperimentalCallbackService>);

// One of each wrapper over one of each base.
class Mixed final
    : public Transfer::WithRawCallbackMethod_Ask<
          Transfer::WithGenericMethod_Download<
              Transfer::WithCallbackMethod_Upload<Transfer::Service>>> {
  nearcall::ServerUnaryReactor* Ask(nearcall::CallbackServerContext*,
                                    const nearcall::ByteBuffer*,
                                    nearcall::ByteBuffer*) override {
    return nullptr;
  }
  Status Exchange(ServerContext*,
                  nearcall::ServerReaderWriter<Summary, Chunk>*) override {
    return Status();
  }
};
using Raw = Transfer::WithRawCallbackMethod_Download<
    Transfer::WithRawCallbackMethod_Upload<
        Transfer::WithRawCallbackMethod_Exchange<Transfer::Service>>>;
using Generic =
    Transfer::WithGenericMethod_Ask<Transfer::WithGenericMethod_Upload<
        Transfer::WithGenericMethod_Exchange<Transfer::Service>>>;

void Serve(nearcall::MessageAllocator<Chunk, Summary>* allocator) {
  Sync sync;
  Callback callback;
  callback.SetMessageAllocatorFor_Ask(allocator);
  Mixed mixed;
  Raw raw;
  Generic generic;
}

}  // namespace streaming
