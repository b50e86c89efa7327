#ifndef ATTUNE_TESTS_TESTING_REJECTION_TEXT_H_
#define ATTUNE_TESTS_TESTING_REJECTION_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/decision/explanation.h"

namespace attune::testing {

// What a decision::RejectionExplainer says of one rejection, each text by itself.
struct RejectionText {
  struct Value {
    std::string name;
    std::string value;
    bool is_default = false;
    bool is_protected = false;
  };
  std::string detail;
  std::string rule;
  std::string because;
  std::string expression;
  std::vector<Value> values;
  std::string needed;
  std::string nearest_change;
  std::optional<int64_t> allowed_from_ms;
};

inline RejectionText TextOf(decision::RejectionExplainer& explainer,
                            const candidates::Rejection& rejection) {
  explainer.Explain(rejection);
  RejectionText text;
  const auto write = [](std::string& to, auto append) {
    TextBuffer buffer(to);
    append(buffer);
  };
  write(text.detail, [&](TextBuffer& to) { explainer.AppendDetail(to); });
  text.rule = explainer.rule();
  text.because = explainer.because();
  write(text.expression, [&](TextBuffer& to) { explainer.AppendExpression(to); });
  for (const policy::RuleValue& value : explainer.values()) {
    text.values.push_back(
        {std::string(value.name), std::string(value.text), value.is_default, value.is_protected});
  }
  write(text.needed, [&](TextBuffer& to) { explainer.AppendNeeded(to); });
  write(text.nearest_change, [&](TextBuffer& to) { explainer.AppendNearestChange(to); });
  text.allowed_from_ms = explainer.allowed_from_ms();
  return text;
}

inline RejectionText ExplainRejection(const strategy::Strategy& strategy,
                                      const context::DecisionContext& context,
                                      const decision::Decision& decision,
                                      const candidates::Rejection& rejection) {
  decision::RejectionExplainer explainer(strategy, context, decision);
  return TextOf(explainer, rejection);
}

}  // namespace attune::testing

#endif  // ATTUNE_TESTS_TESTING_REJECTION_TEXT_H_
