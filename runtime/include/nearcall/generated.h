// What generated code needs, and nothing else.
#ifndef NEARCALL_GENERATED_H_
#define NEARCALL_GENERATED_H_

#include <nearcall/byte_buffer.h>
#include <nearcall/channel_interface.h>
#include <nearcall/client_callback.h>
#include <nearcall/client_context.h>
#include <nearcall/impl/blocking_unary_call.h>
#include <nearcall/impl/method_handler.h>
#include <nearcall/impl/rpc_method.h>
#include <nearcall/message_allocator.h>
#include <nearcall/server_callback.h>
#include <nearcall/server_context.h>
#include <nearcall/service.h>
#include <nearcall/status.h>
#include <nearcall/stub_options.h>
#include <nearcall/sync_stream.h>
#include <nearcall/version.h>
#include <nearcall/write_options.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"

#endif  // NEARCALL_GENERATED_H_
