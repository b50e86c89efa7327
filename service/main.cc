// attuned: parses flags, starts the server, waits for a signal, drains.

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <iostream>
#include <optional>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "google/protobuf/stubs/logging.h"
#include "service/health_check.h"
#include "service/options.h"
#include "service/server.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/spdlog.h"

namespace {

constexpr int kExitFailure = 1;

// Signals that end the process are waited for in main; every other thread has them blocked.
sigset_t TerminationSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

int Serve(const attune::service::Options& options) {
  const sigset_t signals = TerminationSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  auto server = attune::service::Server::Start(options);
  if (!server.ok()) {
    std::cerr << "attuned can't start: " << server.status().message() << "\n";
    return kExitFailure;
  }
  int signal = 0;
  sigwait(&signals, &signal);
  spdlog::info("received {}, draining", strsignal(signal));
  // A second signal means now: an operator's last word, and the way out of a drain that hangs.
  std::thread([signals] {
    int again = 0;
    sigwait(&signals, &again);
    _exit(kExitFailure);
  }).detach();
  const absl::Status drained = (*server)->Drain();
  if (!drained.ok()) {
    spdlog::error("drain: {}", std::string(drained.message()));
    return kExitFailure;
  }
  spdlog::info("drained");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // The packaged Abseil looks for cycles in the order of locks whenever one is taken, behind one
  // lock of the whole process, and aborts on one. That is for tests, not for who answers calls.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // gRPC's own log would say the same things twice and less clearly; who wants it sets the
  // variable.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  // Who sends what is not UTF-8 is told in the answer; a line on stderr for each could be made to
  // fill the disk.
  google::protobuf::SetLogHandler(nullptr);
  attune::service::Options options;
  if (const std::optional<int> status = attune::service::ParseOptions(argc, argv, options)) {
    return *status;
  }
  spdlog::set_default_logger(spdlog::stderr_color_mt("attuned"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);
  spdlog::set_level(spdlog::level::from_str(options.log_level));
  if (!options.health_check.empty()) {
    const absl::Status health =
        attune::service::CheckHealth(options.health_check, absl::Seconds(2));
    if (!health.ok()) std::cerr << std::string(health.message()) << "\n";
    return health.ok() ? 0 : kExitFailure;
  }
  if (options.validate_only) {
    return attune::service::ValidateStrategy(options) ? 0 : kExitFailure;
  }
  return Serve(options);
}
