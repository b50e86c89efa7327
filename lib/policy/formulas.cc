#include "lib/policy/formulas.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "lib/expression/number_text.h"
#include "lib/policy/engagement_state.h"

namespace attune::policy {
namespace {

using expression::Kind;
using expression::Value;

// By place of a term in kPriorityTerms: what its variable hands to TermBody.
constexpr std::array<size_t, kPriorityTerms.size()> kTermPlaces = {0, 1, 2, 3, 4};

Value TermBody(expression::CallContext& context, const void* place) {
  const auto& state = *static_cast<const EngagementState*>(context.host());
  return Value::Double(state.priority_terms()[*static_cast<const size_t*>(place)]);
}

}  // namespace

absl::Span<const ComputedField> Formulas::FieldsOf(int treatment, int channel) const {
  const auto place = [](const ComputedField& field) {
    return std::tuple(field.treatment, field.channel);
  };
  const std::tuple wanted(treatment, channel);
  const auto begin = std::lower_bound(
      fields.begin(), fields.end(), wanted,
      [&](const ComputedField& field, const auto& key) { return place(field) < key; });
  const auto end = std::find_if(begin, fields.end(),
                                [&](const ComputedField& field) { return place(field) != wanted; });
  return absl::MakeConstSpan(fields).subspan(static_cast<size_t>(begin - fields.begin()),
                                             static_cast<size_t>(end - begin));
}

void DeclarePriorityTerms(expression::Environment& environment) {
  for (size_t i = 0; i < kPriorityTerms.size(); ++i) {
    environment
        .AddLazyVariable(kPriorityTerms[i], expression::SimpleType(expression::TypeKind::kDouble),
                         expression::Scope::kCandidate, TermBody, &kTermPlaces[i])
        .IgnoreError();
  }
}

std::optional<double> NumberOf(const Value& value) {
  switch (value.kind()) {
    case Kind::kDouble:
      return value.double_value();
    case Kind::kInt:
      return static_cast<double>(value.int_value());
    default:
      return std::nullopt;
  }
}

bool AppendContent(const Value& value, std::string& text) {
  switch (value.kind()) {
    case Kind::kString:
      text += value.text();
      return true;
    case Kind::kBool:
      text += value.bool_value() ? "true" : "false";
      return true;
    case Kind::kInt:
      text += std::to_string(value.int_value());
      return true;
    case Kind::kDouble:
      if (!std::isfinite(value.double_value())) return false;
      text += expression::DoubleToText(value.double_value());
      return true;
    default:
      return false;
  }
}

}  // namespace attune::policy
