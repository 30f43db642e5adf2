// The command line that every unary contender has, so that a driver can run
// one or the other without knowing which.
#ifndef NEARCALL_BENCH_OPTIONS_H_
#define NEARCALL_BENCH_OPTIONS_H_

#include <string>

namespace bench {

struct Options {
  std::string target;
  std::string contender;  ///< The name in the output line.
  int count = 20000;
  int warmup = 2000;
  size_t bytes = 64;
  int pace_micros = 0;  ///< Rest before each call.
  /// Each call has a deadline and two metadata entries.
  bool full = true;
  /// Another thread calls a handler that blocks this long, one call after the
  /// other on the same channel.
  int beside_block_micros = 0;
  /// This process is the server of a client that started it.
  bool serve = false;
};

/// Ends the process with a usage text when an argument is wrong.
Options ParseOptions(int argc, char** argv, std::string contender);

}  // namespace bench

#endif  // NEARCALL_BENCH_OPTIONS_H_
