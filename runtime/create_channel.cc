#include <nearcall/channel.h>

#include "runtime/channel.h"
#include "runtime/config.h"
#include "runtime/target_buffering.h"
#include "runtime/transport.h"

namespace nearcall {

absl::StatusOr<std::shared_ptr<Channel>> TryCreateChannel(
    const std::string& target,
    const std::shared_ptr<ChannelCredentials>& credentials,
    const ChannelArguments& arguments) {
  if (credentials == nullptr) {
    return absl::InvalidArgumentError("Invalid credentials.");
  }
  const auto configuration = internal::CurrentConfiguration();
  if (!configuration.ok()) return configuration.status();
  absl::StatusOr<internal::Target> parsed = (*configuration)->Resolve(target);
  if (!parsed.ok()) return parsed.status();
  const auto buffering =
      internal::BufferingOf(*parsed, arguments.stream_buffering());
  if (!buffering.ok()) return buffering.status();
  const internal::Transport* transport =
      internal::FindTransport(parsed->scheme);
  absl::StatusOr<std::unique_ptr<internal::Dialer>> dialer =
      transport->make_dialer(*parsed);
  if (!dialer.ok()) return dialer.status();
  return std::make_shared<internal::NearChannel>(
      *std::move(parsed), *std::move(dialer), arguments, *buffering);
}

std::shared_ptr<Channel> CreateCustomChannel(
    const std::string& target,
    const std::shared_ptr<ChannelCredentials>& credentials,
    const ChannelArguments& arguments) {
  absl::StatusOr<std::shared_ptr<Channel>> channel =
      TryCreateChannel(target, credentials, arguments);
  if (channel.ok()) return *std::move(channel);
  // Whatever is wrong, it is wrong with what the channel was given.
  return std::make_shared<internal::NearChannel>(
      absl::InvalidArgumentError(channel.status().message()));
}

std::shared_ptr<Channel> CreateChannel(
    const std::string& target,
    const std::shared_ptr<ChannelCredentials>& credentials) {
  return CreateCustomChannel(target, credentials, ChannelArguments());
}

std::shared_ptr<ChannelCredentials> InsecureChannelCredentials() {
  return std::make_shared<ChannelCredentials>();
}

std::shared_ptr<ServerCredentials> InsecureServerCredentials() {
  return std::make_shared<ServerCredentials>();
}

}  // namespace nearcall
