#include "service/learner_metrics.h"

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lib/outcome/outcome.h"

namespace attune::service {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// Adds the metrics of one prediction's health: of the model's own, or of what decisions went by.
class HealthMetrics {
 public:
  // `health`: where it is in the report, at every scrape.
  HealthMetrics(telemetry::Registry& registry, const std::string& model, const std::string& of,
                std::function<const learning::HealthReport&()> health)
      : registry_(registry), labels_{{"model", model}, {"of", of}}, health_(std::move(health)) {}

  void Add() {
    using Health = learning::HealthReport;
    Counter("attune_model_responses_total",
            "Treatments that were shown and of which it is known what came, by the adaptive model, "
            "of its own predictions or of those that were served.",
            [](const Health& h) { return static_cast<double>(h.responses); });
    Counter("attune_model_positives_total", "How many of a model's responses were good.",
            [](const Health& h) { return h.positives; });
    Gauge("attune_model_log_loss", "Mean log-loss of a model's recent predictions, in nats.",
          [](const Health& h) { return h.recent > 0 ? h.log_loss : kUnknown; });
    Gauge("attune_model_constant_log_loss",
          "What the log-loss would be if a model always said the recent rate.",
          [](const Health& h) { return h.recent > 0 ? h.constant_log_loss : kUnknown; });
    Gauge("attune_model_auc", "Area under the ROC curve of a model's recent predictions.",
          [](const Health& h) { return h.auc.value_or(kUnknown); });
    Gauge("attune_model_last_update_timestamp_seconds",
          "When the latest response of a model settled, Unix time.", [](const Health& h) {
            return h.responses > 0 ? absl::ToDoubleSeconds(h.last_update - absl::UnixEpoch())
                                   : kUnknown;
          });
    for (size_t bin = 0; bin < Health::kCalibrationBins; ++bin) AddBin(bin);
  }

 private:
  using Read = double (*)(const learning::HealthReport&);

  void Counter(const char* name, const char* help, Read read) {
    registry_.AddCounterFunction(
        name, help, [health = health_, read] { return read(health()); }, labels_);
  }
  void Gauge(const char* name, const char* help, Read read) {
    registry_.AddGauge(
        name, help, [health = health_, read] { return read(health()); }, labels_);
  }
  void AddBin(size_t bin) {
    telemetry::Labels labels = labels_;
    labels.emplace_back("bin", absl::StrCat(bin + 1));
    const auto add = [&](const char* name, const char* help,
                         double learning::HealthReport::CalibrationBin::*value) {
      registry_.AddGauge(
          name, help,
          [health = health_, bin, value] {
            const auto& of = health().calibration[bin];
            return of.count > 0 ? of.*value : kUnknown;
          },
          labels);
    };
    add("attune_model_calibration_expected",
        "Mean prediction of each tenth of a model's recent responses, from the lowest on.",
        &learning::HealthReport::CalibrationBin::expected);
    add("attune_model_calibration_observed", "The share of good ones in each of these tenths.",
        &learning::HealthReport::CalibrationBin::observed);
  }

  telemetry::Registry& registry_;
  const telemetry::Labels labels_;
  const std::function<const learning::HealthReport&()> health_;
};

void AddOutcomeMetrics(telemetry::Registry& registry,
                       const std::shared_ptr<const LearnerReport>& report) {
  using Counts = outcome::AttributionCounts;
  const auto add = [&](const std::string& result, auto read) {
    registry.AddCounterFunction(
        "attune_learner_outcomes_total",
        "Outcomes that were joined to their treatments, or not: by the result.",
        [report, read] { return static_cast<double>(read(report->attribution)); },
        {{"result", result}});
  };
  add("attributed", [](const Counts& c) { return c.attributed; });
  add("after_settled", [](const Counts& c) { return c.after_settled; });
  add("not_on_top", [](const Counts& c) { return c.not_on_top; });
  add("without_treatment", [](const Counts& c) { return c.without_treatment; });
  add("too_many", [](const Counts& c) { return c.too_many; });
  add("unknown_outcome", [](const Counts& c) { return c.unknown_outcome; });
  add("unknown_status", [](const Counts& c) { return c.by_status[0]; });
  for (size_t status = 1; status <= outcome::kStatuses; ++status) {
    // What was recorded or early is one of the above.
    if (status == static_cast<size_t>(outcome::Status::kRecorded) ||
        status == static_cast<size_t>(outcome::Status::kEarly)) {
      continue;
    }
    add(std::string(outcome::StatusName(static_cast<outcome::Status>(status))),
        [status](const Counts& c) { return c.by_status[status]; });
  }
}

}  // namespace

