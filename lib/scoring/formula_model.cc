#include "lib/scoring/formula_model.h"

#include <algorithm>
#include <limits>

namespace attune::scoring {

void FormulaModel::Predict(const InputFrame& frame, absl::Span<const int> treatments,
                           absl::Span<double> propensity, ModelScratch& /*scratch*/) const {
  constexpr double kFailed = std::numeric_limits<double>::quiet_NaN();
  if (treatments.empty()) return;
  if (!looks_at_treatment_) {
    std::fill(propensity.begin(), propensity.end(),
              frame.formulas->Evaluate(formula_, treatments.front()).value_or(kFailed));
    return;
  }
  for (size_t i = 0; i < treatments.size(); ++i) {
    propensity[i] = frame.formulas->Evaluate(formula_, treatments[i]).value_or(kFailed);
  }
}

}  // namespace attune::scoring
