#include "service/model_health_answer.h"

#include <string>

#include "absl/time/time.h"
#include "service/value_conversion.h"

namespace attune::service {
namespace {

namespace pb = attune::v1;
using Mode = strategy::AdaptiveUse::Mode;

void FillPredictions(const learning::HealthReport& health, pb::PredictionHealth* out) {
  out->set_responses(static_cast<int64_t>(health.responses));
  out->set_positives(health.positives);
  if (health.responses > 0) {
    ToProto(absl::ToUnixMicros(health.last_update), out->mutable_last_update());
  }
  out->set_recent(health.recent);
  if (!(health.recent > 0)) return;
  out->set_log_loss(health.log_loss);
  out->set_constant_log_loss(health.constant_log_loss);
  if (health.auc) out->set_auc(*health.auc);
  for (const learning::HealthReport::CalibrationBin& bin : health.calibration) {
    pb::CalibrationBin* added = out->add_calibration();
    added->set_responses(bin.count);
    added->set_expected(bin.expected);
    added->set_observed(bin.observed);
  }
}

}  // namespace

std::string_view AdaptiveModeName(Mode mode) {
  switch (mode) {
    case Mode::kOnline:
      return "online";
    case Mode::kShadow:
      return "shadow";
    case Mode::kLogging:
      return "logging";
  }
  return "unknown";
}

void FillModelHealth(const strategy::Strategy& strategy, const LearnerReport& report, size_t model,
                     const std::vector<RateReport>& rates,
                     pb::ModelServiceGetHealthResponse* response) {
  const ModelReport& of = report.models[model];
  response->set_name(of.name);
  response->set_version(of.version);
  response->set_mode(std::string(AdaptiveModeName(of.mode)));
  response->set_examples(static_cast<int64_t>(of.examples));
  if (of.mode != Mode::kLogging) FillPredictions(of.health, response->mutable_own());
  FillPredictions(of.served, response->mutable_served());
  for (size_t i = 0; i < of.inputs.size(); ++i) {
    pb::InputDrift* drift = response->add_drift();
    drift->set_input(of.inputs[i]);
    if (of.health.drift[i]) drift->set_index(*of.health.drift[i]);
  }
  for (const RateReport& rate : rates) {
    const auto treatment = static_cast<size_t>(rate.treatment);
    if (!strategy.adaptive[model].treatments[treatment]) continue;
    FillRate(strategy, rate, response->add_rates());
  }
  const int64_t lag_ns = absl::ToInt64Nanoseconds(report.lag);
  constexpr int64_t kNanosPerSecond = 1'000'000'000;
  response->mutable_lag()->set_seconds(lag_ns / kNanosPerSecond);
  response->mutable_lag()->set_nanos(static_cast<int32_t>(lag_ns % kNanosPerSecond));
  response->set_lag_positions(static_cast<int64_t>(report.lag_positions));
  response->set_waiting(static_cast<int64_t>(report.waiting));
}

void FillRate(const strategy::Strategy& strategy, const RateReport& rate, pb::TreatmentRate* out) {
  out->set_treatment_id(strategy.catalog.treatments[static_cast<size_t>(rate.treatment)].name);
  out->set_channel(strategy.context.channels[rate.channel].name);
  out->set_shown(static_cast<int64_t>(rate.counts.shown));
  out->set_positives(static_cast<int64_t>(rate.counts.positives));
  const auto interval = learning::WilsonInterval(rate.counts.positives, rate.counts.shown);
  out->set_rate(interval.rate);
  out->set_low(interval.low);
  out->set_high(interval.high);
  out->set_mean_reward(rate.counts.MeanReward());
  out->set_mean_reward_error(rate.counts.MeanRewardError());
}

}  // namespace attune::service
