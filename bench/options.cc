#include "bench/options.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace bench {
namespace {

[[noreturn]] void Usage(const char* program, const std::string& mistake) {
  fprintf(
      stderr,
      "%s: %s\n"
      "use: %s --target=TARGET [--count=N] [--warmup=N] [--bytes=N]\n"
      "       [--case=full|plain] [--pace=MICROSECONDS]\n"
      "       [--beside-block=MICROSECONDS]\n"
      "full: each call has a deadline and two metadata entries.\n"
      "--beside-block: meanwhile another thread calls, on the same channel, a\n"
      "handler that blocks so long.\n"
      "The server runs in a process of its own, except for inproc:NAME; for\n"
      "pipe: the channel starts it, where the contender can.\n",
      program, mistake.c_str(), program);
  exit(2);
}

}  // namespace

Options ParseOptions(int argc, char** argv, std::string contender) {
  Options options;
  options.contender = std::move(contender);
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    const std::string value(
        equals == argument.npos ? "" : argument.substr(equals + 1));
    const auto number = [&](int least) {
      int result = 0;
      const char* const end = value.data() + value.size();
      const auto [stop, error] = std::from_chars(value.data(), end, result);
      if (error != std::errc() || stop != end || result < least) {
        Usage(argv[0], std::string(name) + " needs a whole number, at least " +
                           std::to_string(least) + ", not '" + value + "'");
      }
      return result;
    };
    if (name == "--target") {
      options.target = value;
    } else if (name == "--count") {
      options.count = number(1);
    } else if (name == "--warmup") {
      options.warmup = number(0);
    } else if (name == "--bytes") {
      options.bytes = static_cast<size_t>(number(0));
    } else if (name == "--pace") {
      options.pace_micros = number(0);
    } else if (name == "--beside-block") {
      options.beside_block_micros = number(1);
    } else if (name == "--case" && (value == "full" || value == "plain")) {
      options.full = value == "full";
    } else if (name == "--serve") {
      options.serve = true;
    } else {
      Usage(argv[0], "argument '" + std::string(argument) + "' is not known");
    }
  }
  if (options.target.empty()) Usage(argv[0], "--target is missing");
  return options;
}

}  // namespace bench
