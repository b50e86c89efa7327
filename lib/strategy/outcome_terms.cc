#include "lib/strategy/outcome_terms.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/catalog/outcome_terms.h"
#include "lib/strategy/checker_base.h"

namespace attune::strategy {
namespace {

using catalog::kMaxOutcomeValue;

constexpr int64_t kMicrosPerSecond = 1'000'000;
constexpr int64_t kMaxWindowSeconds = catalog::kMaxOutcomeWindowUs / kMicrosPerSecond;

class OutcomeTermsChecker : public CheckerBase {
 public:
  OutcomeTermsChecker(const v1::Strategy& file, YamlDocument& source, IssueList& issues)
      : CheckerBase(source, issues), file_(file) {}

  void Check() {
    int showing = -1;
    for (int i = 0; i < file_.outcomes_size(); ++i) {
      const v1::Outcome& outcome = file_.outcomes(i);
      const std::string path = Element("outcomes", i);
      CheckWindow(outcome, path);
      CheckValues(outcome, path);
      CheckFinal(outcome, path);
      if (!outcome.showing()) continue;
      CheckShowing(outcome, path, showing);
      if (showing < 0) showing = i;
    }
  }

 private:
  void CheckWindow(const v1::Outcome& outcome, const std::string& path) {
    const std::string window = Field(path, "window");
    if (!outcome.has_window() || !source_.HasUnflawed(window)) return;
    const int64_t seconds = outcome.window().seconds();
    if (seconds > 0 && seconds <= kMaxWindowSeconds) return;
    Report(window, absl::StrCat("window must be longer than 0s and at most ",
                                catalog::kMaxOutcomeWindowDays, "d",
                                seconds == 0 ? "; leave it out for the default of 7d" : ""));
  }

  void CheckFinal(const v1::Outcome& outcome, const std::string& path) {
    if (!outcome.final()) return;
    const std::string field = Field(path, "final");
    if (outcome.showing()) {
      Report(field, "the showing can't be final: nothing that follows would count");
    }
    if (outcome.without_treatment()) {
      Report(field, "an outcome without_treatment can't be final: it is learned for no treatment");
    }
  }

  // `earlier` is the index of another outcome that is the showing, or -1.
  void CheckShowing(const v1::Outcome& outcome, const std::string& path, int earlier) {
    const std::string showing = Field(path, "showing");
    if (earlier >= 0) {
      Report(showing, absl::StrCat("only one outcome can be the showing, and on line ",
                                   source_.LineOf(Field(Element("outcomes", earlier), "showing")),
                                   " ", Quoted(file_.outcomes(earlier).name()), " is it already"));
    }
    if (outcome.without_treatment()) {
      Report(showing, "an outcome without_treatment can't be the showing of one");
    }
  }

  void CheckValues(const v1::Outcome& outcome, const std::string& path) {
    if (outcome.has_min_value()) {
      CheckRange(path, "min_value", outcome.min_value(), -kMaxOutcomeValue, kMaxOutcomeValue);
    }
    if (!outcome.has_max_value()) return;
    CheckRange(path, "max_value", outcome.max_value(), -kMaxOutcomeValue, kMaxOutcomeValue);
    if (!outcome.has_min_value() || outcome.max_value() >= outcome.min_value()) return;
    const std::string max_value = Field(path, "max_value");
    if (!source_.HasUnflawed(max_value)) return;
    Report(max_value, absl::StrCat("max_value must be at least min_value, which is ",
                                   outcome.min_value(), "; no value would be allowed"));
  }

  const v1::Strategy& file_;
};

catalog::OutcomeTerms TermsOf(const v1::Outcome& file) {
  catalog::OutcomeTerms terms;
  if (file.has_window()) terms.window_us = file.window().seconds() * kMicrosPerSecond;
  terms.showing = file.showing();
  terms.is_final = file.final();
  if (file.has_min_value()) terms.min_value = file.min_value();
  if (file.has_max_value()) terms.max_value = file.max_value();
  return terms;
}

}  // namespace

void CheckOutcomeTerms(const v1::Strategy& file, YamlDocument& source, IssueList& issues) {
  OutcomeTermsChecker(file, source, issues).Check();
}

void CompileOutcomeTerms(const v1::Strategy& file, Strategy& strategy) {
  int64_t longest_us = 0;
  int64_t until_shown_us = 0;
  absl::flat_hash_set<std::string> seen;
  for (const v1::Outcome& outcome : file.outcomes()) {
    if (!seen.insert(outcome.name()).second) continue;
    const catalog::OutcomeTerms terms = TermsOf(outcome);
    if (terms.showing) {
      until_shown_us = terms.window_us;
      strategy.showing_outcome = static_cast<int>(strategy.outcome_terms.size());
    }
    longest_us = std::max(longest_us, terms.window_us);
    strategy.outcome_terms.push_back(terms);
  }
  strategy.decisions_kept_us = until_shown_us + longest_us;
}

}  // namespace attune::strategy
