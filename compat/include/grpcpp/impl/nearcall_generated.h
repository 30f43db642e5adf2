// What *.grpc.pb.h includes that protoc-gen-nearcall wrote with
// grpc_compat=true.
#ifndef GRPCPP_IMPL_NEARCALL_GENERATED_H_
#define GRPCPP_IMPL_NEARCALL_GENERATED_H_

#include <nearcall/generated.h>

// With -Dgrpc=nearcall, which a program needs that opens namespace grpc itself,
// the two names are one already.
#ifndef grpc
namespace grpc = nearcall;
#endif

#endif  // GRPCPP_IMPL_NEARCALL_GENERATED_H_
