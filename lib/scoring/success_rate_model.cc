#include "lib/scoring/success_rate_model.h"

#include "absl/strings/str_cat.h"
#include "lib/scoring/learned_models.h"

namespace attune::scoring {
namespace {

namespace pb = attune::strategy::v1;

constexpr double kDefaultRatePrior = 0.05;
// As many showings as the default prior has one good of.
constexpr double kDefaultRateStrength = 20;
constexpr double kMinRatePrior = 1e-6;
constexpr double kMinRateStrength = 1e-3;
constexpr double kMaxRateStrength = 1e9;

}  // namespace

std::unique_ptr<const SuccessRateModel> SuccessRateModel::Create(
    const pb::ModelReference& reference, const InputNames& names, InputTable& inputs,
    const ReportIssue& report) {
  const pb::SuccessRate& file = reference.success_rate();
  std::unique_ptr<SuccessRateModel> model(new SuccessRateModel());
  model->name_ = reference.name();
  model->prior_ = file.has_prior() ? file.prior() : kDefaultRatePrior;
  model->strength_ = file.has_prior_strength() ? file.prior_strength() : kDefaultRateStrength;
  const bool is_prior = model->prior_ >= kMinRatePrior && model->prior_ <= 1 - kMinRatePrior;
  if (!is_prior) {
    report("success_rate.prior", absl::StrCat("must be between ", kMinRatePrior, " and 1 - ",
                                              kMinRatePrior, ", not ", model->prior_));
  }
  const bool is_strength =
      model->strength_ >= kMinRateStrength && model->strength_ <= kMaxRateStrength;
  if (!is_strength) {
    report("success_rate.prior_strength",
           absl::StrCat("must be between ", kMinRateStrength, " and ", kMaxRateStrength, ", not ",
                        model->strength_));
  }
  if (!is_prior || !is_strength) return nullptr;
  for (const catalog::Treatment& treatment : names.catalog.treatments) {
    model->treatments_.push_back(treatment.number);
  }
  const Input channel{.source = Input::Source::kChannel, .slot = 0, .type = ValueType::kString};
  const int index = inputs.AddCategorical(channel);
  model->channel_ = static_cast<size_t>(index);
  for (int i = 0; i < names.context.channels.size(); ++i) {
    int32_t category = 0;
    inputs.AddCategory(channel, index, names.context.channels[i].name, category);
    const auto place = static_cast<size_t>(category);
    if (model->channels_.size() <= place) model->channels_.resize(place + 1);
    model->channels_[place] = names.context.channels[i].number;
  }
  return model;
}

learning::RateEstimate SuccessRateModel::EstimateOf(const InputFrame& frame, int treatment) const {
  learning::SuccessRates::Counts counts;
  if (frame.learned != nullptr && frame.learned->rates != nullptr) {
    const auto channel = static_cast<size_t>(frame.category[channel_]);
    counts =
        frame.learned->rates->Of(treatments_[static_cast<size_t>(treatment)], channels_[channel]);
  }
  return learning::EstimateRate(counts.positives, counts.shown, prior_, strength_);
}

ModelFailure SuccessRateModel::PredictBatch(const Batch& batch, const Predictions& predictions,
                                            ModelScratch& /*scratch*/) const {
  for (size_t i = 0; i < batch.treatments.size(); ++i) {
    const learning::RateEstimate estimate = EstimateOf(batch.frame, batch.treatments[i]);
    predictions.propensity[i] = estimate.mean;
    predictions.deviation[i] = estimate.deviation;
  }
  return ModelFailure::kNone;
}

void SuccessRateModel::Predict(const InputFrame& frame, absl::Span<const int> treatments,
                               absl::Span<double> propensity, ModelScratch& /*scratch*/) const {
  for (size_t i = 0; i < treatments.size(); ++i) {
    propensity[i] = EstimateOf(frame, treatments[i]).mean;
  }
}

std::string SuccessRateModel::Noun() const { return absl::StrCat("success rate ", name_); }

}  // namespace attune::scoring
