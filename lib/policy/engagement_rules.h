#ifndef ATTUNE_LIB_POLICY_ENGAGEMENT_RULES_H_
#define ATTUNE_LIB_POLICY_ENGAGEMENT_RULES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/types/span.h"
#include "lib/base/absl_strings.h"
#include "lib/candidates/rejection.h"
#include "lib/catalog/catalog.h"
#include "lib/context/context_schema.h"
#include "lib/context/value.h"
#include "lib/context/value_schema.h"
#include "lib/expression/environment.h"
#include "lib/expression/rule_set.h"
#include "lib/expression/value.h"
#include "lib/policy/contact_policies.h"
#include "lib/policy/customer_scores.h"
#include "lib/policy/formulas.h"
#include "lib/policy/history_reach.h"
#include "lib/policy/rule_parts.h"

namespace attune::policy {

// Most rules of one strategy, and in one list of the strategy, a group or a treatment; most derived
// values and attributes of treatments; the longest expression in bytes.
inline constexpr int kMaxRules = 20'000;
inline constexpr int kMaxRulesOfOne = 32;
inline constexpr int kMaxDerived = 1'000;
inline constexpr int kMaxTreatmentAttributes = 256;
inline constexpr size_t kMaxExpressionBytes = 8192;

// What an expression of a strategy may cost.
inline constexpr expression::Limits kExpressionLimits = {
    .max_source_bytes = kMaxExpressionBytes,
    .max_nodes = 5'000,
    .max_steps = 100'000,
    .max_arena_bytes = 1'000'000,
};

// What a rule decides, in the order in which they are looked at.
enum class EngagementStage : uint8_t { kEligibility, kApplicability, kSuitability };
inline constexpr EngagementStage kEngagementStages[] = {
    EngagementStage::kEligibility, EngagementStage::kApplicability, EngagementStage::kSuitability};

// "eligibility", "applicability", "suitability".
std::string_view EngagementStageName(EngagementStage stage);
// Why a treatment is rejected for which such a rule does not hold.
candidates::Reason ReasonOf(EngagementStage stage);

// One rule; its condition is the expression with its index in the rule set.
struct EngagementRule {
  std::string name;
  std::string because;  // for people; may be empty
  EngagementStage stage = EngagementStage::kEligibility;
  ContactOwner owner;
};

// A formula of the strategy.
struct DerivedValue {
  std::string name;
  std::string description;
  std::string type;  // as expression::TypePool::Parse reads it
  // It depends on a protected feature.
  bool is_protected = false;
};

// What expressions may say about the history.
struct HistoryTerms {
  StringMap<OutcomeSet> outcomes;  // by name, with "decided"
  // As the strategy writes it: no window is longer. Absent: it is as long as the longest one.
  std::optional<int64_t> retention_ms;
  HistoryReach reach;
};

// What of a strategy its expressions see.
struct EngagementSchema {
  const ValueSchema& features;
  const context::ContextSchema& context;
  const ValueSchema& treatment_attributes;
};

// Declares everything that expressions may name, but for derived values. `terms` must outlive it.
std::shared_ptr<expression::Environment> MakeEnvironment(const EngagementSchema& schema,
                                                         const HistoryTerms& terms);

// Where variables have their values: of scope kDecision.
struct DecisionSlots {
  static constexpr uint32_t kChannel = 0;
  static constexpr uint32_t kIntent = 1;
  static constexpr uint32_t kTime = 2;
  static constexpr uint32_t kAllHistory = 3;
  static constexpr uint32_t kAllHistoryOnChannel = 4;
  static constexpr uint32_t kFirstFeature = 5;  // then the attributes of the interaction
};
// And of scope kCandidate.
struct CandidateSlots {
  static constexpr uint32_t kName = 0;
  static constexpr uint32_t kGroup = 1;
  static constexpr uint32_t kTreatmentHistory = 2;
  static constexpr uint32_t kTreatmentHistoryOnChannel = 3;
  static constexpr uint32_t kGroupHistory = 4;
  static constexpr uint32_t kGroupHistoryOnChannel = 5;
  static constexpr uint32_t kFirstAttribute = 6;
};

// How expressions count: history.all.count(outcomes, window), and which argument the window is.
inline constexpr std::string_view kCountFunction = "count";
inline constexpr size_t kCountOutcomes = 1;
inline constexpr size_t kCountWindow = 2;
// A window as they write it; not longer than 0: it is none.
int64_t WindowMs(const expression::Value& duration);

// A part of the history as expressions hold it, and which part it is.
expression::Value HistoryPart(Scope of, bool on_channel);
Scope ScopeOf(const expression::Value& part);
bool IsOnChannel(const expression::Value& part);

// The value as expressions see it. Points to where `value` does.
expression::Value ToExpression(const ValueRef& value);

// The rules of a strategy, compiled and laid out for a decision. Immutable once built, thread-safe.
class EngagementRules {
 public:
  // What the constructor makes the layout of.
  struct Parts {
    std::vector<EngagementRule> rules;  // by their index in the rule set
    Formulas formulas;                  // behind them there
    std::vector<DerivedValue> derived;
    CustomerScores scores;
    std::shared_ptr<const expression::RuleSet> rule_set;
    std::shared_ptr<const HistoryTerms> terms;
    // By treatment: its attributes, one per declared one.
    std::vector<std::vector<OwnedValue>> attributes;
    // The customer's time zone is protected.
    bool local_time_protected = false;
  };

