#ifndef ATTUNE_LIB_SCORING_FORMULA_MODEL_H_
#define ATTUNE_LIB_SCORING_FORMULA_MODEL_H_

#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "lib/scoring/model.h"

namespace attune::scoring {

// What the formulas of a strategy come to in one decision. It is handed to the scoring stage, which
// knows nothing of expressions. Not thread-safe.
class FormulaSource {
 public:
  // The number that the formula with this index comes to for the treatment, which may not be
  // finite; nullopt when it can't be evaluated.
  virtual std::optional<double> Evaluate(int formula, int treatment) = 0;

 protected:
  ~FormulaSource() = default;
};

// A model that is an expression of the strategy. How much each of its values moves it is not known:
// it has no Parts, and who has the expression tells what it looked at. Immutable, thread-safe.
class FormulaModel : public Model {
 public:
  // `looks_at_treatment`: it may come to something else for another treatment.
  FormulaModel(int formula, bool looks_at_treatment)
      : formula_(formula), looks_at_treatment_(looks_at_treatment) {}

  // NaN where the formula can't be evaluated. REQUIRES: InputFrame::formulas is set.
  void Predict(const InputFrame& frame, absl::Span<const int> treatments,
               absl::Span<double> propensity, ModelScratch& scratch) const override;

 private:
  const int formula_;
  const bool looks_at_treatment_;
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_FORMULA_MODEL_H_
