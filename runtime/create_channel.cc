#include <nearcall/channel.h>

#include "absl/strings/str_cat.h"
#include "runtime/channel.h"
#include "runtime/config.h"
#include "runtime/service_config.h"
#include "runtime/target_settings.h"
#include "runtime/transport.h"

namespace nearcall {
namespace {

int LimitOf(const ChannelArguments& arguments, const char* key, int otherwise) {
  const int limit = arguments.GetInt(key, otherwise);
  return limit < 0 ? -1 : limit;
}

using MaybeChannel = absl::StatusOr<std::shared_ptr<Channel>>;

MaybeChannel MakeChannel(internal::Target target,
                         const ChannelArguments& arguments) {
  internal::TargetSettings given;
  given.max_receive =
      LimitOf(arguments, "grpc.max_receive_message_length", given.max_receive);
  given.max_send =
      LimitOf(arguments, "grpc.max_send_message_length", given.max_send);
  given.buffering = arguments.stream_buffering();
  const auto settings = internal::SettingsOf(target, given);
  if (!settings.ok()) return settings.status();
  const bool configured = !target.service_config.empty();
  const std::string json = configured
                               ? target.service_config
                               : arguments.GetString("grpc.service_config");
  std::shared_ptr<const internal::ServiceConfig> service_config;
  if (!json.empty()) {
    auto parsed = internal::ServiceConfig::Parse(
        json, configured ? target.service_config_source : target.written);
    if (!parsed.ok()) return parsed.status();
    service_config = *std::move(parsed);
  }
  const internal::Transport* transport = internal::FindTransport(target.scheme);
  absl::StatusOr<std::unique_ptr<internal::Dialer>> dialer =
      transport->make_dialer(target);
  if (!dialer.ok()) return dialer.status();
  return std::make_shared<internal::NearChannel>(
      std::move(target), *std::move(dialer), arguments, *settings,
      std::move(service_config));
}

// Whatever is wrong, it is wrong with what the channel was given.
std::shared_ptr<Channel> OrLame(MaybeChannel channel) {
  if (channel.ok()) return *std::move(channel);
  return std::make_shared<internal::NearChannel>(
      absl::InvalidArgumentError(channel.status().message()));
}

}  // namespace

MaybeChannel TryCreateChannel(
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
  return MakeChannel(*std::move(parsed), arguments);
}

std::shared_ptr<Channel> CreateCustomChannel(
    const std::string& target,
    const std::shared_ptr<ChannelCredentials>& credentials,
    const ChannelArguments& arguments) {
  return OrLame(TryCreateChannel(target, credentials, arguments));
}

std::shared_ptr<Channel> CreateChannel(
    const std::string& target,
    const std::shared_ptr<ChannelCredentials>& credentials) {
  return CreateCustomChannel(target, credentials, ChannelArguments());
}

std::shared_ptr<Channel> CreateCustomInsecureChannelFromFd(
    const std::string& target, int fd, const ChannelArguments& arguments) {
  const auto configuration = internal::CurrentConfiguration();
  if (!configuration.ok()) return OrLame(configuration.status());
  absl::StatusOr<internal::Target> parsed =
      (*configuration)->Resolve(absl::StrCat("fd:", fd));
  if (!parsed.ok()) return OrLame(parsed.status());
  parsed->written = target;
  return OrLame(MakeChannel(*std::move(parsed), arguments));
}

std::shared_ptr<Channel> CreateInsecureChannelFromFd(const std::string& target,
                                                     int fd) {
  return CreateCustomInsecureChannelFromFd(target, fd, ChannelArguments());
}

std::shared_ptr<ChannelCredentials> InsecureChannelCredentials() {
  return std::make_shared<ChannelCredentials>();
}

std::shared_ptr<ServerCredentials> InsecureServerCredentials() {
  return std::make_shared<ServerCredentials>();
}

}  // namespace nearcall
