#ifndef ATTUNE_SERVICE_OPTIONS_H_
#define ATTUNE_SERVICE_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "service/stored_files.h"

namespace attune::service {

// What attuned is told on its command line. None of it changes while the process runs.
struct Options {
  // The strategy file. Required, but for health_check.
  std::string strategy;
  // Models for the registry, as far as it has none of that name yet.
  std::vector<StoredFile> stored;
  // Folder of the state store; created when absent. Required to serve.
  std::string data_dir;
  // Address of the gRPC server; port 0: any free one.
  std::string listen = "127.0.0.1:7070";
  // Address of the Prometheus endpoint (path /metrics); empty: none.
  std::string metrics_listen = "127.0.0.1:9464";
  // Completion queues, each with one thread that decides in place; 0: one per two cores.
  int threads = 0;
  // Fixes what is drawn, ids of decisions for one; absent: the store's own random seed.
  std::optional<uint64_t> seed;
  // Requests with a time drive the clock; for replays of the past.
  bool replay_clock = false;
  // How far a request's time may be from the clock.
  absl::Duration max_clock_skew = absl::Minutes(5);
  // Memory of the store for customers' records and for blocks of files, MiB.
  uint64_t cache_mb = 256;
  // How much of the log of decisions is kept, MiB. Outcomes of decisions that are gone from it are
  // not attributed, so that it should reach back over the strategy's windows.
  uint64_t log_max_mb = 4096;
  // How often what was learned is stored: what is not, the next start learns from the log anew.
  // Zero: nearly all the time. At most an hour.
  absl::Duration learner_save_period = absl::Seconds(10);
  // How old its events may become; 0: as old as log_max_mb allows. At least what the strategy's
  // windows reach back.
  absl::Duration log_max_age = absl::ZeroDuration();
  // Treatments that may wait for their outcomes to be learned from, about 400 bytes of memory each
  // at most. With more the newest are not learned from.
  uint64_t learner_max_waiting = 500'000;
  // How long SIGTERM waits between reporting NOT_SERVING and taking no more calls.
  absl::Duration drain_delay = absl::ZeroDuration();
  // How long calls in flight may take to finish after that.
  absl::Duration drain_timeout = absl::Seconds(10);
  // trace, debug, info, warn, error.
  std::string log_level = "info";

  // Check the strategy and the flags, and exit.
  bool validate_only = false;
  // Ask the server at this address whether it serves, and exit.
  std::string health_check;
};

// Reads the command line. Returns the exit status when the process has nothing more to do: 0 after
// --help or --version, 2 after a wrong flag, with a message on stderr.
std::optional<int> ParseOptions(int argc, char** argv, Options& options);

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_OPTIONS_H_
