// Server reflection: which services a server has and their descriptions, for
// tools such as grpcurl, through grpc.reflection.v1 and v1alpha.
#ifndef NEARCALL_REFLECTION_H_
#define NEARCALL_REFLECTION_H_

namespace nearcall {

/// Whom a server answers questions about itself. Others get PERMISSION_DENIED.
enum class Reflection {
  /// Nobody: there is no such service.
  kOff,
  /// Processes that run, as the kernel says, as the server's own (effective)
  /// user. Where it does not say (TCP), nobody.
  kSameUser,
  /// All who may call the server.
  kEverybody,
};

namespace reflection {
/// gRPC's call for it: servers built from now on, whose builder says nothing
/// else, answer everybody. Any thread.
void InitProtoReflectionServerBuilderPlugin();
}  // namespace reflection

}  // namespace nearcall

#endif  // NEARCALL_REFLECTION_H_
