#include "lib/learning/adaptive_model.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace attune::learning {
namespace {

void CheckVariances(const char* name, const PriorVariances& variances,
                    std::vector<std::string>& problems) {
  const auto check = [&](const char* effect, double variance) {
    if (variance >= AdaptiveModel::kMinVariance && variance <= AdaptiveModel::kMaxVariance) return;
    problems.push_back(absl::StrFormat("the variance of the %s of %s is %g; it must be %g to %g",
                                       name, effect, variance, AdaptiveModel::kMinVariance,
                                       AdaptiveModel::kMaxVariance));
  };
  check("all treatments", variances.all);
  check("groups", variances.group);
  check("treatments", variances.treatment);
}

// The mean of log-odds that, as uncertain as the intercepts are, give the prior: Moderated
// backwards.
double MeanOfPrior(const AdaptiveOptions& options) {
  const PriorVariances& intercept = options.intercept;
  const double variance = intercept.all + intercept.group + intercept.treatment;
  return std::log(options.prior / (1 - options.prior)) *
         std::sqrt(1 + std::numbers::pi / 8 * variance);
}

}  // namespace

absl::StatusOr<AdaptiveModel> AdaptiveModel::Create(std::shared_ptr<const InputLayout> layout,
                                                    const AdaptiveOptions& options) {
  std::vector<std::string> problems;
  CheckVariances("intercept", options.intercept, problems);
  CheckVariances("weights", options.weight, problems);
  if (options.half_life < absl::ZeroDuration()) {
    problems.push_back(absl::StrFormat("half_life is %s; it must not be negative",
                                       absl::FormatDuration(options.half_life)));
  }
  if (!(options.prior > 0 && options.prior < 1)) {
    problems.push_back(
        absl::StrFormat("the prior is %g; it must be above 0 and below 1", options.prior));
  }
  if (options.max_treatments == 0) problems.emplace_back("max_treatments must be above 0");
  if (options.max_groups == 0) problems.emplace_back("max_groups must be above 0");
  const uint64_t effects = 1 + uint64_t{options.max_groups} + options.max_treatments;
  if (effects * layout->weights() > kMaxWeights) {
    problems.push_back(absl::StrFormat(
        "%d treatments and %d groups with %d weights each are more than %d weights: lower "
        "max_treatments, or the weights of inputs",
        options.max_treatments, options.max_groups, layout->weights(), kMaxWeights));
  }
  if (!problems.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems, "\n"));
  return AdaptiveModel(std::move(layout), options);
}

AdaptiveModel::AdaptiveModel(std::shared_ptr<const InputLayout> layout,
                             const AdaptiveOptions& options)
    : layout_(std::move(layout)),
      options_(options),
      intercept_mean_(MeanOfPrior(options)),
      encoder_(std::make_shared<const InputEncoder>(layout_)),
      decay_(options.half_life),
      sample_(layout_->columns()),
      all_(NewEffect()),
      numbers_(layout_->columns()) {}

AdaptiveModel::Effect AdaptiveModel::NewEffect() const {
  return {std::vector<double>(layout_->weights()), std::vector<double>(layout_->weights())};
}

template <typename Visitor>
void AdaptiveModel::ForEachEffect(Visitor visit) {
  visit(all_);
  for (auto& [group, effect] : groups_) visit(effect);
  for (auto& [number, treatment] : treatments_) visit(treatment.effect);
}

absl::Status AdaptiveModel::Check(const Example& example) const {
  if (!(example.label >= 0 && example.label <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the label is %g; it must be 0 to 1", example.label));
  }
  if (!(example.weight > 0 && example.weight <= kMaxExampleWeight)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the weight is %g; it must be above 0 and at most %g", example.weight, kMaxExampleWeight));
  }
  if (TrustedTime(example.time, example.written) == absl::InfiniteFuture()) {
    return absl::InvalidArgumentError("the time is infinite, and when it was written is not known");
  }
  if (example.inputs.size() != layout_->inputs().size()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "there are %d inputs; the model has %d", example.inputs.size(), layout_->inputs().size()));
  }
  if (treatments_.size() >= options_.max_treatments && !treatments_.contains(example.treatment) &&
      FindForgotten(TrustedTime(example.time, example.written)) == treatments_.end()) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("the model has %d treatments, which is max_treatments, and none of them is "
                        "nearly forgotten",
                        treatments_.size()));
  }
  if (groups_.size() >= options_.max_groups && !groups_.contains(example.group)) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("the model has %d groups, which is max_groups", groups_.size()));
  }
  return absl::OkStatus();
}

