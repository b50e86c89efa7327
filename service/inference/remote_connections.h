#ifndef ATTUNE_SERVICE_INFERENCE_REMOTE_CONNECTIONS_H_
#define ATTUNE_SERVICE_INFERENCE_REMOTE_CONNECTIONS_H_

#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "lib/base/clock.h"
#include "lib/base/mutex.h"
#include "lib/scoring/remote_scorer.h"

namespace attune::service {

// The connections of the remote models of a strategy. They outlive a swap of other models, and so
// do the breakers and what was counted. Thread-safe.
class RemoteConnections : public scoring::RemoteConnector {
 public:
  // `clock` is the system's time, also in a replay, and outlives the object and its scorers.
  explicit RemoteConnections(const Clock* clock) : clock_(clock) {}

  // When the settings are new, asks the server what the model takes, for half a second at most.
  std::shared_ptr<scoring::RemoteScorer> Connect(const std::string& name,
                                                 const scoring::RemoteSettings& settings,
                                                 std::string& warning) override
      ABSL_LOCKS_EXCLUDED(mutex_);

  // By name of the model.
  std::map<std::string, std::shared_ptr<const scoring::RemoteScorer>> scorers() const
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const Clock* const clock_;
  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<scoring::RemoteScorer>> scorers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_INFERENCE_REMOTE_CONNECTIONS_H_
