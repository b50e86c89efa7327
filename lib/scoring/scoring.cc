#include "lib/scoring/scoring.h"

#include <algorithm>
#include <cmath>

namespace attune::scoring {
namespace {

// Sorts the candidates by model (a counting sort: models are few and it allocates nothing), so that
// each model is asked once for all of its candidates.
void GroupByModel(size_t models, const catalog::Catalog& catalog, absl::Span<const int> candidates,
                  ScoredCandidates& result) {
  result.model_start.assign(models + 1, 0);
  for (const int candidate : candidates) {
    const int model = catalog.treatments[static_cast<size_t>(candidate)].model;
    ++result.model_start[static_cast<size_t>(model) + 1];
  }
  for (size_t m = 0; m < models; ++m) result.model_start[m + 1] += result.model_start[m];
  result.batch_position.resize(candidates.size());
  result.batch_treatments.resize(candidates.size());
  result.batch_propensity.resize(candidates.size());
  for (size_t i = 0; i < candidates.size(); ++i) {
    const int model = catalog.treatments[static_cast<size_t>(candidates[i])].model;
    const int position = result.model_start[static_cast<size_t>(model)]++;
    result.batch_position[i] = position;
    result.batch_treatments[static_cast<size_t>(position)] = candidates[i];
  }
  // Each start has moved to its model's end, which is the next one's start.
}

// Why a candidate has no score. Asked only where there is none: the formula is evaluated again.
candidates::Reason ReasonForNoScore(const NamedModel& model, const InputFrame& frame,
                                    int candidate) {
  const bool failed = model.formula >= 0 && !frame.formulas->Evaluate(model.formula, candidate);
  return failed ? candidates::Reason::kScoreError : candidates::Reason::kScoreNotFinite;
}

}  // namespace

void Score(const ModelSet& models, const catalog::Catalog& catalog,
           const context::ContextSchema& schema, const context::DecisionContext& context,
           absl::Span<const ValueRef> features, absl::Span<const int> candidates,
           ScoredCandidates& result, FormulaSource* formulas) {
  result.scored.clear();
  result.rejected.clear();
  models.inputs.Fill(schema, context, features, result.frame);
  result.frame.formulas = formulas;
  GroupByModel(models.models.size(), catalog, candidates, result);
  size_t start = 0;
  for (size_t m = 0; m < models.models.size(); ++m) {
    const auto end = static_cast<size_t>(result.model_start[m]);
    if (end > start) {
      const absl::Span<const int> treatments(result.batch_treatments);
      const absl::Span<double> propensity(result.batch_propensity.data(),
                                          result.batch_propensity.size());
      models.models[m].model->Predict(result.frame, treatments.subspan(start, end - start),
                                      propensity.subspan(start, end - start), result.model_scratch);
    }
    start = end;
  }
  for (size_t i = 0; i < candidates.size(); ++i) {
    const double propensity =
        result.batch_propensity[static_cast<size_t>(result.batch_position[i])];
    if (std::isfinite(propensity)) {
      result.scored.push_back({candidates[i], std::clamp(propensity, 0.0, 1.0)});
    } else {
      const int model = catalog.treatments[static_cast<size_t>(candidates[i])].model;
      result.rejected.push_back(
          {candidates[i], ReasonForNoScore(models.models[static_cast<size_t>(model)], result.frame,
                                           candidates[i])});
    }
  }
  // The frame is read for longer than the formulas are there.
  result.frame.formulas = nullptr;
}

}  // namespace attune::scoring
