// The unary latency bench, written once against the API that nearcall shares
// with gRPC: latency.cc and grpc_contender.cc name the library as `rpc`,
// include its generated bench::Echo, and then this file. So no contender's loop
// differs.
#ifndef NEARCALL_BENCH_UNARY_H_
#define NEARCALL_BENCH_UNARY_H_

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/child.h"
#include "bench/options.h"

namespace bench {

class EchoService final : public Echo::Service {
  rpc::Status Unary(rpc::ServerContext* /*context*/, const Payload* request,
                    Payload* reply) override {
    if (request->block_micros() > 0) usleep(request->block_micros());
    reply->set_body(request->body());
    return rpc::Status::OK;
  }
};

inline int64_t MonotonicNanos() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// One call as a program makes it, its context included; the time in
/// nanoseconds. Ends the process when the call fails.
inline int64_t TimedCall(Echo::Stub* stub, const Options& options,
                         const Payload& request, Payload* reply) {
  const int64_t start = MonotonicNanos();
  rpc::ClientContext context;
  if (options.full) {
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(10));
    context.AddMetadata("x-request-id", "0123456789abcdef");
    context.AddMetadata("x-tenant", "bench");
  }
  const rpc::Status status = stub->Unary(&context, request, reply);
  const int64_t nanos = MonotonicNanos() - start;
  if (!status.ok() || reply->body().size() != request.body().size()) {
    fprintf(stderr, "bench: a call failed on '%s': code %d, %s\n",
            options.target.c_str(), static_cast<int>(status.error_code()),
            status.error_message().c_str());
    exit(1);
  }
  return nanos;
}

/// Keeps calling a handler that blocks, on one stub, until it is destroyed.
class BlockingCalls {
 public:
  BlockingCalls(Echo::Stub* stub, const Options& options)
      : thread_([this, stub, options] {
          Payload request;
          request.set_block_micros(options.beside_block_micros);
          Payload reply;
          while (!stop_) TimedCall(stub, options, request, &reply);
        }) {}
  ~BlockingCalls() {
    stop_ = true;
    thread_.join();
  }
  BlockingCalls(const BlockingCalls&) = delete;
  BlockingCalls& operator=(const BlockingCalls&) = delete;

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

/// Measures and prints one line of key=value pairs. `server_cpu` tells the CPU
/// time of the server's process, where that is another one.
inline void MeasureUnary(const std::shared_ptr<rpc::Channel>& channel,
                         const Options& options,
                         const std::function<int64_t()>& server_cpu) {
  const auto stub = Echo::NewStub(channel);
  Payload request;
  request.set_body(std::string(options.bytes, 'x'));
  Payload reply;
  for (int i = 0; i < options.warmup; ++i) {
    TimedCall(stub.get(), options, request, &reply);
  }
  std::optional<BlockingCalls> blocking;
  if (options.beside_block_micros > 0) blocking.emplace(stub.get(), options);
  std::vector<int64_t> nanos(options.count);
  const auto cpu = [&server_cpu] {
    return OwnCpuNanos() + (server_cpu ? server_cpu() : 0);
  };
  const int64_t cpu_before = cpu();
  for (int64_t& sample : nanos) {
    if (options.pace_micros > 0) usleep(options.pace_micros);
    sample = TimedCall(stub.get(), options, request, &reply);
  }
  const int64_t cpu_per_call = (cpu() - cpu_before) / options.count;
  std::sort(nanos.begin(), nanos.end());
  const auto at = [&nanos](double quantile) {
    return static_cast<long>(nanos[static_cast<size_t>(
        quantile * static_cast<double>(nanos.size()))]);
  };
  printf(
      "contender=%s case=%s bytes=%zu count=%d p50_ns=%ld p90_ns=%ld "
      "p99_ns=%ld p999_ns=%ld cpu_ns=%ld\n",
      options.contender.c_str(), options.full ? "full" : "plain", options.bytes,
      options.count, at(0.5), at(0.9), at(0.99), at(0.999),
      static_cast<long>(cpu_per_call));
}

/// Contender has a name, Listen(builder, target), and Connect(server, target),
/// where the server is null unless it runs in this process.
template <typename Contender>
int UnaryMain(int argc, char** argv) {
  const Options options = ParseOptions(argc, argv, Contender::kName);
  const bool in_process = options.target.starts_with("inproc:");
  EchoService service;
  std::unique_ptr<rpc::Server> server;
  if (options.serve || in_process) {
    rpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(64 << 20);
    builder.RegisterService(&service);
    Contender::Listen(&builder, options.target);
    server = builder.BuildAndStart();
    if (server == nullptr) {
      fprintf(stderr, "bench: cannot serve '%s'\n", options.target.c_str());
      return 1;
    }
  }
  const bool started_by_channel = options.target == "pipe:";
  if (options.serve && started_by_channel) {
    server->Wait();
  } else if (options.serve) {
    ServeUntilParentLetsGo();
  } else if (started_by_channel) {
    MeasureUnary(Contender::Connect(nullptr, "pipe:'" + ThisProgram() +
                                                 "' --serve --target=pipe:"),
                 options, &OnlyChildCpuNanos);
  } else if (in_process) {
    MeasureUnary(Contender::Connect(server.get(), options.target), options,
                 nullptr);
  } else {
    const Child child(options.target);
    MeasureUnary(Contender::Connect(nullptr, options.target), options,
                 [&child] { return child.CpuNanos(); });
  }
  if (server != nullptr) server->Shutdown();
  return 0;
}

}  // namespace bench

#endif  // NEARCALL_BENCH_UNARY_H_
