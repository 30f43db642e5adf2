// The sync unary call of a stub.
#ifndef NEARCALL_IMPL_BLOCKING_UNARY_CALL_H_
#define NEARCALL_IMPL_BLOCKING_UNARY_CALL_H_

#include <nearcall/channel_interface.h>
#include <nearcall/impl/message.h>
#include <nearcall/impl/rpc_method.h>
#include <nearcall/status.h>

namespace nearcall::internal {

template <typename Request, typename Response>
Status BlockingUnaryCall(ChannelInterface* channel, const RpcMethod& method,
                         ClientContext* context, const Request& request,
                         Response* response) {
  return channel->NewCall(method, context, nullptr)
      ->Unary(MessageTraits<Request>::Out(request),
              MessageTraits<Response>::In(response));
}

}  // namespace nearcall::internal

#endif  // NEARCALL_IMPL_BLOCKING_UNARY_CALL_H_
