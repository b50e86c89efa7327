#ifndef ATTUNE_SERVICE_METRICS_H_
#define ATTUNE_SERVICE_METRICS_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lib/candidates/rejection.h"
#include "lib/context/decision_context.h"
#include "lib/decision/decider.h"
#include "lib/evidence/evidence_fold.h"
#include "lib/registry/model_registry.h"
#include "lib/scoring/remote_scorer.h"
#include "lib/stops/stop_list.h"
#include "lib/storage/state_store.h"
#include "lib/strategy/strategy.h"
#include "lib/telemetry/metrics.h"
#include "service/active_strategy.h"

namespace attune::service {

// What the service counts about decisions. Every label combination is there from the start, with 0.
// Thread-safe; counting takes no lock.
class DecisionMetrics {
 public:
  // Most combinations of channel and treatment that have series of their own; the treatments of a
  // larger strategy are counted by group, with treatment "_any".
  static constexpr size_t kMaxTreatmentSeries = 10'000;

  // Most rules and contact policies with series of their own; those of a larger strategy are
  // counted as rule "_any".
  static constexpr int kMaxRuleSeries = 1'000;

  // `strategy` must outlive the metrics.
  DecisionMetrics(telemetry::Registry& registry, const strategy::Strategy& strategy);

  // A decision that was made now and for good: not one that was answered again, not a dry run.
  void Count(const context::DecisionContext& context, const decision::Decision& decision);
  void CountDryRun() { dry_runs_->Increment(); }
  void CountAnsweredAgain() { answered_again_->Increment(); }

 private:
  const strategy::Strategy& strategy_;
  // By channel x treatment; nullptr where the channel can't carry the treatment.
  std::vector<telemetry::Counter*> on_top_;
  // The same, by group, of those that exploration put there.
  std::vector<telemetry::Counter*> explored_;
  std::vector<telemetry::Counter*> empty_;         // by channel
  telemetry::Counter* empty_anywhere_;             // of those that left the channel open
  std::vector<telemetry::Counter*> rejections_;    // by number of the cause
  std::vector<telemetry::Counter*> model_errors_;  // by index of the model
  std::array<telemetry::Histogram*, decision::kStages> stages_{};
  telemetry::Counter* customer_unavailable_;
  telemetry::Counter* customer_damaged_;
  telemetry::Counter* not_remembered_;
  telemetry::Counter* score_not_finite_;
  telemetry::Counter* model_failed_;
  telemetry::Counter* unknown_customers_;
  telemetry::Counter* unknown_time_zones_;
  telemetry::Counter* incomplete_histories_;
  telemetry::Counter* dry_runs_;
  telemetry::Counter* answered_again_;
  telemetry::Counter* conflicts_;
};

// RED metrics of the gRPC methods, under the names that public dashboards expect. Thread-safe once
// built; counting takes no lock.
class RpcMetrics {
 public:
  // The methods by full name with their type ("unary", "client_stream", "bidi_stream"). Calls of
  // other methods are counted under grpc_service "unknown".
  RpcMetrics(telemetry::Registry& registry,
             const std::vector<std::pair<std::string, std::string>>& methods);

  // `method` is an index into `methods`, or -1.
  void CountStarted(int method);
  // `code` is a grpc::StatusCode.
  void CountHandled(int method, int code, int64_t nanos);
  // Bytes that were no message of their method.
  void CountMalformed() { malformed_->Increment(); }
  // A handler that threw.
  void CountException() { exceptions_->Increment(); }

 private:
  static constexpr int kCodes = 17;
  struct Method {
    telemetry::Counter* started = nullptr;
    std::array<telemetry::Counter*, kCodes> handled{};
    telemetry::Histogram* handling = nullptr;
  };
  Method& Find(int method) {
    const auto last = methods_.size() - 1;
    return methods_[method < 0 ? last : std::min(static_cast<size_t>(method), last)];
  }
  std::vector<Method> methods_;  // the last one is "unknown"
  telemetry::Counter* malformed_;
  telemetry::Counter* exceptions_;
};

// Exports what the store says about itself, read once per scrape. `store` must outlive the
// registry's last scrape.
void AddStoreMetrics(telemetry::Registry& registry, const storage::StateStore* store);

// Exports how many treatments and groups of the active strategy are stopped. `stops` must outlive
// the registry's last scrape.
void AddStopMetrics(telemetry::Registry& registry, const stops::StopList* stops);

// Exports how far the ramps of the catalog have come, and what became of the events that they are
// counted from. Both must outlive the registry's last scrape.
void AddRampMetrics(telemetry::Registry& registry, const catalog::Catalog& catalog,
                    const evidence::EvidenceFold* evidence);

// Exports the version of the program, of the strategy that decides and of its models. `strategy` is
// asked on every scrape.
void AddInfoMetrics(telemetry::Registry& registry,
                    const std::function<std::shared_ptr<const strategy::Strategy>()>& strategy);

// Exports what became of the calls to the server of a remote model, and whether it is left alone.
void AddRemoteModelMetrics(telemetry::Registry& registry, const std::string& model,
                           const std::shared_ptr<const scoring::RemoteScorer>& scorer);

// What becomes of versions of models. Thread-safe; counting takes no lock.
class ModelMetrics {
 public:
  // `models` must outlive the registry's last scrape.
  ModelMetrics(telemetry::Registry& registry, const registry::ModelRegistry* models);

  // The strategy decides with another version of a model.
  void CountSwap() { swaps_->Increment(); }
  void CountRefusal(ModelRefusal refusal) { refusals_[static_cast<size_t>(refusal)]->Increment(); }

 private:
  telemetry::Counter* swaps_;
  std::array<telemetry::Counter*, kModelRefusals> refusals_{};
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_METRICS_H_
