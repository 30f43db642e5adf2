// Services behind one or several listening targets.
#ifndef NEARCALL_SERVER_H_
#define NEARCALL_SERVER_H_

#include <nearcall/time.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace nearcall {

class ServerBuilder;
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
  /// without waiting for handlers that do not notice.
  template <typename T>
  void Shutdown(const T& deadline) {
    ShutdownUntil(TimePoint<T>(deadline).time());
  }

  /// The targets that clients use, one for each listening port, with what was
  /// chosen (a port number) filled in.
  std::vector<std::string> addresses() const;

 private:
  friend class ServerBuilder;
  explicit Server(std::unique_ptr<internal::ServerCore> core);
  void ShutdownUntil(std::chrono::system_clock::time_point deadline);

  std::unique_ptr<internal::ServerCore> core_;
};

}  // namespace nearcall

#endif  // NEARCALL_SERVER_H_
