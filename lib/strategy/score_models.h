#ifndef ATTUNE_LIB_STRATEGY_SCORE_MODELS_H_
#define ATTUNE_LIB_STRATEGY_SCORE_MODELS_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attune/strategy/v1/strategy.pb.h"
#include "lib/policy/customer_scores.h"
#include "lib/scoring/input_table.h"
#include "lib/scoring/model.h"
#include "lib/scoring/model_factory.h"

namespace attune::strategy {

// A model that gives a score, apart from those that score treatments: with a table of inputs of its
// own, so that it can be asked without a decision.
struct ScoreModel {
  scoring::InputTable inputs;
  std::unique_ptr<const scoring::Model> model;
  // Of all that its predictions depend on but the features.
  std::string hash;
};

// Loads the model with this index of the file to give a score; nullopt when there is no such model
// now, of which whoever loads the models of treatments says why.
using LoadScoreModel =
    std::function<std::optional<ScoreModel>(int model, const scoring::InputNames& names)>;

// Whether a model of that kind can give a score: one on a server is asked within decisions only,
// and one that learns predicts for treatments, and something else from moment to moment.
inline bool MayGiveScores(const v1::ModelReference& reference) {
  return !reference.has_remote() && !reference.has_adaptive() && !reference.has_success_rate();
}

// What the model looks at that is not of the customer alone, or changes as time passes, for people:
// "context.channel"; empty: nothing.
std::string ForeignInputOf(const ScoreModel& model, const scoring::InputNames& names);

// Hash of what the strategy says of the model and of its content, whose hash this is: the same one
// predicts the same.
std::string HashOfScoreModel(const v1::ModelReference& reference, const std::string& content_hash);

// The models of one strategy that give scores. Immutable once all were added, thread-safe.
class ScoreModelSet final : public policy::ScoreModels {
 public:
  // `schema` must outlive this object and all predictors.
  explicit ScoreModelSet(const context::ContextSchema& schema) : schema_(schema) {}

  // `score`: its index among the scores.
  void Add(size_t score, ScoreModel model);

  std::unique_ptr<policy::ScorePredictor> MakePredictor() const override;

 private:
  const context::ContextSchema& schema_;
  std::vector<std::shared_ptr<const ScoreModel>> models_;  // by score; null: a formula gives it
};

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_SCORE_MODELS_H_
