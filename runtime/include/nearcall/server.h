// Services behind one or several listening targets.
#ifndef NEARCALL_SERVER_H_
#define NEARCALL_SERVER_H_

#include <nearcall/time.h>

#include <chrono>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace nearcall {

class ChannelArguments;
class ChannelInterface;
class HealthCheckServiceInterface;
class ServerBuilder;
class Service;
namespace experimental {
class ClientInterceptorFactoryInterface;
}
namespace internal {
class ServerCore;
}

/// Made by ServerBuilder. Thread-safe.
class Server {
 public:
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  /// Shutdown(), then waits until every handler has returned; logs, each 10 s,
  /// what it waits for.
  ~Server();

  /// Blocks until the server has been shut down.
  void Wait();

  /// Takes no new calls and waits for the running ones, without end.
  void Shutdown();
  /// At the deadline the calls still running are cancelled, and it returns
  /// without waiting for handlers that do not notice. While another Shutdown is
  /// under way the sooner deadline counts for both.
  template <typename T>
  void Shutdown(const T& deadline) {
    ShutdownUntil(TimePoint<T>(deadline).time());
  }

  /// From now on one of `signals` ends the server: it takes no new calls, waits
  /// for the running ones for `grace`, then cancels them, and Wait() returns. A
  /// second signal cancels them at once, and the signals do again what they did
  /// before, so that a third one ends a process that is stuck.
  ///
  /// The signals' own handlers, if any, are replaced, not called, until the
  /// last server with that signal is destroyed; no other signal is touched, and
  /// no mask of the application's threads. They are taken even if every other
  /// thread has them blocked. Several servers may have the same signal: it ends
  /// all of them. In a forked child the signals do what they did before.
  ///
  /// False, with the reason logged to stderr: one of them cannot be handled
  /// (SIGKILL, SIGSTOP) or tells of a fault (SIGSEGV), or there is no thread to
  /// be had.
  bool ShutdownOnSignals(
      std::initializer_list<int> signals,
      std::chrono::nanoseconds grace = std::chrono::seconds(5));

  /// A channel to this server, within this process, whatever ports it has. The
  /// server does not wait for it, and calls after the end are UNAVAILABLE.
  std::shared_ptr<ChannelInterface> InProcessChannel(
      const ChannelArguments& arguments);

  /// What gRPC has under this name.
  class experimental_type {
   public:
    explicit experimental_type(Server* server) : server_(server) {}
    std::shared_ptr<ChannelInterface> InProcessChannelWithInterceptors(
        const ChannelArguments& arguments,
        std::vector<std::unique_ptr<
            nearcall::experimental::ClientInterceptorFactoryInterface>>
            interceptor_creators);

   private:
    Server* const server_;
  };
  experimental_type experimental() { return experimental_type(this); }
  /// Where the program says which of its services are serving; as long as the
  /// server. Null: it was built without (EnableDefaultHealthCheckService).
  HealthCheckServiceInterface* GetHealthCheckService() const {
    return health_.get();
  }

  /// The targets that clients use, one for each listening port, with what was
  /// chosen (a port number) filled in.
  std::vector<std::string> addresses() const;

 private:
  friend class ServerBuilder;
  Server(std::unique_ptr<internal::ServerCore> core,
         std::shared_ptr<HealthCheckServiceInterface> health,
         std::string in_process_target,
         std::vector<std::shared_ptr<Service>> services);
  void ShutdownUntil(std::chrono::system_clock::time_point deadline);

  const std::string in_process_target_;
  const std::vector<std::shared_ptr<Service>> services_;  ///< Plugins'.
  std::unique_ptr<internal::ServerCore> core_;
  const std::shared_ptr<HealthCheckServiceInterface> health_;
};

}  // namespace nearcall

#endif  // NEARCALL_SERVER_H_
