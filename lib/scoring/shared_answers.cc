#include "lib/scoring/shared_answers.h"

#include <limits>

namespace attune::scoring {

void SharedAnswers::Reset(const catalog::Catalog& catalog, absl::Span<const int> candidates) {
  catalog_ = &catalog;
  candidates_.assign(candidates.begin(), candidates.end());
  asked_ = 0;
}

bool SharedAnswers::Fill(int index, const Batch& batch, const Predictions& predictions) {
  const AnswersOfModel* answers = Find(index);
  bool all_known = true;
  for (size_t i = 0; i < batch.treatments.size(); ++i) {
    const Answer answer = answers == nullptr
                              ? Answer()
                              : answers->by_treatment[static_cast<size_t>(batch.treatments[i])];
    const bool is_known = answer.state == Answer::State::kKnown;
    all_known &= is_known;
    predictions.propensity[i] =
        is_known ? answer.propensity : std::numeric_limits<double>::quiet_NaN();
    predictions.deviation[i] = is_known ? answer.deviation : kUnknownDeviation;
  }
  return all_known;
}

ModelFailure SharedAnswers::Predict(const Model& model, int index, const Batch& batch,
                                    const Predictions& predictions, ModelScratch& scratch) {
  FindWanted(index, batch);
  std::vector<Answer>& answers = Find(index)->by_treatment;
  ModelFailure failure = ModelFailure::kNone;
  if (!wanted_.empty()) {
    propensity_.assign(wanted_.size(), std::numeric_limits<double>::quiet_NaN());
    deviation_.assign(wanted_.size(), kUnknownDeviation);
    failure =
        model.PredictBatch({batch.frame, wanted_, batch.deadline},
                           {absl::MakeSpan(propensity_), absl::MakeSpan(deviation_)}, scratch);
  }
  const bool is_answered = failure == ModelFailure::kNone;
  for (size_t i = 0; i < wanted_.size(); ++i) {
    answers[static_cast<size_t>(wanted_[i])] = {
        is_answered ? Answer::State::kKnown : Answer::State::kUnknown, propensity_[i],
        deviation_[i]};
  }
  Fill(index, batch, predictions);
  return failure;
}

void SharedAnswers::FindWanted(int index, const Batch& batch) {
  wanted_.clear();
  AnswersOfModel* answers = Find(index);
  if (answers == nullptr) {
    if (asked_ == answers_.size()) answers_.emplace_back();
    answers = &answers_[asked_++];
    answers->model = index;
    answers->by_treatment.assign(catalog_->treatments.size(), Answer());
    for (const int candidate : candidates_) {
      if (catalog_->treatments[static_cast<size_t>(candidate)].model == index) {
        Want(candidate, *answers);
      }
    }
  }
  for (const int treatment : batch.treatments) Want(treatment, *answers);
}

void SharedAnswers::Want(int treatment, AnswersOfModel& answers) {
  Answer& answer = answers.by_treatment[static_cast<size_t>(treatment)];
  if (answer.state != Answer::State::kUnknown) return;
  answer.state = Answer::State::kWanted;
  wanted_.push_back(treatment);
}

SharedAnswers::AnswersOfModel* SharedAnswers::Find(int index) {
  for (size_t i = 0; i < asked_; ++i) {
    if (answers_[i].model == index) return &answers_[i];
  }
  return nullptr;
}

}  // namespace attune::scoring
