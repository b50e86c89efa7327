#ifndef ATTUNE_SERVICE_SERVER_H_
#define ATTUNE_SERVICE_SERVER_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "lib/base/clock.h"
#include "lib/storage/rocksdb_store.h"
#include "lib/storage/state_store.h"
#include "lib/telemetry/metrics.h"
#include "service/options.h"

namespace attune::service {

// The whole process: store, strategy, gRPC services, metrics endpoint, housekeeping. Thread-safe.
class Server {
 public:
  // How the store is opened; empty: as attuned does. For tests of what a broken disk does.
  using OpenStoreWith = std::function<absl::StatusOr<std::unique_ptr<storage::StateStore>>(
      const storage::RocksDbOptions&)>;

  // Opens the store, loads the strategy, and serves. Whatever is wrong is an error with a message
  // that says what to do; nothing is left running then. `clock` is the time of day: nullptr is the
  // system's; it must outlive the server and is not looked at with options.replay_clock.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Options& options,
                                                       const Clock* clock = nullptr,
                                                       const OpenStoreWith& open = {});
  // Drains.
  virtual ~Server() = default;

  // The ports that were bound; the metrics port is 0 when there is no endpoint.
  virtual int port() const = 0;
  virtual int metrics_port() const = 0;
  virtual const telemetry::Registry& metrics() const = 0;

  // Counts the evidence of treatments up to what has happened now, which housekeeping else does
  // once a second. For tests, which don't wait.
  virtual absl::Status CountEvidence() = 0;

  // Learns from what has happened up to now, which a thread else does ten times a second; the next
  // decision sees it. For tests, which don't wait. OK without learning in the strategy.
  virtual absl::Status LearnFromOutcomes() = 0;

  // Stops in this order: health says NOT_SERVING; drain_delay passes; no more calls are accepted
  // and those in flight finish, at most drain_timeout; housekeeping and learning stop;
  // evidence and what was learned are stored, the store is synced and closed. OK when all of it
  // went well. Once; later calls return
  // the same.
  virtual absl::Status Drain() = 0;
};

// Loads the strategy as Start does, without a store. Prints what is wrong to stderr.
bool ValidateStrategy(const Options& options);

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_SERVER_H_