  EngagementRules() = default;
  EngagementRules(Parts parts, const catalog::Catalog& catalog, const EngagementSchema& schema);

  // How many rules there are.
  int size() const { return static_cast<int>(parts_.rules.size()); }
  // Is there nothing that a decision would have to evaluate, neither rules nor formulas?
  bool empty() const { return parts_.rules.empty() && parts_.formulas.all.empty(); }
  const EngagementRule& operator[](int rule) const {
    return parts_.rules[static_cast<size_t>(rule)];
  }
  const Formulas& formulas() const { return parts_.formulas; }
  absl::Span<const DerivedValue> derived() const { return parts_.derived; }
  const CustomerScores& scores() const { return parts_.scores; }
  // Null when nothing was compiled.
  const std::shared_ptr<const expression::RuleSet>& rule_set() const { return parts_.rule_set; }
  const HistoryTerms& terms() const { return *parts_.terms; }
  // The longest constant window within which any of them counts; 0: none counts. A window that is
  // computed may be longer: then counting is an error where the history doesn't reach back.
  int64_t longest_window_ms() const { return longest_window_ms_; }

  // The rules that a treatment must meet, in the order in which they are looked at.
  absl::Span<const int> Holding(int treatment) const {
    const auto t = static_cast<size_t>(treatment);
    return absl::MakeConstSpan(holding_).subspan(first_holding_[t],
                                                 first_holding_[t + 1] - first_holding_[t]);
  }

  // What explanations know of a rule: how they begin ("suitability no_open_incident: "), its parts
  // by ExplainNode::leaf, and all that these look at.
  std::string_view HeadingOf(int rule) const {
    return explained_[static_cast<size_t>(rule)].heading;
  }
  absl::Span<const RulePart> PartsOf(int rule) const {
    return explained_[static_cast<size_t>(rule)].parts;
  }
  InputSet InputSetOf(int rule) const { return explained_[static_cast<size_t>(rule)].inputs; }

  // What a decision has to fill in: the features and attributes that any rule looks at, and how
  // many slots there are in all.
  absl::Span<const int> used_features() const { return used_features_; }
  absl::Span<const int> used_attributes() const { return used_attributes_; }
  size_t decision_slots() const { return decision_slots_; }
  uint32_t first_attribute_slot() const { return first_attribute_slot_; }
  // The values of what depends on the treatment.
  const expression::Value* CandidateValues(int treatment) const {
    return &candidate_values_[static_cast<size_t>(treatment) * candidate_slots_];
  }

  // Its value must not be printed: a protected feature, or what depends on one.
  bool IsProtected(const expression::Variable& variable) const {
    return !protected_.empty() && protected_.contains(variable.path);
  }

 private:
  void PlaceRules(const catalog::Catalog& catalog);
  void PlaceValues(const catalog::Catalog& catalog, const EngagementSchema& schema);
  void FindUsed(const EngagementSchema& schema);
  void FindProtected(const EngagementSchema& schema);
  void FindParts();
  void FindLongestWindow();

  struct Explained {
    std::string heading;
    std::vector<RulePart> parts;
    InputSet inputs = kAnyInput;
  };

  Parts parts_;
  std::vector<int> holding_;  // by treatment, one after the other, with the start of each
  std::vector<size_t> first_holding_ = {0};
  std::vector<Explained> explained_;  // by rule
  std::vector<int> used_features_;
  std::vector<int> used_attributes_;
  size_t decision_slots_ = 0;
  uint32_t first_attribute_slot_ = 0;
  size_t candidate_slots_ = 0;
  int64_t longest_window_ms_ = 0;
  std::vector<expression::Value> candidate_values_;  // by treatment
  absl::flat_hash_set<std::string> protected_;       // paths of variables
};

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_ENGAGEMENT_RULES_H_
