#ifndef ATTUNE_LIB_POLICY_FORMULAS_H_
#define ATTUNE_LIB_POLICY_FORMULAS_H_

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "lib/expression/environment.h"
#include "lib/expression/rule_set.h"
#include "lib/expression/value.h"

namespace attune::policy {

// Most bytes of a text that is computed for one field of content, as of one that is written; and of
// all that are computed for the treatments of one ranking.
inline constexpr size_t kMaxComputedBytes = 4096;
inline constexpr size_t kMaxComputedBytesInAll = 128u << 10;

// An expression of a strategy that comes to a value which is used as it is: the propensity of a
// model, the priority, a field of content. What of it does not depend on the treatment it shares
// with the rules.
struct Formula {
  expression::RuleId id = 0;  // in the rule set of EngagementRules
  // It looks at something protected: of what it comes to and of why it fails nothing is printed.
  bool hides = false;
};

// A field of what a treatment shows on a channel that is computed in each decision.
struct ComputedField {
  int treatment = 0;  // index into Catalog::treatments
  int channel = 0;    // index of the channel
  std::string name;
  int formula = 0;  // index into Formulas::all
};

// What of the value and the cost of a treatment is computed in each decision: indexes into
// Formulas::all; -1: it is written in the strategy.
struct ComputedWorth {
  int value = -1;
  int cost = -1;
};

// What a strategy computes beside its rules. Immutable once built, thread-safe.
struct Formulas {
  std::vector<Formula> all;
  std::vector<int> of_model;  // by model of the strategy: index into `all`; -1: it is no formula
  int priority = -1;          // index into `all`; -1: the strategy has none
  std::vector<ComputedField> fields;  // ascending by treatment, then channel, then name
  std::vector<ComputedWorth> worth;   // by treatment; empty: nobody's value or cost is computed

  // What of the worth of this treatment is computed.
  ComputedWorth WorthOf(int treatment) const {
    return worth.empty() ? ComputedWorth() : worth[static_cast<size_t>(treatment)];
  }
  // The fields that are computed for this treatment on this channel.
  absl::Span<const ComputedField> FieldsOf(int treatment, int channel) const;
};

// What the formula of the priority may name beside all that rules see, all of them doubles.
inline constexpr std::array<std::string_view, 5> kPriorityTerms = {"propensity", "context_weight",
                                                                   "value", "lever", "cost"};
// Their values, in the same order.
using PriorityTermValues = std::array<double, kPriorityTerms.size()>;

// Declares them: what is compiled from then on can name them.
void DeclarePriorityTerms(expression::Environment& environment);

// The number that an expression came to; nullopt when it is an error or no number. It may not be
// finite.
std::optional<double> NumberOf(const expression::Value& value);

// Appends a value as content shows it: strings as they are, numbers and bools as string() of an
// expression writes them. False, and nothing is appended, when it is an error, a number that is not
// finite, or of another type.
bool AppendContent(const expression::Value& value, std::string& text);

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_FORMULAS_H_
