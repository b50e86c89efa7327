#ifndef ATTUNE_LIB_SCORING_MODEL_H_
#define ATTUNE_LIB_SCORING_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lib/learning/input_layout.h"
#include "lib/learning/logistic.h"
#include "lib/scoring/input_table.h"
#include "lib/trees/tree_ensemble.h"

namespace attune::scoring {

// How much one input moved a score.
struct Contribution {
  Input input;
  double amount = 0;  // on the scale before the link function
  // What a model of trees calls the input; empty: it has no name of its own for it. Valid as long
  // as the model.
  std::string_view feature = {};
};

// The score of one treatment taken apart, on the scale before the link function.
struct ScoreParts {
  // What the score would be if no input had moved it: the intercept, or what trees are expected to
  // come to.
  double base = 0;
  double score = 0;       // what the model itself computes
  std::string_view link;  // "logit", "identity", ...: see trees::LinkName; valid for good
  // One for each term or feature, in the model's order.
  std::vector<Contribution> contributions;
  // What Arrange (score_parts.h) puts behind them; 0: nothing.
  double others = 0;
  double rounding = 0;
};

// Memory of adaptive models.
struct AdaptiveScratch {
  std::vector<learning::InputValue> values;
  learning::EncodedInputs encoded;
  std::vector<uint32_t> rows;
  std::vector<learning::Prediction> predictions;
};

// Memory that models need to predict, reused from decision to decision.
struct ModelScratch {
  std::vector<double> rows;
  std::vector<double> outputs;
  std::vector<double> deviations;
  // What a model that failed said about it, for the log: at most kMaxFailureBytes, not to be
  // trusted.
  std::string failure_text;
  trees::TreeEnsemble::Scratch trees;
  AdaptiveScratch adaptive;
};

// How a batch of predictions failed. Models in this process but plugins don't fail as a whole.
enum class ModelFailure : uint8_t {
  kNone,
  kNotFinite,    // of a treatment: NaN or infinity
  kPlugin,       // the plugin says that it failed
  kNotAsked,     // nothing can be asked here, as in checks and tests of strategies
  kNoTime,       // the caller waits no longer
  kBusy,         // as many calls as may be are under way
  kBreakerOpen,  // the server failed too often lately
  kTimeout,      // it did not answer in time
  kUnavailable,  // it can't be reached, or the connection broke
  kRefused,      // it answered with an error
  kBadAnswer,    // its answer is not what was asked for
};
inline constexpr int kModelFailures = 11;
// "timeout", ...; "ok" for kNone: labels of metrics.
std::string_view ModelFailureName(ModelFailure failure);

inline constexpr size_t kMaxFailureBytes = 256;

// A deviation that the model does not know.
inline constexpr double kUnknownDeviation = -1;

// A batch of treatments to predict for: indexes into the catalog.
struct Batch {
  const InputFrame& frame;  // filled by the table that the model was created with
  absl::Span<const int> treatments;
  // Until when the caller waits, by the system's clock. InfinitePast: nobody outside of this
  // process may be asked.
  absl::Time deadline = absl::InfiniteFuture();
};

// What a model says, parallel to the treatments of the batch.
struct Predictions {
  // P(good outcome | treatment shown).
  absl::Span<double> propensity;
  // Its standard deviation; kUnknownDeviation before the model is asked.
  absl::Span<double> deviation;
};

// Predicts P(good outcome | treatment shown). Immutable, thread-safe.
class Model {
 public:
  virtual ~Model() = default;

  // What is asked in a decision: as Predict, with the uncertainty where the model knows it. A model
  // that fails as a whole says how; nothing that it wrote is looked at then, and
  // `scratch.failure_text`, which was empty, may have more about it.
  virtual ModelFailure PredictBatch(const Batch& batch, const Predictions& predictions,
                                    ModelScratch& scratch) const {
    Predict(batch.frame, batch.treatments, predictions.propensity, scratch);
    return ModelFailure::kNone;
  }

  // One prediction per treatment (indexes into the catalog). Whatever is written must not be relied
  // on to be finite: the scoring stage checks. Allocates nothing once `scratch` is warm.
  // REQUIRES: treatments.size() == propensity.size(); the frame was filled by the table that the
  // model was created with.
  virtual void Predict(const InputFrame& frame, absl::Span<const int> treatments,
                       absl::Span<double> propensity, ModelScratch& scratch) const = 0;

  // The score of the treatment taken apart; base and contributions come to the score but for
  // rounding. nullopt: the model can't tell, as formulas, plugins, remote models and success rates.
  // The same for all treatments of a frame unless it LooksAtTreatment.
  virtual std::optional<ScoreParts> Parts(const InputFrame& /*frame*/, int /*treatment*/) const {
    return std::nullopt;
  }
  // Every input that Parts tells a contribution of, some several times: all that the model looks
  // at, also what moves nothing for now. Who keeps inputs back goes by these, not by what they come
  // to. nullopt: Parts can't tell.
  virtual std::optional<std::vector<Input>> PartInputs() const { return std::nullopt; }

  // Whether it predicts something else from moment to moment, for it learns from outcomes.
  virtual bool Learns() const { return false; }

  // Of a model that nobody can look into: how an explanation calls it ("remote model churn"). Of
  // others "": their Parts tell.
  virtual std::string Noun() const { return ""; }
  // The failure as the end of a sentence: "answered with an error".
  virtual std::string FailureText(ModelFailure failure) const;
  // What it predicts where that is no propensity but a score of the customer: for any treatment,
  // and not cut to 0 … 1. NaN where it fails; may be infinite. Allocates nothing once `scratch` is
  // warm. REQUIRES: as Predict; it does not look at treatments.
  virtual double PredictValue(const InputFrame& frame, ModelScratch& scratch) const;
  // Whether it may predict something else for another treatment. Not told by models that are
  // formulas.
  virtual bool LooksAtTreatment() const { return false; }

  // Whether predicting waits for another process.
  virtual bool Waits() const { return false; }
  // Whether what it predicts may depend on the channel of the decision.
  virtual bool DependsOnChannel() const { return true; }
};

// What is done for the treatments that a model gives no usable score.
struct OnError {
  enum class Action : uint8_t { kSkip, kDefaultPropensity, kFallback };
  Action action = Action::kSkip;
  double default_propensity = 0;  // 0 … 1
  int fallback = -1;  // index of another model of the set, one that has no fallback itself
};
// "skip", "default_propensity", "fallback": labels of a metric.
std::string_view OnErrorName(OnError::Action action);

// A model as a strategy names it.
struct NamedModel {
  std::string name;
  std::string version;  // name@hash of the file, or of the formula
  std::unique_ptr<const Model> model;
  OnError on_error = {};
  int formula = -1;  // its index in the strategy; -1: it is another kind of model
};

// The models of a strategy and the inputs that they share. Immutable once built, thread-safe.
struct ModelSet {
  InputTable inputs;
  std::vector<NamedModel> models;
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_MODEL_H_