auto AdaptiveModel::FindForgotten(absl::Time time) const
    -> std::map<uint32_t, Treatment>::const_iterator {
  const auto least = std::min_element(
      treatments_.begin(), treatments_.end(),
      [](const auto& a, const auto& b) { return a.second.evidence < b.second.evidence; });
  if (least == treatments_.end()) return least;
  ForwardDecay then = decay_;
  const double now = then.AdvanceTo(time) * then.scale();
  return least->second.evidence * now < kForgottenEvidence ? least : treatments_.end();
}

absl::StatusOr<Prediction> AdaptiveModel::Learn(const Example& example) {
  if (absl::Status status = Check(example); !status.ok()) return status;
  const absl::Time time = TrustedTime(example.time, example.written);
  if (treatments_.size() >= options_.max_treatments && !treatments_.contains(example.treatment)) {
    treatments_.erase(FindForgotten(time));
  }
  Forget(time);
  const auto [group, is_new_group] = groups_.try_emplace(example.group);
  if (is_new_group) group->second = NewEffect();
  const auto [known, is_new] = treatments_.try_emplace(example.treatment);
  Treatment& treatment = known->second;
  if (is_new) treatment.effect = NewEffect();
  const int64_t time_us = absl::ToUnixMicros(time);
  // Of the same time, the one that was learned last.
  if (is_new || time_us >= treatment.group_time_us) {
    treatment.group = example.group;
    treatment.group_time_us = time_us;
  }
  encoder_->Encode(example.inputs, encoded_);

  const Levels levels = LevelsOf(&group->second, &treatment.effect);
  const Prediction before = PredictEncoded(levels, encoded_);
  const double weight = example.weight * decay_.WeightOf(time);
  // What is older than a double can tell teaches nothing.
  if (weight > std::numeric_limits<double>::min()) {
    const Surprise surprise = SurpriseOf(before.mean, before.variance, example.label, weight);
    Effect* const effects[] = {&all_, &group->second, &treatment.effect};
    for (size_t i = 0; i < levels.size(); ++i) {
      LearnEncoded(levels[i], surprise, before.variance, *effects[i]);
    }
  }

  treatment.evidence += weight / decay_.scale();
  ++treatment.examples;
  ++examples_;
  for (size_t i = 0; i < layout_->inputs().size(); ++i) {
    const InputLayout::Input& input = layout_->inputs()[i];
    if (input.kind == InputKind::kNumber) numbers_[input.column] = example.inputs[i].number();
  }
  sample_.Add(example.id, numbers_);
  if (examples_ >= kFirstKnots && std::has_single_bit(examples_)) SetKnots();
  return before;
}

// Learning.

void AdaptiveModel::Forget(absl::Time time) {
  const double factor = decay_.AdvanceTo(time);
  if (factor != 1) Multiply(factor);
}

void AdaptiveModel::Multiply(double factor) {
  ForEachEffect([factor](Effect& effect) { Multiply(effect, factor); });
  for (auto& [number, treatment] : treatments_) treatment.evidence *= factor;
}

void AdaptiveModel::Multiply(Effect& effect, double factor) {
  for (double& precision : effect.precision) precision *= factor;
  // What is stored without a sign must not have one here: -0.0 + 0.0 is 0.0.
  for (double& shift : effect.shift) shift = shift * factor + 0.0;
}

AdaptiveModel::Levels AdaptiveModel::LevelsOf(const Effect* group, const Effect* treatment) const {
  const auto level = [this](const Effect* effect, double PriorVariances::*variance) {
    return Level{effect, 1 / (options_.intercept.*variance), 1 / (options_.weight.*variance), 0};
  };
  Levels levels = {level(&all_, &PriorVariances::all), level(group, &PriorVariances::group),
                   level(treatment, &PriorVariances::treatment)};
  levels.front().intercept_mean = intercept_mean_;
  return levels;
}

AdaptiveModel::Belief AdaptiveModel::BeliefOf(const Level& level, uint32_t weight) const {
  const bool is_intercept = weight == InputLayout::kIntercept;
  const double prior = is_intercept ? level.intercept_precision : level.weight_precision;
  const double mean = is_intercept ? level.intercept_mean : 0;
  if (level.effect == nullptr) return {prior, mean};
  const double precision = prior + level.effect->precision[weight] * decay_.scale();
  return {precision, (prior * mean + level.effect->shift[weight] * decay_.scale()) / precision};
}

