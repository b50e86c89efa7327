#include "lib/policy/engagement_explanation.h"

#include <algorithm>

#include "lib/base/text.h"

namespace attune::policy {

using expression::Finding;
using expression::SeenValue;
using expression::Value;

namespace {

// What stands between two findings, each of which would have been enough.
void Separate(std::string_view separator, size_t begin, TextBuffer& text) {
  if (text.size() > begin) text += separator;
}

}  // namespace

void RuleExplanation::Explain(const candidates::Rejection& rejection) {
  rule_ = rejection.rule;
  seen_.clear();
  values_.clear();
  changes_.clear();
  has_nearest_change_ = false;
  texts_.Reset();
  expression::Explain(state_.EvaluatorFor(rejection.treatment),
                      static_cast<expression::RuleId>(rule_), findings_);
  NearestChange nearest_change(rules_, state_, rejection);
  for (const Finding& finding : findings_.parts) {
    AddValues(finding);
    const RulePart& part = PartOf(finding);
    changes_.push_back(part.hides ? Change() : nearest_change.Of(findings_, finding, part));
    has_nearest_change_ |= changes_.back().kind != Change::Kind::kNone;
  }
}

std::string_view RuleExplanation::TextOf(const Value& value) {
  scratch_.clear();
  AppendText(value, scratch_);
  return texts_.Copy(scratch_);
}

std::string_view RuleExplanation::TextOf(const SeenValue& seen) {
  if (seen.variable->scope != expression::Scope::kDecision) return TextOf(seen.value);
  for (size_t i = 0; i < told_count_; ++i) {
    if (told_[i].variable == seen.variable) return told_[i].text;
  }
  if (told_count_ == kMaxTold) return TextOf(seen.value);
  Told& told = told_[told_count_++];
  told.variable = seen.variable;
  AppendText(seen.value, told.text);
  return told.text;
}

void RuleExplanation::AddValues(const Finding& finding) {
  const bool hides = PartOf(finding).hides;
  for (const SeenValue& seen : findings_.SeenBy(finding)) {
    RuleValue& value = seen_.emplace_back();
    value.name = seen.variable->path;
    value.is_protected = hides && rules_.IsProtected(*seen.variable);
    if (!value.is_protected) {
      value.text = TextOf(seen);
      value.is_default = !seen.value.present();
    }
    // One part names each variable once.
    const bool is_new = finding.first_seen == 0 ||
                        std::none_of(values_.begin(), values_.end(), [&](const RuleValue& other) {
                          return other.name == value.name;
                        });
    if (is_new) values_.push_back(value);
  }
  if (hides || finding.comparison == nullptr || finding.comparison->variable != nullptr) return;
  RuleValue& computed = values_.emplace_back();
  computed.name = Prefix(finding.comparison->compared, kMaxValueNameBytes);
  computed.text = TextOf(finding.compared_value);
}

void RuleExplanation::AppendSentence(TextBuffer& text) const {
  text += rules_.HeadingOf(rule_);
  for (const Finding& finding : findings_.parts) {
    if (&finding != &findings_.parts.front()) text += "; or ";
    AppendWhatHappened(finding, text);
  }
  const std::string& because = rules_[rule_].because;
  if (because.empty()) return;
  text += " (";
  text += because;
  text += ')';
}

void RuleExplanation::AppendWhatHappened(const Finding& finding, TextBuffer& text) const {
  const bool hides = PartOf(finding).hides;
  const char* before_values = "";
  if (finding.result.is_error()) {
    // The message may quote a value.
    text += "can't be evaluated: ";
    text += hides ? ErrorCodeName(finding.result.error_code()) : finding.result.error_message();
    before_values = "; ";
  } else if (!hides && finding.comparison == nullptr) {
    text += finding.part->text;
    text += " is false";
    before_values = " with ";
  }
  if (finding.seen_count > 0 || finding.comparison != nullptr) text += before_values;
  const auto append_seen = [&](size_t i, TextBuffer& out) {
    const RuleValue& value = seen_[i];
    if (value.is_protected) {
      out += " is hidden";
      return;
    }
    out += " = ";
    out += value.text;
    if (value.is_default) out += " (not known)";
  };
  AppendDescription(findings_, finding, hides, append_seen, text);
}

void RuleExplanation::AppendExpression(TextBuffer& text) const {
  const size_t begin = text.size();
  for (const Finding& finding : findings_.parts) {
    if (PartOf(finding).hides) continue;
    Separate(" || ", begin, text);
    text += finding.part->text;
  }
}

void RuleExplanation::AppendNeeded(TextBuffer& text) const {
  const size_t begin = text.size();
  for (const Finding& finding : findings_.parts) {
    if (PartOf(finding).hides || finding.comparison == nullptr) continue;
    Separate(" or ", begin, text);
    expression::AppendNeeded(finding, text);
  }
}

void RuleExplanation::AppendNearestChange(TextBuffer& text) const {
  const size_t begin = text.size();
  for (size_t i = 0; i < findings_.parts.size(); ++i) {
    if (changes_[i].kind == Change::Kind::kNone) continue;
    Separate(" || ", begin, text);
    AppendChange(findings_.parts[i], changes_[i], text);
  }
}

}  // namespace attune::policy
