#ifndef ATTUNE_LIB_DECISION_INPUT_TEXT_H_
#define ATTUNE_LIB_DECISION_INPUT_TEXT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "lib/catalog/catalog.h"
#include "lib/context/decision_context.h"
#include "lib/decision/decider.h"
#include "lib/scoring/input_table.h"
#include "lib/strategy/strategy.h"

namespace attune::decision {

// What models looked at, as explanations print it.

// The intent of the request; "not known" when it has none.
std::string IntentText(const strategy::Strategy& strategy, const context::DecisionContext& context);

// The names of all inputs that the models of a strategy may look at ("customer.plan",
// "context.intent"), put together once. Immutable, thread-safe.
class InputNameList {
 public:
  explicit InputNameList(const strategy::Strategy& strategy);

  const std::string& operator[](const scoring::Input& input) const {
    return names_[NumberOf(input)];
  }
  // From 0 to size() - 1, another for each input.
  size_t NumberOf(const scoring::Input& input) const;
  size_t size() const { return names_.size(); }

 private:
  const size_t features_;
  const size_t attributes_;
  std::vector<std::string>
      names_;  // of features, attributes, then the other sources in their order
};

// May the value of the input not be told, nor how much it moves?
bool IsProtected(const strategy::Strategy& strategy, const scoring::Input& input);

// The value of the input: `2`, `"gold"`, `12 (default)`, "(protected)". `context` is that of the
// channel that the treatment is ranked on. REQUIRES: `decision` was made with `strategy`.
std::string InputValue(const strategy::Strategy& strategy, const context::DecisionContext& context,
                       const Decision& decision, const catalog::Treatment& treatment,
                       const scoring::Input& input);

}  // namespace attune::decision

#endif  // ATTUNE_LIB_DECISION_INPUT_TEXT_H_
