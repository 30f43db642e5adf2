#include <nearcall/server_builder.h>
#include <nearcall/server_interceptor.h>
#include <nearcall/service.h>

#include <atomic>
#include <cstdio>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/config.h"
#include "runtime/generic_handler.h"
#include "runtime/health_service.h"
#include "runtime/intercepted_server_call.h"
#include "runtime/method_table.h"
#include "runtime/reflection_service.h"
#include "runtime/server_core.h"
#include "runtime/target.h"
#include "runtime/target_settings.h"
#include "runtime/transport.h"

namespace nearcall {
namespace {

constexpr const char* kMaxReceiveArgument = "grpc.max_receive_message_length";
constexpr const char* kMaxSendArgument = "grpc.max_send_message_length";

std::vector<std::unique_ptr<ServerBuilderPlugin> (*)()>& PluginFactories() {
  static auto& factories =
      *new std::vector<std::unique_ptr<ServerBuilderPlugin> (*)()>;
  return factories;
}

// Where this server's own process reaches it, whatever ports it has; "" where
// the library has no transport for that.
absl::StatusOr<std::string> AddInProcessPort(
    const internal::TargetSettings& settings,
    std::vector<internal::Port>* ports) {
  static std::atomic<uint64_t> last{0};
  const std::string target =
      absl::StrCat("inproc:the server ", last.fetch_add(1) + 1, " itself");
  if (!internal::HasScheme(target)) return std::string();
  absl::StatusOr<internal::Target> parsed = internal::ParseTarget(target);
  if (!parsed.ok()) return parsed.status();
  absl::StatusOr<std::unique_ptr<internal::Listener>> listener =
      internal::FindTransport(parsed->scheme)->listen(*parsed);
  if (!listener.ok()) return listener.status();
  internal::Port port;
  port.settings = settings;
  port.listener = *std::move(listener);
  ports->push_back(std::move(port));
  return target;
}

}  // namespace

ServerBuilder::ServerBuilder() = default;
ServerBuilder::~ServerBuilder() = default;

void ServerBuilder::experimental_type::SetInterceptorCreators(
    std::vector<std::unique_ptr<
        nearcall::experimental::ServerInterceptorFactoryInterface>>
        interceptor_creators) {
  builder_->interceptor_creators_ = std::move(interceptor_creators);
}

ServerBuilder& ServerBuilder::AddListeningPort(
    const std::string& target, std::shared_ptr<ServerCredentials> credentials,
    int* selected_port) {
  ports_.push_back({target, std::move(credentials), selected_port});
  return *this;
}

ServerBuilder& ServerBuilder::AddListeningFd(
    int fd, std::shared_ptr<ServerCredentials> credentials,
    int* selected_port) {
  return AddListeningPort(absl::StrCat("fd:", fd), std::move(credentials),
                          selected_port);
}

ServerBuilder& ServerBuilder::RegisterCallbackGenericService(
    CallbackGenericService* service) {
  generic_ = service;
  return *this;
}

ServerBuilder& ServerBuilder::RegisterService(Service* service) {
  return RegisterService(std::string(), service);
}

ServerBuilder& ServerBuilder::RegisterService(const std::string& host,
                                              Service* service) {
  services_.push_back({host, service});
  return *this;
}

ServerBuilder& ServerBuilder::SetOption(
    std::unique_ptr<ServerBuilderOption> option) {
  options_.push_back(std::move(option));
  return *this;
}

void ServerBuilder::InternalAddPluginFactory(
    std::unique_ptr<ServerBuilderPlugin> (*create_plugin)()) {
  PluginFactories().push_back(create_plugin);
}

absl::StatusOr<std::unique_ptr<Server>> ServerBuilder::Start() {
  std::vector<std::unique_ptr<ServerBuilderPlugin>> plugins;
  for (const auto& create : PluginFactories()) plugins.push_back(create());
  for (const auto& option : options_) {
    option->UpdateArguments(&arguments_);
    option->UpdatePlugins(&plugins);
  }
  const auto own_health =
      arguments_.values().find(kHealthCheckServiceInterfaceArg);
  if (own_health != arguments_.values().end()) {
    void* const* const service = std::get_if<void*>(&own_health->second);
    health_ = std::unique_ptr<HealthCheckServiceInterface>(
        service == nullptr
            ? nullptr
            : static_cast<HealthCheckServiceInterface*>(*service));
  }
  for (const auto& plugin : plugins) {
    plugin->UpdateServerBuilder(this);
    plugin->UpdateChannelArguments(&arguments_);
  }
  max_receive_ = arguments_.GetInt(kMaxReceiveArgument, max_receive_);
  max_send_ = arguments_.GetInt(kMaxSendArgument, max_send_);
  ServerInitializer initializer;
  for (const auto& plugin : plugins) plugin->InitServer(&initializer);
  absl::StatusOr<std::unique_ptr<Server>> server =
      StartWith(initializer.services());
  if (server.ok()) {
    for (const auto& plugin : plugins) plugin->Finish(&initializer);
  }
  return server;
}

absl::StatusOr<std::unique_ptr<Server>> ServerBuilder::StartWith(
    std::vector<std::shared_ptr<Service>> plugin_services) {
  for (const Port& port : ports_) {
    if (port.selected_port != nullptr) *port.selected_port = 0;
  }
  const auto configuration = internal::CurrentConfiguration();
  if (!configuration.ok()) return configuration.status();
  auto methods = std::make_unique<internal::MethodTable>();
  std::shared_ptr<const internal::ServerInterceptorFactories> interceptors;
  if (!interceptor_creators_.empty()) {
    interceptors = std::make_shared<const internal::ServerInterceptorFactories>(
        std::move(interceptor_creators_));
  }
  const auto intercepted = [&](internal::MethodHandler* handler,
                               internal::RpcMethod::RpcType type) {
    return interceptors == nullptr ? handler
                                   : methods->Keep(internal::Intercept(
                                         handler, type, interceptors));
  };
  absl::Status problem;
  std::set<std::string> names;
  const auto add = [&](const std::string& host, const Service& service,
                       const char* remedy) {
    internal::ServiceAccess::ForEachMethod(
        service, [&](const internal::RpcServiceMethod& method) {
          const std::string_view path = method.name();
          names.emplace(path.substr(1, path.rfind('/') - 1));
          if (method.handler() == nullptr) return;
          if (!methods->Add(host, method.name(),
                            intercepted(method.handler(), method.type()),
                            method.buffering())) {
            problem = absl::AlreadyExistsError(
                absl::StrCat("two registered services have the method ",
                             method.name(), remedy));
          }
        });
  };
  for (const Registration& registration : services_) {
    add(registration.host, *registration.service, "");
  }
  for (const auto& service : plugin_services) {
    add(std::string(), *service, "");
  }
  std::vector<std::shared_ptr<internal::StandardService>> standard;
  std::shared_ptr<HealthCheckServiceInterface> health;
  if (health_.has_value()) {
    health = *std::move(health_);
  } else if (DefaultHealthCheckServiceEnabled()) {
    const auto service = std::make_shared<internal::HealthService>();
    health = service;
    add(std::string(), *service,
        ", which the library serves itself: register none, or call "
        "EnableDefaultHealthCheckService(false) before");
    standard.push_back(service);
  }
  const Reflection reflection =
      reflection_.value_or(internal::DefaultReflection());
  if (reflection != Reflection::kOff) {
    standard.push_back(
        std::make_shared<internal::ReflectionService>(reflection, names));
    add(std::string(), *standard.back(), "");
  }
  if (!problem.ok()) return problem;
  if (generic_ != nullptr) {
    methods->SetGeneric(
        intercepted(methods->Keep(internal::MakeGenericHandler(generic_)),
                    internal::RpcMethod::BIDI_STREAMING));
  }
  internal::TargetSettings given;
  given.max_receive = max_receive_ < 0 ? -1 : max_receive_;
  given.max_send = max_send_ < 0 ? -1 : max_send_;
  given.buffering = buffering_;
  std::vector<internal::Port> ports;
  for (const Port& port : ports_) {
    if (port.credentials == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(port.target, ": invalid credentials (null)"));
    }
    absl::StatusOr<internal::Target> target =
        (*configuration)->Resolve(port.target);
    if (!target.ok()) return target.status();
    const auto settings = internal::SettingsOf(*target, given);
    if (!settings.ok()) return settings.status();
    absl::StatusOr<std::unique_ptr<internal::Listener>> listener =
        internal::FindTransport(target->scheme)->listen(*target);
    if (!listener.ok()) return listener.status();
    internal::Port listening;
    listening.address = (*listener)->address();
    listening.settings = *settings;
    listening.listener = *std::move(listener);
    ports.push_back(std::move(listening));
  }
  std::vector<int> selected;
  for (const internal::Port& port : ports) {
    selected.push_back(port.listener->port());
  }
  const absl::StatusOr<std::string> in_process =
      AddInProcessPort(given, &ports);
  if (!in_process.ok()) return in_process.status();
  auto core = std::make_unique<internal::ServerCore>(
      max_threads_, std::move(methods), std::move(standard), observer_);
  absl::Status started = core->Start(std::move(ports));
  if (!started.ok()) return started;
  for (size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i].selected_port != nullptr) {
      *ports_[i].selected_port = selected[i];
    }
  }
  return std::unique_ptr<Server>(new Server(std::move(core), std::move(health),
                                            *in_process,
                                            std::move(plugin_services)));
}

std::unique_ptr<Server> ServerBuilder::BuildAndStart() {
  absl::StatusOr<std::unique_ptr<Server>> server = Start();
  if (server.ok()) return *std::move(server);
  std::fprintf(stderr, "nearcall: the server did not start: %s\n",
               server.status().ToString().c_str());
  return nullptr;
}

}  // namespace nearcall
