#include "lib/scoring/scoring.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lib/scoring/shared_answers.h"

namespace attune::scoring {
namespace {

// Sorts the candidates by model (a counting sort: models are few and it allocates nothing), so that
// each model is asked once for all of its candidates.
void GroupByModel(size_t models, const catalog::Catalog& catalog, absl::Span<const int> candidates,
                  ScoredCandidates& result) {
  result.model_start.assign(models + 1, 0);
  result.batch_position.resize(candidates.size());
  for (size_t i = 0; i < candidates.size(); ++i) {
    const int model = catalog.treatments[static_cast<size_t>(candidates[i])].model;
    result.batch_position[i] = model;  // until the model's own positions are known
    ++result.model_start[static_cast<size_t>(model) + 1];
  }
  for (size_t m = 0; m < models; ++m) result.model_start[m + 1] += result.model_start[m];
  result.batch_treatments.resize(candidates.size());
  result.batch_propensity.resize(candidates.size());
  result.batch_deviation.assign(candidates.size(), kUnknownDeviation);
  result.batch_source.assign(candidates.size(), ScoredCandidate::Source::kModel);
  for (size_t i = 0; i < candidates.size(); ++i) {
    const int model = result.batch_position[i];
    const int position = result.model_start[static_cast<size_t>(model)]++;
    result.batch_position[i] = position;
    result.batch_treatments[static_cast<size_t>(position)] = candidates[i];
  }
  // Each start has moved to its model's end, which is the next one's start.
}

// Does the model answer for all channels of the decision at once?
bool IsShared(const Model& model, const ScoredCandidates& result) {
  return result.failed_before != nullptr && result.shared_answers != nullptr && model.Waits() &&
         !model.DependsOnChannel();
}

// As the model's PredictBatch, but one that waits is not asked again for what it answered on
// another channel, nor where it failed before. Where one that is shared fails, what it answered
// before is there.
ModelFailure PredictOnce(const Model& model, int index, const Batch& batch,
                         const Predictions& predictions, ScoredCandidates& result) {
  std::string& text = result.model_scratch.failure_text;
  text.clear();
  if (result.failed_before == nullptr || !model.Waits()) {
    return model.PredictBatch(batch, predictions, result.model_scratch);
  }
  const bool is_shared = IsShared(model, result);
  if (is_shared && result.shared_answers->Fill(index, batch, predictions)) {
    return ModelFailure::kNone;
  }
  for (const FailedModel& before : *result.failed_before) {
    if (before.model != index) continue;
    text = before.text;
    return before.failure;
  }
  const ModelFailure failure =
      is_shared
          ? result.shared_answers->Predict(model, index, batch, predictions, result.model_scratch)
          : model.PredictBatch(batch, predictions, result.model_scratch);
  if (failure != ModelFailure::kNone) {
    result.failed_before->push_back({.model = index, .failure = failure, .text = text});
  }
  return failure;
}

// Asks one model for a batch; when it fails as a whole, no propensity is finite but those that it
// told on another channel.
ModelFailure Ask(const ModelSet& models, int index, const Batch& batch,
                 const Predictions& predictions, ScoredCandidates& result) {
  const Model& model = *models.models[static_cast<size_t>(index)].model;
  const ModelFailure failure = PredictOnce(model, index, batch, predictions, result);
  if (failure != ModelFailure::kNone && !IsShared(model, result)) {
    std::fill(predictions.propensity.begin(), predictions.propensity.end(),
              std::numeric_limits<double>::quiet_NaN());
  }
  return failure;
}

// Does what on_error says for the treatments of one model's batch that have no score.
class ErrorHandler {
 public:
  ErrorHandler(const ModelSet& models, const context::DecisionContext& context,
               ScoredCandidates& result)
      : models_(models), context_(context), result_(result) {}

  // `positions`: of the treatments in the batch. `failure`: how the model failed as a whole.
  void Handle(int model, ModelFailure failure, const std::vector<size_t>& positions) {
    Note(model, failure == ModelFailure::kNone ? ModelFailure::kNotFinite : failure,
         static_cast<int>(positions.size()));
    const OnError& on_error = models_.models[static_cast<size_t>(model)].on_error;
    switch (on_error.action) {
      case OnError::Action::kSkip:
        return;
      case OnError::Action::kDefaultPropensity:
        for (const size_t position : positions) {
          result_.batch_propensity[position] = on_error.default_propensity;
          result_.batch_deviation[position] = kUnknownDeviation;
          result_.batch_source[position] = ScoredCandidate::Source::kDefault;
        }
        return;
      case OnError::Action::kFallback:
        return AskFallback(on_error.fallback, positions);
    }
  }

 private:
  // A model that failed for its own treatments and as a fallback is one that failed.
  void Note(int model, ModelFailure failure, int treatments) {
    for (FailedModel& known : result_.failed) {
      if (known.model != model) continue;
      known.treatments += treatments;
      return;
    }
    result_.failed.push_back({.model = model,
                              .failure = failure,
                              .treatments = treatments,
                              .text = result_.model_scratch.failure_text});
  }

