#include "runtime/standard_service.h"

namespace nearcall::internal {
namespace {

Status StoppedStatus() {
  return Status(UNAVAILABLE, "the server is shutting down");
}

}  // namespace

void StandardService::Stop() {
  MutexLock lock(&mu_);
  stopped_ = true;
  for (Stream* stream : streams_) stream->End(StoppedStatus());
}

void StandardService::Serve(const char* path, RpcMethod::RpcType type,
                            MethodHandler* handler) {
  AddMethod(new RpcServiceMethod(path, type, nullptr));
  MarkMethodCallback(methods_++, handler);
}

void StandardService::Open(Stream* stream) {
  streams_.insert(stream);
  if (stopped_) stream->End(StoppedStatus());
}

void StandardService::Close(Stream* stream) { streams_.erase(stream); }

}  // namespace nearcall::internal
