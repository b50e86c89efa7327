#ifndef ATTUNE_LIB_POLICY_ENGAGEMENT_EXPLANATION_H_
#define ATTUNE_LIB_POLICY_ENGAGEMENT_EXPLANATION_H_

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "lib/base/text_buffer.h"
#include "lib/candidates/rejection.h"
#include "lib/expression/arena.h"
#include "lib/expression/explanation.h"
#include "lib/policy/engagement_rules.h"
#include "lib/policy/engagement_state.h"
#include "lib/policy/nearest_change.h"

namespace attune::policy {

// Longest name of a value that a rule looked at, in bytes: that of something computed is what was
// written, and longer ones are cut.
inline constexpr size_t kMaxValueNameBytes = 1024;

// A value that a rule looked at.
struct RuleValue {
  std::string_view name;  // "customer.open_incidents"; valid as long as the strategy
  std::string_view text;  // "2"; empty when it is protected
  bool is_default = false;
  bool is_protected = false;
};

// Why rules do not hold, one rejection after the other, each in its parts. Nothing tells the value
// of a protected feature: where a part of a rule looked at one, neither that part nor what it
// needed is printed. Texts are put together only where they are asked for, straight into their
// place; what is found needs no memory beyond this object's, unless a rule has many parts or long
// values. Lives for one decision. Not thread-safe.
class RuleExplanation {
 public:
  // REQUIRES: both outlive this object, and `state` is not Reset meanwhile.
  RuleExplanation(const EngagementRules& rules, const EngagementState& state)
      : rules_(rules), state_(state) {}
  RuleExplanation(const RuleExplanation&) = delete;
  RuleExplanation& operator=(const RuleExplanation&) = delete;

  // Looks at a rejection; what follows is about it. REQUIRES: `state` rejected it;
  // rejection.rule >= 0.
  void Explain(const candidates::Rejection& rejection);

  // "suitability no_open_incident: customer.open_incidents = 2, needed 0 (Solve first.)"
  void AppendSentence(TextBuffer& text) const;
  // The parts that were false, as written; where one of several would have been enough, all of
  // them, with " || " between them.
  void AppendExpression(TextBuffer& text) const;
  // What they looked at; valid until the next Explain.
  absl::Span<const RuleValue> values() const { return values_; }
  // What a part that is one comparison needed: "0", "< 2", "one of ["a", "b"]"; "a or b" when one
  // of several would have been enough.
  void AppendNeeded(TextBuffer& text) const;
  // The one comparison that would have let the treatment pass all rules, had it been true:
  // "customer.open_incidents == 0"; see NearestChange. Where one of several would have been enough,
  // with " || " between them. Nothing when it would take more.
  void AppendNearestChange(TextBuffer& text) const;
  bool has_nearest_change() const { return has_nearest_change_; }

 private:
  // What of a value of the decision is the same for all its treatments.
  struct Told {
    const expression::Variable* variable = nullptr;
    std::string text;
  };
  static constexpr size_t kMaxTold = 16;

  const RulePart& PartOf(const expression::Finding& finding) const {
    return rules_.PartsOf(rule_)[finding.part->leaf];
  }
  std::string_view TextOf(const expression::Value& value);
  std::string_view TextOf(const expression::SeenValue& seen);
  void AddValues(const expression::Finding& finding);
  void AppendWhatHappened(const expression::Finding& finding, TextBuffer& text) const;

  const EngagementRules& rules_;
  const EngagementState& state_;
  int rule_ = -1;
  expression::Findings findings_;
  absl::InlinedVector<RuleValue, 8> seen_;  // parallel to findings_.seen
  absl::InlinedVector<RuleValue, 8> values_;
  absl::InlinedVector<Change, 4> changes_;  // parallel to findings_.parts
  bool has_nearest_change_ = false;
  // Texts of values: of what belongs to the decision, in the order in which it was met; of the
  // rest, for one rejection.
  std::array<Told, kMaxTold> told_;
  size_t told_count_ = 0;
  expression::Arena texts_{1024};
  std::string scratch_;
};

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_ENGAGEMENT_EXPLANATION_H_