  void AskFallback(int fallback, const std::vector<size_t>& positions) {
    std::vector<int> treatments;
    treatments.reserve(positions.size());
    for (const size_t position : positions) {
      treatments.push_back(result_.batch_treatments[position]);
    }
    std::vector<double> propensity(positions.size());
    std::vector<double> deviation(positions.size(), kUnknownDeviation);
    const ModelFailure failure =
        Ask(models_, fallback, {result_.frame, treatments, context_.deadline},
            {absl::MakeSpan(propensity), absl::MakeSpan(deviation)}, result_);
    std::vector<size_t> without_score;
    for (size_t i = 0; i < positions.size(); ++i) {
      result_.batch_propensity[positions[i]] = propensity[i];
      result_.batch_deviation[positions[i]] = deviation[i];
      result_.batch_source[positions[i]] = ScoredCandidate::Source::kFallback;
      if (!std::isfinite(propensity[i])) without_score.push_back(positions[i]);
    }
    // It has no fallback itself, so this comes to an end.
    if (!without_score.empty()) Handle(fallback, failure, without_score);
  }

  const ModelSet& models_;
  const context::DecisionContext& context_;
  ScoredCandidates& result_;
};

// Asks a model for its batch, which is [start, end) of the treatments.
void ScoreBatch(const ModelSet& models, const context::DecisionContext& context, size_t model,
                size_t start, size_t end, ScoredCandidates& result) {
  const size_t size = end - start;
  const Predictions predictions{absl::MakeSpan(result.batch_propensity).subspan(start, size),
                                absl::MakeSpan(result.batch_deviation).subspan(start, size)};
  const absl::Span<const int> treatments =
      absl::MakeConstSpan(result.batch_treatments).subspan(start, size);
  const ModelFailure failure =
      Ask(models, static_cast<int>(model), {result.frame, treatments, context.deadline},
          predictions, result);
  if (std::all_of(predictions.propensity.begin(), predictions.propensity.end(),
                  [](double propensity) { return std::isfinite(propensity); })) {
    return;
  }
  std::vector<size_t> without_score;
  for (size_t i = start; i < end; ++i) {
    if (!std::isfinite(result.batch_propensity[i])) without_score.push_back(i);
  }
  ErrorHandler(models, context, result).Handle(static_cast<int>(model), failure, without_score);
}

// Why a treatment has no score at all, in spite of on_error. Asked only where there is none: a
// formula is evaluated again.
candidates::Reason ReasonOf(const ModelSet& models, const ScoredCandidates& result, int model,
                            int candidate) {
  const OnError& on_error = models.models[static_cast<size_t>(model)].on_error;
  const int last = on_error.action == OnError::Action::kFallback ? on_error.fallback : model;
  const ModelFailure failure = result.FailureOf(last);
  if (failure != ModelFailure::kNone && failure != ModelFailure::kNotFinite) {
    return candidates::Reason::kModelFailed;
  }
  const int formula = models.models[static_cast<size_t>(last)].formula;
  return formula >= 0 && !result.frame.formulas->Evaluate(formula, candidate)
             ? candidates::Reason::kScoreError
             : candidates::Reason::kScoreNotFinite;
}

}  // namespace

ModelFailure ScoredCandidates::FailureOf(int model) const {
  const auto found = std::find_if(failed.begin(), failed.end(),
                                  [model](const FailedModel& f) { return f.model == model; });
  return found == failed.end() ? ModelFailure::kNone : found->failure;
}

int ModelOf(const ModelSet& models, const catalog::Catalog& catalog,
            const ScoredCandidate& candidate) {
  const int model = catalog.treatments[static_cast<size_t>(candidate.treatment)].model;
  const OnError& on_error = models.models[static_cast<size_t>(model)].on_error;
  return candidate.source == ScoredCandidate::Source::kFallback ? on_error.fallback : model;
}

void Score(const ModelSet& models, const catalog::Catalog& catalog,
           const context::ContextSchema& schema, const context::DecisionContext& context,
           absl::Span<const ValueRef> features, absl::Span<const int> candidates,
           ScoredCandidates& result, FormulaSource* formulas,
           std::vector<FailedModel>* failed_before, SharedAnswers* shared_answers,
           const LearnedModels* learned) {
  result.failed_before = failed_before;
  result.shared_answers = shared_answers;
  result.scored.clear();
  result.rejected.clear();
  result.failed.clear();
  models.inputs.Fill(schema, context, features, result.frame);
  result.frame.formulas = formulas;
  result.frame.learned = learned;
  GroupByModel(models.models.size(), catalog, candidates, result);
  size_t start = 0;
  for (size_t m = 0; m < models.models.size(); ++m) {
    const auto end = static_cast<size_t>(result.model_start[m]);
    if (end > start) ScoreBatch(models, context, m, start, end, result);
    start = end;
  }
  for (size_t i = 0; i < candidates.size(); ++i) {
    const auto position = static_cast<size_t>(result.batch_position[i]);
    const double propensity = result.batch_propensity[position];
    const double deviation = result.batch_deviation[position];
    if (std::isfinite(propensity)) {
      const bool is_known = std::isfinite(deviation) && deviation >= 0;
      // Filled in place: a copy of what was just written field by field waits for the writes.
      ScoredCandidate& scored = result.scored.emplace_back();
      scored.treatment = candidates[i];
      scored.propensity = std::clamp(propensity, 0.0, 1.0);
      scored.deviation = is_known ? deviation : kUnknownDeviation;
      scored.source = result.batch_source[position];
    } else {
      const int model = catalog.treatments[static_cast<size_t>(candidates[i])].model;
      result.rejected.push_back({candidates[i], ReasonOf(models, result, model, candidates[i])});
    }
  }
  result.failed_before = nullptr;
  result.shared_answers = nullptr;
  // The frame is read for longer than the formulas are there.
  result.frame.formulas = nullptr;
}

}  // namespace attune::scoring