void AddLearnerMetrics(telemetry::Registry& registry, const Learner* learner) {
  // Scrapes are serialised by the registry, so the report needs no lock of its own.
  auto report = std::make_shared<LearnerReport>(learner->Report());
  registry.BeforeScrape([learner, report] { *report = learner->Report(); });
  for (size_t i = 0; i < report->models.size(); ++i) {
    const ModelReport& model = report->models[i];
    if (model.mode != strategy::AdaptiveUse::Mode::kLogging) {
      HealthMetrics(registry, model.name, "own", [report, i]() -> const learning::HealthReport& {
        return report->models[i].health;
      }).Add();
    }
    HealthMetrics(registry, model.name, "served", [report, i]() -> const learning::HealthReport& {
      return report->models[i].served;
    }).Add();
    for (size_t input = 0; input < model.inputs.size(); ++input) {
      registry.AddGauge(
          "attune_model_input_drift",
          "Population stability index of an input's recent values against the first ones.",
          [report, i, input] { return report->models[i].health.drift[input].value_or(kUnknown); },
          {{"model", model.name}, {"input", model.inputs[input]}});
    }
  }
  registry.AddGauge("attune_learner_lag_seconds",
                    "How long ago it was recorded what is to be learned next; 0: nothing is.",
                    [report] { return absl::ToDoubleSeconds(report->lag); });
  registry.AddGauge("attune_learner_lag_positions",
                    "How many positions of the log are to be read yet, at least as many as events; "
                    "0: nothing is.",
                    [report] { return static_cast<double>(report->lag_positions); });
  registry.AddGauge("attune_learner_waiting_treatments",
                    "Treatments of decisions that wait for their outcomes.",
                    [report] { return static_cast<double>(report->waiting); });
  const auto counter = [&](const char* name, const char* help, auto read) {
    registry.AddCounterFunction(name, help,
                                [learner, read] { return static_cast<double>(read(*learner)); });
  };
  counter("attune_learner_events_total", "Events of the log that were read to learn from.",
          [](const Learner& l) { return l.events(); });
  counter(
      "attune_learner_gaps_total",
      "How often events had left the log before they were learned from: what they told is lost.",
      [](const Learner& l) { return l.gaps(); });
  counter("attune_learner_missed_positions_total",
          "Positions of the log that were passed over: their events had left it before they were "
          "learned from, or can't be read.",
          [](const Learner& l) { return l.missed_positions(); });
  counter("attune_learner_lost_log_ends_total",
          "How often, at the start, the log ended before what was learned: it has lost its last "
          "events.",
          [](const Learner& l) { return l.lost_ends(); });
  counter("attune_learner_clock_jumps_total",
          "How often the clock jumped, so that no window was closed by it until it had gone on "
          "evenly for a while.",
          [](const Learner& l) { return l.clock_jumps(); });
  counter("attune_learner_failures_total",
          "How often learning from the log failed, or events could not be read.",
          [](const Learner& l) { return l.failures(); });
  counter("attune_learner_checkpoint_failures_total",
          "How often what was learned could not be stored.",
          [](const Learner& l) { return l.save_failures(); });
  registry.AddCounterFunction(
      "attune_learner_learned_treatments_total",
      "Treatments that were shown and are settled, since the first event that was learned from.",
      [report] { return static_cast<double>(report->attribution.learned); });
  const auto unlearned = [&](const char* reason, auto read) {
    registry.AddCounterFunction(
        "attune_learner_unlearned_total", "What could not be learned from, by the reason.",
        [report, read] { return static_cast<double>(read(*report)); }, {{"reason", reason}});
  };
  using Of = LearnerReport;
  unlearned("never_shown", [](const Of& r) { return r.attribution.never_shown; });
  unlearned("no_room", [](const Of& r) { return r.attribution.no_room; });
  unlearned("left_the_log", [](const Of& r) { return r.attribution.left_the_log; });
  unlearned("erased", [](const Of& r) { return r.attribution.erased; });
  unlearned("damaged", [](const Of& r) { return r.attribution.damaged + r.unlearned.damaged; });
  unlearned("formula_failed", [](const Of& r) { return r.attribution.formula_failed; });
  unlearned("not_declared",
            [](const Of& r) { return r.attribution.unknown_treatment + r.unlearned.undeclared; });
  unlearned("refused", [](const Of& r) { return r.unlearned.refused; });
  AddOutcomeMetrics(registry, report);
}

}  // namespace attune::service