Prediction AdaptiveModel::PredictEncoded(const Levels& levels, const EncodedInputs& inputs) const {
  double mean = 0;
  double variance = 0;
  for (const Level& level : levels) {
    for (const EncodedInputs::Active& active : inputs.active) {
      const Belief belief = BeliefOf(level, active.weight);
      mean += active.part * belief.mean;
      variance += active.part * active.part / belief.precision;
    }
  }
  return Moderated(mean, variance);
}

void AdaptiveModel::LearnEncoded(const Level& level, const Surprise& surprise, double variance,
                                 Effect& effect) {
  const double stored = 1 / decay_.scale();
  const double overlap = 1 + kOverlap * static_cast<double>(encoded_.active.size() - 1);
  for (const EncodedInputs::Active& active : encoded_.active) {
    const Belief belief = BeliefOf(level, active.weight);
    const double squared = active.part * active.part;
    const double others = std::max(0.0, variance - squared / belief.precision);
    const double added = overlap * squared * surprise.curvature / (1 + surprise.curvature * others);
    const double mean = belief.mean + active.part / belief.precision * surprise.slope;
    effect.precision[active.weight] += added * stored;
    effect.shift[active.weight] +=
        ((belief.precision + added) * mean - belief.precision * belief.mean) * stored;
  }
}

void AdaptiveModel::SetKnots() {
  std::vector<std::vector<double>> knots = encoder_->knots();
  for (const InputLayout::Input& input : layout_->inputs()) {
    if (input.kind != InputKind::kNumber) continue;
    const size_t most = input.weights - 1;
    std::vector<double> fresh = InputEncoder::KnotsOf(sample_.Sorted(input.column), most);
    // The sample may have lost the few numbers of an input that is nearly always missing.
    if (!fresh.empty()) knots[input.column] = std::move(fresh);
  }
  if (knots == encoder_->knots()) return;
  auto encoder = std::make_shared<const InputEncoder>(layout_, std::move(knots));
  ForEachEffect([&](Effect& effect) { MoveEffect(*encoder_, *encoder, effect); });
  encoder_ = std::move(encoder);
}

void AdaptiveModel::AdoptKnots(const InputEncoder& other) {
  std::vector<std::vector<double>> knots = encoder_->knots();
  for (size_t column = 0; column < knots.size(); ++column) {
    if (knots[column].empty()) knots[column] = other.knots()[column];
  }
  encoder_ = std::make_shared<const InputEncoder>(layout_, std::move(knots));
}

void AdaptiveModel::MoveEffect(const InputEncoder& from, const InputEncoder& to,
                               Effect& effect) const {
  for (const InputLayout::Input& input : layout_->inputs()) {
    if (input.kind != InputKind::kNumber) continue;
    const std::vector<double>& old_knots = from.knots()[input.column];
    const std::vector<double>& new_knots = to.knots()[input.column];
    if (old_knots.empty() || old_knots == new_knots) continue;
    const std::vector<KnotShare> shares = MoveKnots(old_knots, new_knots);
    for (std::vector<double>* sums : {&effect.precision, &effect.shift}) {
      const auto first = sums->begin() + input.first + 1;
      const std::vector<double> old(first, first + input.weights - 1);
      std::fill(first, first + input.weights - 1, 0.0);
      for (const KnotShare& share : shares) {
        first[static_cast<ptrdiff_t>(share.to)] += share.share * old[share.from];
      }
    }
  }
}

// Reading.

Prediction AdaptiveModel::Predict(uint32_t treatment, uint32_t group,
                                  absl::Span<const InputValue> inputs) const {
  EncodedInputs encoded;
  encoder_->Encode(inputs, encoded);
  const auto known = treatments_.find(treatment);
  if (known != treatments_.end()) group = known->second.group;
  const auto of_group = groups_.find(group);
  return PredictEncoded(LevelsOf(of_group == groups_.end() ? nullptr : &of_group->second,
                                 known == treatments_.end() ? nullptr : &known->second.effect),
                        encoded);
}

uint64_t AdaptiveModel::ExamplesOf(uint32_t treatment) const {
  const auto known = treatments_.find(treatment);
  return known == treatments_.end() ? 0 : known->second.examples;
}

