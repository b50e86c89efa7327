#ifndef ATTUNE_LIB_DECISION_EXPLANATION_H_
#define ATTUNE_LIB_DECISION_EXPLANATION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "lib/base/text_buffer.h"
#include "lib/candidates/rejection.h"
#include "lib/catalog/catalog.h"
#include "lib/context/decision_context.h"
#include "lib/decision/decider.h"
#include "lib/decision/score_explanation.h"
#include "lib/policy/contact_explanation.h"
#include "lib/policy/engagement_explanation.h"
#include "lib/strategy/strategy.h"

namespace attune::decision {

// Most values that an explanation names, and its longest texts, in bytes; what is longer is cut and
// ends in "...", as a long value does anyway. A rule may have kilobytes.
inline constexpr size_t kMaxShownValues = 32;
// Of the part of a rule, and of what it needed; also of the name of a value.
inline constexpr size_t kMaxShownBytes = policy::kMaxValueNameBytes;
inline constexpr size_t kMaxDetailBytes = 4096;  // of the sentence, which has the others in it

// The greedy choice, when exploration put another treatment on top; else nullptr. REQUIRES:
// `decision` was made with `strategy`.
const catalog::Treatment* DisplacedTreatment(const strategy::Strategy& strategy,
                                             const Decision& decision);

// May it be told from when contact policies allow the treatment again? Not where that tells a
// protected time zone.
bool MayTellWhenAllowed(const strategy::Strategy& strategy, int treatment);

// Why treatments of one decision were not ranked, one after the other. Texts are put together only
// where they are asked for, straight into their place, and are bounded by the limits above. Not
// thread-safe, and one decision can't be explained by several threads at once.
class RejectionExplainer {
 public:
  // REQUIRES: `decision` was made for `context` with `strategy`, and what it was made from is still
  // there. All outlive this object.
  RejectionExplainer(const strategy::Strategy& strategy, const context::DecisionContext& context,
                     const Decision& decision);

  // Looks at a rejection of the decision; what follows is about it.
  void Explain(const candidates::Rejection& rejection);

  // Appends a sentence with the values that mattered.
  void AppendDetail(TextBuffer& text);
  // The rule or contact policy that said no, and the strategist's sentence about it; both empty
  // when it was none. Valid as long as the strategy.
  std::string_view rule() const;
  std::string_view because() const;
  // See policy::RuleExplanation. A contact policy has no expression; a cap has its count as a
  // value. Values are valid until the next Explain.
  void AppendExpression(TextBuffer& text) const;
  absl::Span<const policy::RuleValue> values() const;
  void AppendNeeded(TextBuffer& text) const;
  void AppendNearestChange(TextBuffer& text) const;
  // The first moment, Unix milliseconds, at which the contact policies let the treatment pass
  // again; only when one of them said no, and waiting helps.
  std::optional<int64_t> allowed_from_ms() const;

 private:
  bool by_contact_policy() const { return rejection_.contact_policy >= 0; }
  bool by_rule() const { return !by_contact_policy() && rejection_.rule >= 0; }
  void ExplainContactPolicy();
  void AppendScoreDetail(TextBuffer& text);
  void AppendOutranked(double priority, TextBuffer& text);

  // Of the channel that the rejection is about.
  const context::DecisionContext& context() const {
    return decision_.result.ContextOf(asked_, rejection_.slot);
  }
  const policy::PolicyResult& policies() const {
    return decision_.result.PolicyOf(rejection_.slot);
  }

  const strategy::Strategy& strategy_;
  const context::DecisionContext& asked_;
  const Decision& decision_;
  candidates::Rejection rejection_;
  std::optional<policy::RuleExplanation> rule_;  // of the channel of this slot
  int rule_slot_ = 0;
  // What the contact policies forbid as well is not the nearest change.
  bool has_nearest_change_ = false;
  policy::ContactExplanation contact_;
  bool tells_time_ = false;  // of a contact policy: what it says does not tell a protected clock
  policy::RuleValue count_;  // of a cap
  std::string count_text_;
  size_t scored_place_ = 0;   // where scores were looked for last
  std::string outranked_by_;  // the same of all treatments of the decision, once it was told
};

// Calls `visit` with what moved the propensity of a ranked treatment, strongest first:
// "customer.open_incidents = 2 (+0.80)". The number is what the term adds to the score before the
// link function, all terms on one input together; of a formula only what it looked at is told.
// Values of protected features are not printed, nor is how much they move. At most kMaxReasons, and
// at least one: when nothing moved it, that is the reason. Of a model that nobody can look into it
// is told what it answered; where on_error of a model was used, that comes first, as one more. How
// a value and a cost that were computed came about is told last, as ExplainWorth does.
//
// REQUIRES: `decision` was made with `strategy`; `scores` are of the two.
void ExplainRanked(const strategy::Strategy& strategy, const Decision& decision,
                   const arbitration::RankedTreatment& ranked, ScoreExplainer& scores,
                   absl::FunctionRef<void(std::string_view)> visit);

}  // namespace attune::decision

#endif  // ATTUNE_LIB_DECISION_EXPLANATION_H_
