// The whole public API.
#ifndef NEARCALL_NEARCALL_H_
#define NEARCALL_NEARCALL_H_

#include <nearcall/auth_context.h>
#include <nearcall/byte_buffer.h>
#include <nearcall/channel.h>
#include <nearcall/channel_arguments.h>
#include <nearcall/client_callback.h>
#include <nearcall/client_context.h>
#include <nearcall/client_interceptor.h>
#include <nearcall/config.h>
#include <nearcall/credentials.h>
#include <nearcall/delegating_channel.h>
#include <nearcall/generic.h>
#include <nearcall/health_check_service_interface.h>
#include <nearcall/health_check_service_server_builder_option.h>
#include <nearcall/interceptor.h>
#include <nearcall/message_allocator.h>
#include <nearcall/peer_credentials.h>
#include <nearcall/pipe_target.h>
#include <nearcall/reflection.h>
#include <nearcall/resource_quota.h>
#include <nearcall/serialization_traits.h>
#include <nearcall/server.h>
#include <nearcall/server_builder.h>
#include <nearcall/server_builder_plugin.h>
#include <nearcall/server_callback.h>
#include <nearcall/server_context.h>
#include <nearcall/server_interceptor.h>
#include <nearcall/service.h>
#include <nearcall/stale_resources.h>
#include <nearcall/status.h>
#include <nearcall/sync_stream.h>
#include <nearcall/version.h>

#endif  // NEARCALL_NEARCALL_H_