std::shared_ptr<const AdaptiveSnapshot> AdaptiveModel::MakeSnapshot() const {
  struct Row {
    size_t group = 0;  // of the groups below, the first being an unknown one
    const Effect* treatment = nullptr;
  };
  std::shared_ptr<AdaptiveSnapshot> snapshot(new AdaptiveSnapshot());
  std::vector<const Effect*> groups = {nullptr};
  std::vector<Row> rows = {Row()};
  for (const auto& [group, effect] : groups_) {
    snapshot->row_by_group_.emplace(group, static_cast<uint32_t>(rows.size()));
    rows.push_back({groups.size(), nullptr});
    groups.push_back(&effect);
  }
  for (const auto& [number, treatment] : treatments_) {
    const size_t group =
        snapshot->row_by_group_.at(treatment.group);  // the row is the group's place
    snapshot->row_by_treatment_.emplace(number, static_cast<uint32_t>(rows.size()));
    rows.push_back({group, &treatment.effect});
  }
  snapshot->encoder_ = encoder_;
  snapshot->examples_ = examples_;
  snapshot->rows_ = rows.size();
  snapshot->cells_.resize(rows.size() * layout_->weights());
  auto [all, of_group, of_treatment] = LevelsOf(nullptr, nullptr);
  std::vector<Belief> sums(groups.size());
  auto cell = snapshot->cells_.begin();
  for (uint32_t weight = 0; weight < layout_->weights(); ++weight) {
    const Belief common = BeliefOf(all, weight);
    for (size_t i = 0; i < groups.size(); ++i) {
      of_group.effect = groups[i];
      const Belief own = BeliefOf(of_group, weight);
      sums[i] = {1 / (1 / common.precision + 1 / own.precision), common.mean + own.mean};
    }
    for (const Row& row : rows) {
      of_treatment.effect = row.treatment;
      const Belief own = BeliefOf(of_treatment, weight);
      const Belief& sum = sums[row.group];
      *cell++ = {static_cast<float>(sum.mean + own.mean),
                 static_cast<float>(1 / sum.precision + 1 / own.precision)};
    }
  }
  return snapshot;
}

// Merging.

absl::Status AdaptiveModel::Merge(const AdaptiveModel& other) {
  if (other.layout_->fingerprint() != layout_->fingerprint()) {
    return absl::FailedPreconditionError("models with different inputs can't be merged");
  }
  if (other.decay_.half_life_us() != decay_.half_life_us()) {
    return absl::FailedPreconditionError("models with different half-lives can't be merged");
  }
  const auto together = [](const auto& mine, const auto& theirs) {
    return mine.size() +
           static_cast<size_t>(std::count_if(theirs.begin(), theirs.end(), [&](const auto& entry) {
             return !mine.contains(entry.first);
           }));
  };
  if (together(treatments_, other.treatments_) > options_.max_treatments) {
    return absl::ResourceExhaustedError("together the models have more than max_treatments");
  }
  if (together(groups_, other.groups_) > options_.max_groups) {
    return absl::ResourceExhaustedError("together the models have more than max_groups");
  }
  // A copy, for the other may be this one.
  AdaptiveModel added = other;
  sample_.Merge(added.sample_);
  examples_ += added.examples_;
  const auto [mine, theirs] = decay_.Merge(added.decay_);
  Multiply(mine);
  added.Multiply(theirs);
  AdoptKnots(*added.encoder_);
  if (examples_ >= kFirstKnots) SetKnots();
  const auto add = [&](Effect& to, Effect& from) {
    MoveEffect(*added.encoder_, *encoder_, from);
    if (to.precision.empty()) to = NewEffect();
    for (size_t i = 0; i < to.precision.size(); ++i) {
      to.precision[i] += from.precision[i];
      to.shift[i] += from.shift[i];
    }
  };
  add(all_, added.all_);
  for (auto& [group, effect] : added.groups_) add(groups_[group], effect);
  for (auto& [number, treatment] : added.treatments_) {
    const auto [at, is_new] = treatments_.try_emplace(number);
    Treatment& known = at->second;
    // Of the same time, whoever has more examples of it knows its group.
    if (is_new || std::pair(treatment.group_time_us, treatment.examples) >
                      std::pair(known.group_time_us, known.examples)) {
      known.group = treatment.group;
      known.group_time_us = treatment.group_time_us;
    }
    known.examples += treatment.examples;
    known.evidence += treatment.evidence;
    add(known.effect, treatment.effect);
  }
  return absl::OkStatus();
}

}  // namespace attune::learning
