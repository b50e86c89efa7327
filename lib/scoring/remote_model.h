#ifndef ATTUNE_LIB_SCORING_REMOTE_MODEL_H_
#define ATTUNE_LIB_SCORING_REMOTE_MODEL_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "attune/strategy/v1/strategy.pb.h"
#include "lib/scoring/feature_columns.h"
#include "lib/scoring/model.h"
#include "lib/scoring/model_factory.h"
#include "lib/scoring/remote_scorer.h"

namespace attune::scoring {

// The settings that the message says, with its defaults; paths of issues begin with "remote". Every
// problem is reported.
RemoteSettings SettingsOf(const attune::strategy::v1::Remote& remote, const ReportIssue& report);

// A model that a server is asked for: one call for all treatments of a decision, with one row for
// each, or one for all where no input tells treatments apart. Immutable, thread-safe.
class RemoteModel : public Model {
 public:
  // The columns of the model that `remote` names; none when there was a problem.
  static FeatureColumns ColumnsOf(const attune::strategy::v1::Remote& remote,
                                  const InputNames& names, InputTable& inputs,
                                  const ReportIssue& report) {
    return ListedColumns("remote.inputs", remote.inputs(), names, inputs, report);
  }

  // `name` is the strategy's. Without a scorer nothing is asked: kNotAsked.
  RemoteModel(std::string name, FeatureColumns columns, std::shared_ptr<RemoteScorer> scorer)
      : name_(std::move(name)), columns_(std::move(columns)), scorer_(std::move(scorer)) {}

  ModelFailure PredictBatch(const Batch& batch, const Predictions& predictions,
                            ModelScratch& scratch) const override;
  // As PredictBatch with no deadline but the strategy's; NaN where that fails.
  void Predict(const InputFrame& frame, absl::Span<const int> treatments,
               absl::Span<double> propensity, ModelScratch& scratch) const override;
  // Nothing: the server does not tell.
  std::vector<Contribution> Explain(const InputFrame& frame, int treatment) const override;
  std::string Noun() const override;
  std::string FailureText(ModelFailure failure) const override;
  bool Waits() const override { return true; }

  // nullptr: nothing is asked.
  const RemoteScorer* scorer() const { return scorer_.get(); }

 private:
  const std::string name_;
  const FeatureColumns columns_;
  const std::shared_ptr<RemoteScorer> scorer_;
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_REMOTE_MODEL_H_
