#include "service/inference/remote_connections.h"

#include "absl/time/time.h"
#include "service/inference/inference_client.h"

namespace attune::service {
namespace {

constexpr absl::Duration kMetadataPatience = absl::Milliseconds(500);

}  // namespace

std::shared_ptr<scoring::RemoteScorer> RemoteConnections::Connect(
    const std::string& name, const scoring::RemoteSettings& settings, std::string& warning) {
  {
    MutexLock lock(mutex_);
    const auto known = scorers_.find(name);
    if (known != scorers_.end() && known->second->settings() == settings) return known->second;
  }
  auto scorer =
      std::make_shared<scoring::RemoteScorer>(settings, ConnectToInferenceServer(settings), clock_);
  warning = InferenceServerProblem(settings, kMetadataPatience);
  MutexLock lock(mutex_);
  scorers_[name] = scorer;
  return scorer;
}

std::map<std::string, std::shared_ptr<const scoring::RemoteScorer>> RemoteConnections::scorers()
    const {
  MutexLock lock(mutex_);
  return {scorers_.begin(), scorers_.end()};
}

}  // namespace attune::service
