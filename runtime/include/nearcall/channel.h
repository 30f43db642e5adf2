// A connection to one target, made when it is needed and again when it was
// lost.
#ifndef NEARCALL_CHANNEL_H_
#define NEARCALL_CHANNEL_H_

#include <nearcall/channel_arguments.h>
#include <nearcall/channel_interface.h>
#include <nearcall/credentials.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace nearcall {

using Channel = ChannelInterface;

/// `target`: "scheme:rest?option=value&..." or a logical name of the
/// configuration. Never null: with a mistake in the target, or null
/// credentials, every call ends at once with INVALID_ARGUMENT and the whole
/// message. Nothing is connected before the first call.
std::shared_ptr<Channel> CreateChannel(
    const std::string& target,
    const std::shared_ptr<ChannelCredentials>& credentials);
std::shared_ptr<Channel> CreateCustomChannel(
    const std::string& target,
    const std::shared_ptr<ChannelCredentials>& credentials,
    const ChannelArguments& arguments);

namespace experimental {
/// Every call of the channel goes through an interceptor of each factory, in
/// this order (nearcall/client_interceptor.h).
std::shared_ptr<Channel> CreateCustomChannelWithInterceptors(
    const std::string& target,
    const std::shared_ptr<ChannelCredentials>& credentials,
    const ChannelArguments& arguments,
    std::vector<std::unique_ptr<ClientInterceptorFactoryInterface>>
        interceptor_creators);
}  // namespace experimental

/// The same as CreateCustomChannel, with the mistake as the result.
absl::StatusOr<std::shared_ptr<Channel>> TryCreateChannel(
    const std::string& target,
    const std::shared_ptr<ChannelCredentials>& credentials,
    const ChannelArguments& arguments = ChannelArguments());

/// Over a socket, Unix or TCP, that is connected to a server already and is the
/// channel's from now on; when it ends, the channel's calls end with
/// UNAVAILABLE. `target` only names it: the authority of its calls. The same as
/// the target fd:N.
std::shared_ptr<Channel> CreateInsecureChannelFromFd(const std::string& target,
                                                     int fd);
std::shared_ptr<Channel> CreateCustomInsecureChannelFromFd(
    const std::string& target, int fd, const ChannelArguments& arguments);

}  // namespace nearcall

#endif  // NEARCALL_CHANNEL_H_
