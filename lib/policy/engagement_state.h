#ifndef ATTUNE_LIB_POLICY_ENGAGEMENT_STATE_H_
#define ATTUNE_LIB_POLICY_ENGAGEMENT_STATE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "lib/candidates/rejection.h"
#include "lib/catalog/catalog.h"
#include "lib/context/decision_context.h"
#include "lib/context/value.h"
#include "lib/expression/evaluator.h"
#include "lib/policy/customer_scores.h"
#include "lib/policy/engagement_rules.h"
#include "lib/policy/formulas.h"
#include "lib/policy/history_counts.h"
#include "lib/policy/interaction_history.h"
#include "lib/value/standings.h"

namespace attune::policy {

// What the rules of a decision look at.
struct EngagementInput {
  const EngagementRules& rules;
  const catalog::Catalog& catalog;
  const ContactPolicies& contact;  // for its names and its clock
  const context::ContextSchema& schema;
  const context::DecisionContext& context;
  absl::Span<const ValueRef> features;  // one per declared feature
  // The customer base; nullptr: nothing is known of it. Of a score that it has of another version
  // of a model nothing is known either.
  const value::Standings* standings = nullptr;
  // What several channels of one decision share; it must outlive the use of the state. nullptr:
  // each state asks models that give scores itself.
  SharedScores* shared_scores = nullptr;
  // The same of the history, which is sorted out once. nullptr: each state does it itself.
  SortedHistory* shared_history = nullptr;
};

// Evaluates the rules of a strategy for one customer at one moment. Reused from decision to
// decision, so that it allocates nothing once it is warm. Not thread-safe.
class EngagementState {
 public:
  EngagementState() = default;
  EngagementState(const EngagementState&) = delete;
  EngagementState& operator=(const EngagementState&) = delete;

  // What `input` refers to and `history` must outlive the use of this object, and so must what the
  // features point into.
  void Reset(const EngagementInput& input, InteractionHistory& history);

  // The first rule that does not hold for the treatment, as a rejection; nullopt when all hold.
  std::optional<candidates::Rejection> RejectionOf(int treatment);

  // Makes the evaluator look at this treatment: for explanations.
  expression::Evaluator& EvaluatorFor(int treatment) const;

  // The same for the formula of the priority, given what the priority is made of.
  expression::Evaluator& EvaluatorFor(int treatment, const PriorityTermValues& terms) const;
  const PriorityTermValues& priority_terms() const { return priority_terms_; }
  // What the formula comes to for the treatment; errors are values. Of the formula of the priority:
  // with the terms that it was last given for it.
  expression::Value Evaluate(const Formula& formula, int treatment) const {
    return EvaluatorFor(treatment).Evaluate(formula.id);
  }

  // Would the rules of the treatment that look at one of these inputs hold if the variable with
  // this slot, of scope kDecision, had another value? For explanations. REQUIRES: the variable is
  // among the inputs.
  bool WouldHold(int treatment, InputSet inputs, uint32_t slot,
                 const expression::Value& value) const;
  const ContactPolicies& contact() const { return *contact_; }

  // A rule asked for what the history does not tell, as it does not reach back far enough or can't
  // be read or written; a rule looked at the local time of a customer whose time zone has a name
  // that is not known.
  bool history_incomplete() const { return history_incomplete_; }
  bool time_zone_unknown() const { return time_zone_unknown_; }

  // Where the customer stood by a score, as rules were told.
  struct Standing {
    int score = 0;
    double percentile = 0;
  };
  // Of the scores that were asked for, each once, in the order in which they were.
  absl::Span<const Standing> standings_told() const { return told_; }

  // What the functions and variables of expressions are: see strategy.proto.
  expression::Value Count(expression::CallContext& context, const expression::Value* args) const;
  expression::Value Last(expression::CallContext& context, const expression::Value* args) const;
  expression::Value LocalTime() const;
  expression::Value Percentile(const expression::Value* args) const;
  expression::Value Tier(const expression::Value* args) const;
  // The value of the score with this index, which a model gives.
  expression::Value Predicted(int score) const {
    return shared_scores_ == nullptr
               ? PredictedScore(predictor_.get(), score, features_)
               : shared_scores_->Predicted(predictor_.get(), score, features_);
  }

 private:
  void FillSlots(const EngagementInput& input);
  // The error that such a question gets.
  expression::Value HistoryUnknown() const;
  // The question that the part of the history and the list of outcomes ask; nullopt when an outcome
  // is not known: then `*problem` is the error.
  std::optional<HistoryQuery> QueryOf(expression::CallContext& context,
                                      const expression::Value* args,
                                      expression::Value* problem) const;

  const EngagementRules* rules_ = nullptr;
  const ContactPolicies* contact_ = nullptr;
  const value::Standings* standings_ = nullptr;
  SharedScores* shared_scores_ = nullptr;
  mutable absl::InlinedVector<Standing, kMaxScores> told_;
  int64_t time_us_ = 0;
  absl::Span<const ValueRef> features_;
  // What evaluating leaves behind.
  mutable int treatment_ = 0;
  mutable PriorityTermValues priority_terms_{};
  mutable bool history_incomplete_ = false;
  mutable bool time_zone_unknown_ = false;
  mutable HistoryCounts counts_;
  // Shared, so that another strategy's rules can't be taken for these.
  std::shared_ptr<const expression::RuleSet> rule_set_;
  std::unique_ptr<expression::Evaluator> evaluator_;
  std::unique_ptr<ScorePredictor> predictor_;  // null: no model gives a score
  std::vector<expression::Value> slots_;
  // Of WouldHold: made when it is first asked for.
  mutable std::unique_ptr<expression::Evaluator> other_evaluator_;
  mutable std::vector<expression::Value> other_slots_;  // those of this decision, or empty
};

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_ENGAGEMENT_STATE_H_
