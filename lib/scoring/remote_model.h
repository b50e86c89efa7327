#ifndef ATTUNE_LIB_SCORING_REMOTE_MODEL_H_
#define ATTUNE_LIB_SCORING_REMOTE_MODEL_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "attune/strategy/v1/strategy.pb.h"
#include "lib/scoring/column_model.h"
#include "lib/scoring/feature_columns.h"
#include "lib/scoring/model.h"
#include "lib/scoring/model_factory.h"
#include "lib/scoring/remote_scorer.h"

namespace attune::scoring {

// The settings that the message says, with its defaults; paths of issues begin with "remote". Every
// problem is reported.
RemoteSettings SettingsOf(const attune::strategy::v1::Remote& remote, const ReportIssue& report);

// A model that a server is asked for: one call for all rows of a decision. Immutable, thread-safe.
class RemoteModel : public ColumnModel {
 public:
  // The columns of the model that `remote` names; none when there was a problem.
  static FeatureColumns ColumnsOf(const attune::strategy::v1::Remote& remote,
                                  const InputNames& names, InputTable& inputs,
                                  const ReportIssue& report) {
    return ListedColumns("remote.inputs", remote.inputs(), names, inputs, report);
  }

  // `name` is the strategy's. Without a scorer nothing is asked: kNotAsked.
  RemoteModel(std::string name, FeatureColumns columns, std::shared_ptr<RemoteScorer> scorer)
      : ColumnModel(std::move(name), std::move(columns)), scorer_(std::move(scorer)) {}

  std::string Noun() const override;
  std::string FailureText(ModelFailure failure) const override;
  bool Waits() const override { return true; }

  // nullptr: nothing is asked.
  const RemoteScorer* scorer() const { return scorer_.get(); }

 protected:
  ModelFailure PredictRows(absl::Span<const double> rows, absl::Time deadline,
                           const Predictions& predictions,
                           std::string& failure_text) const override;

 private:
  const std::shared_ptr<RemoteScorer> scorer_;
};

}  // namespace attune::scoring

#endif  // ATTUNE_LIB_SCORING_REMOTE_MODEL_H_
