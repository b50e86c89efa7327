#ifndef ATTUNE_LIB_SCORING_ADAPTIVE_SCORER_H_
#define ATTUNE_LIB_SCORING_ADAPTIVE_SCORER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "attune/strategy/v1/strategy.pb.h"
#include "lib/learning/adaptive_model.h"
#include "lib/learning/adaptive_snapshot.h"
#include "lib/learning/input_layout.h"
#include "lib/scoring/learned_models.h"
#include "lib/scoring/model.h"
#include "lib/scoring/model_factory.h"

namespace attune::scoring {

// Most treatments of one strategy that may name the same adaptive model.
inline constexpr uint32_t kMaxAdaptiveTreatments = 1000;

// Most weights of the inputs and crosses of one adaptive model: as many as it may have for so many
// treatments and kMaxAdaptiveGroups groups.
inline constexpr uint32_t kMaxAdaptiveWeights = 15'000;
// Most groups that it learns from, in its life.
inline constexpr uint32_t kMaxAdaptiveGroups = 100;

// An adaptive model as decisions see it: what it looks at is fixed, what it has learned is in
// InputFrame::learned. Immutable, thread-safe.
class AdaptiveScorer : public Model {
 public:
  // `index`: of the model in the strategy. Every problem is reported, with paths that begin at the
  // reference ("adaptive.inputs[2]"); nullptr when there was one. The model adds its inputs to
  // `inputs`. `treatments`: how many name it.
  static std::unique_ptr<const AdaptiveScorer> Create(
      const attune::strategy::v1::ModelReference& reference, size_t index, size_t treatments,
      const InputNames& names, InputTable& inputs, const ReportIssue& report);

  // With the deviations. What was not learned, or from less than min_evidence, has the prior.
  ModelFailure PredictBatch(const Batch& batch, const Predictions& predictions,
                            ModelScratch& scratch) const override;
  void Predict(const InputFrame& frame, absl::Span<const int> treatments,
               absl::Span<double> propensity, ModelScratch& scratch) const override;
  // The score is the logit of the propensity, as PredictBatch computes it; each input contributes
  // what its value adds to it. A cross contributes half of what it adds by each of its two inputs,
  // as Shapley values share what two bring together only; where one of them is protected, all of
  // it by that one, so that the other does not give it away.
  std::optional<ScoreParts> Parts(const InputFrame& frame, int treatment) const override;
  std::optional<std::vector<Input>> PartInputs() const override { return inputs_; }
  bool LooksAtTreatment() const override { return true; }
  bool Learns() const override { return true; }

  // The values of a decision's inputs, as the model learns and predicts from them: one per input of
  // the layout. Texts point to where those of the frame do. REQUIRES: the frame was filled by the
  // table that the model was created with.
  void ValuesOf(const InputFrame& frame, std::vector<learning::InputValue>& values) const;

  const std::shared_ptr<const learning::InputLayout>& layout() const { return layout_; }
  // What the model is to learn with.
  const learning::AdaptiveOptions& options() const { return options_; }

 private:
  class Builder;

  // Where the value of an input lies.
  struct Place {
    learning::InputKind kind = learning::InputKind::kNumber;
    size_t index = 0;  // into InputFrame::numeric or, of a category, ::text
  };
  // What a treatment is learned by: numbers of the NameDictionary.
  struct Names {
    uint32_t treatment = 0;
    uint32_t group = 0;
  };

  AdaptiveScorer() = default;

  // What is known now, or the prior.
  const learning::AdaptiveSnapshot& SnapshotOf(const InputFrame& frame) const;

  size_t index_ = 0;
  uint64_t min_evidence_ = 0;
  std::shared_ptr<const learning::InputLayout> layout_;
  learning::AdaptiveOptions options_;
  std::vector<Place> places_;       // by input
  std::vector<Input> inputs_;       // as the layout has them
  std::vector<bool> is_protected_;  // by input
  std::vector<Names> names_;        // by index of the treatment
  std::shared_ptr<const learning::AdaptiveSnapshot> unlearned_;
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_ADAPTIVE_SCORER_H_
