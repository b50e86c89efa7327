#ifndef ATTUNE_LIB_SCORING_MODEL_H_
#define ATTUNE_LIB_SCORING_MODEL_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lib/scoring/input_table.h"
#include "lib/trees/tree_ensemble.h"

namespace attune::scoring {

// How much one input moved a score.
struct Contribution {
  Input input;
  double amount = 0;  // on the scale before the link function
};

// Memory that models need to predict, reused from decision to decision.
struct ModelScratch {
  std::vector<double> rows;
  std::vector<double> outputs;
  trees::TreeEnsemble::Scratch trees;
};

// Predicts P(good outcome | treatment shown). Immutable, thread-safe.
class Model {
 public:
  virtual ~Model() = default;

  // One prediction per treatment (indexes into the catalog). Whatever is written must not be relied
  // on to be finite: the scoring stage checks. Allocates nothing once `scratch` is warm.
  // REQUIRES: treatments.size() == propensity.size(); the frame was filled by the table that the
  // model was created with.
  virtual void Predict(const InputFrame& frame, absl::Span<const int> treatments,
                       absl::Span<double> propensity, ModelScratch& scratch) const = 0;

  // What moved the score of the treatment, in no particular order; inputs that moved nothing may be
  // left out.
  virtual std::vector<Contribution> Explain(const InputFrame& frame, int treatment) const = 0;
};

// A model as a strategy names it.
struct NamedModel {
  std::string name;
  std::string version;  // name@hash of the file, or of the formula
  std::unique_ptr<const Model> model;
  int formula = -1;  // its index in the strategy; -1: it is another kind of model
};

// The models of a strategy and the inputs that they share. Immutable once built, thread-safe.
struct ModelSet {
  InputTable inputs;
  std::vector<NamedModel> models;
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_MODEL_H_
