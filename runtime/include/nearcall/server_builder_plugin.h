// How a library adds to the servers of a program: gRPC's options and plugins.
#ifndef NEARCALL_SERVER_BUILDER_PLUGIN_H_
#define NEARCALL_SERVER_BUILDER_PLUGIN_H_

#include <nearcall/channel_arguments.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace nearcall {

class ServerBuilder;
class Service;

/// What a plugin adds services through.
class ServerInitializer {
 public:
  /// The server keeps `service`. True.
  bool RegisterService(std::shared_ptr<Service> service) {
    services_.push_back(std::move(service));
    return true;
  }
  const std::vector<std::shared_ptr<Service>>& services() const {
    return services_;
  }

 private:
  std::vector<std::shared_ptr<Service>> services_;
};

/// Takes part in the building of one server, in the order of the members.
class ServerBuilderPlugin {
 public:
  virtual ~ServerBuilderPlugin() = default;
  virtual std::string name() = 0;
  virtual void UpdateServerBuilder(ServerBuilder* /*builder*/) {}
  virtual void UpdateChannelArguments(ChannelArguments* /*arguments*/) {}
  /// Adds services.
  virtual void InitServer(ServerInitializer* initializer) = 0;
  /// The server has started.
  virtual void Finish(ServerInitializer* initializer) = 0;
  /// Not called by the library: for whoever knows the plugin.
  virtual void ChangeArguments(const std::string& name, void* value) = 0;
  virtual bool has_sync_methods() const { return false; }
  virtual bool has_async_methods() const { return false; }
};

class ServerBuilderOption {
 public:
  virtual ~ServerBuilderOption() = default;
  virtual void UpdateArguments(ChannelArguments* arguments) = 0;
  virtual void UpdatePlugins(
      std::vector<std::unique_ptr<ServerBuilderPlugin>>* plugins) = 0;
};

}  // namespace nearcall

#endif  // NEARCALL_SERVER_BUILDER_PLUGIN_H_
