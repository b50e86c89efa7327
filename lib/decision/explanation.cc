#include "lib/decision/explanation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/policy/contact_explanation.h"

namespace attune::decision {
namespace {

using candidates::Reason;

std::string Time(int64_t unix_us) {
  return absl::FormatTime(absl::RFC3339_sec, absl::FromUnixMicros(unix_us), absl::UTCTimeZone());
}

std::string Intent(const strategy::Strategy& strategy, const context::DecisionContext& context) {
  const std::string_view name = strategy.context.IntentName(context.intent);
  return name.empty() ? "not known" : std::string(name);
}

// As printf's %.4g, in a fraction of the time: a decision drops many treatments.
std::string FourDigits(double number) {
  std::array<char, 32> text;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), number, std::chars_format::general, 4);
  return {text.data(), end.ptr};
}

// The number that arbitration compared for this treatment.
struct Scores {
  double propensity = 0;
  double priority = 0;
};
Scores ScoresOf(const Decision& decision, int treatment) {
  const auto& scored = decision.result.scored.scored;
  const auto it = std::lower_bound(
      scored.begin(), scored.end(), treatment,
      [](const scoring::ScoredCandidate& s, int wanted) { return s.treatment < wanted; });
  if (it == scored.end() || it->treatment != treatment) return {};
  return {it->propensity,
          decision.result.arbitration.priority[static_cast<size_t>(it - scored.begin())]};
}

std::string KnownOrDefault(const ValueRef& value) {
  if (value.known()) return value.ToString();
  // A moment that stands in for one that nobody knows says nothing to people.
  if (value.type() == ValueType::kTimestamp) return "not known";
  return absl::StrCat(value.ToString(), " (default)");
}

bool IsProtected(const strategy::Strategy& strategy, const scoring::Input& input) {
  return input.source == scoring::Input::Source::kCustomer &&
         strategy.features[input.slot].is_protected;
}

// What the model adds for each input, all terms of the input together, strongest first.
std::vector<scoring::Contribution> StrongestInputs(
    const std::vector<scoring::Contribution>& terms) {
  std::vector<scoring::Contribution> inputs;
  for (const scoring::Contribution& term : terms) {
    const auto same = std::find_if(inputs.begin(), inputs.end(), [&](const auto& known) {
      return known.input.source == term.input.source && known.input.slot == term.input.slot;
    });
    if (same == inputs.end()) {
      inputs.push_back(term);
    } else {
      same->amount += term.amount;
    }
  }
  std::erase_if(inputs, [](const scoring::Contribution& c) { return c.amount == 0; });
  std::stable_sort(inputs.begin(), inputs.end(),
                   [](const scoring::Contribution& a, const scoring::Contribution& b) {
                     return std::fabs(a.amount) > std::fabs(b.amount);
                   });
  return inputs;
}

// "+0.80", and "+0.0021" or "+3.1e+20" where two decimals would say nothing.
std::string Amount(double amount) {
  const double size = std::fabs(amount);
  return size >= 0.01 && size < 1e6 ? absl::StrFormat("%+.2f", amount)
                                    : absl::StrFormat("%+.2g", amount);
}

// The value of an input as people read it.
std::string InputValue(const strategy::Strategy& strategy, const context::DecisionContext& context,
                       const Decision& decision, const catalog::Treatment& treatment,
                       const scoring::Input& input) {
  const auto slot = static_cast<size_t>(input.slot);
  switch (input.source) {
    case scoring::Input::Source::kCustomer: {
      if (IsProtected(strategy, input)) return "(protected)";
      return KnownOrDefault(decision.features[slot]);
    }
    case scoring::Input::Source::kAttribute: {
      return KnownOrDefault(context.attributes[slot]);
    }
    case scoring::Input::Source::kChannel:
      return strategy.context.channels[context.channel].name;
    case scoring::Input::Source::kIntent:
      return Intent(strategy, context);
    case scoring::Input::Source::kTreatmentName:
      return treatment.name;
    case scoring::Input::Source::kTreatmentGroup:
      return strategy.catalog.groups[static_cast<size_t>(treatment.group)].name;
  }
  return "";
}

// Why the customer's consent to the treatment is missing.
std::string MissingConsent(const strategy::Strategy& strategy, const Decision& decision,
                           const catalog::Treatment& treatment, const std::string& channel) {
  if (treatment.purpose < 0) return "the customer has not consented";
  const auto purpose = static_cast<size_t>(treatment.purpose);
  const std::string what =
      absl::StrCat("to ", strategy.catalog.purposes[purpose].name, " on the channel ", channel);
  if ((decision.degradation & kCustomerUnavailable) != 0) {
    return absl::StrCat("whether the customer consents ", what, " can't be read now");
  }
  return decision.result.policy.consents[purpose] == policy::PolicyResult::Said::kNo
             ? absl::StrCat("the customer said no ", what)
             : absl::StrCat("the customer has not said yes ", what);
}

bool IsTimeZoneProtected(const strategy::Strategy& strategy) {
  const int feature = strategy.contact.clock().feature;
  return feature >= 0 && strategy.features[feature].is_protected;
}

// Until when such a policy holds tells where the customer's clock stands.
bool HasCalendarPolicy(const strategy::Strategy& strategy, int treatment) {
  const auto places = strategy.contact.Holding(treatment);
  return std::any_of(places.begin(), places.end(), [&](const auto& place) {
    return strategy.contact[place.policy].is_calendar();
  });
}

RejectionExplanation ExplainContactPolicy(const strategy::Strategy& strategy,
                                          const Decision& decision,
                                          const candidates::Rejection& rejection) {
  const bool zone_is_protected = IsTimeZoneProtected(strategy);
  const bool tells_when = !zone_is_protected || !HasCalendarPolicy(strategy, rejection.treatment);
  policy::ContactExplanation contact = policy::ExplainContact(
      strategy.contact, strategy.catalog, decision.result.policy.contact, rejection, tells_when);
  RejectionExplanation explanation;
  if (rejection.reason == Reason::kCapReached) {
    explanation.values.push_back({.name = "count", .value = absl::StrCat(contact.count)});
    explanation.needed = absl::StrCat("< ", contact.limit);
  }
  if (zone_is_protected && strategy.contact[rejection.contact_policy].is_calendar()) {
    explanation.detail =
        absl::StrCat(contact.policy, ": not at this time of the customer's day or ",
                     "week, by a time zone that is protected", contact.because.empty() ? "" : " (",
                     contact.because, contact.because.empty() ? "" : ")");
    explanation.rule = strategy.contact[rejection.contact_policy].name;
    explanation.because = strategy.contact[rejection.contact_policy].because;
    return explanation;
  }
  explanation.detail = std::move(contact.sentence);
  explanation.rule = strategy.contact[rejection.contact_policy].name;
  explanation.because = strategy.contact[rejection.contact_policy].because;
  explanation.allowed_from_ms = contact.allowed_from_ms;
  return explanation;
}

// Who stopped the treatment, since when and why.
std::string Stopped(const Decision& decision, int treatment) {
  const stops::Change* stop = decision.stops->StopOf(treatment);
  if (stop == nullptr) return "is stopped";
  const std::string who =
      absl::StrCat(stop->by, " since ", Time(stop->time_us), ": ", stop->because);
  if (stop->target.kind == stops::Target::Kind::kTreatment) {
    return absl::StrCat("is stopped by ", who);
  }
  return absl::StrCat("its group ", stop->target.name, " is stopped by ", who);
}

RejectionExplanation ExplainEngagement(const strategy::Strategy& strategy, const Decision& decision,
                                       const candidates::Rejection& rejection) {
  const policy::PolicyResult& result = decision.result.policy;
  policy::RuleExplanation rule =
      policy::ExplainRule(strategy.engagement, result.engagement, rejection);
  // What is not eligible may be contacted too often as well.
  if (!rule.nearest_change.empty() && strategy.contact.size() > 0 &&
      policy::AllowedFrom(strategy.contact, result.contact, rejection.treatment) !=
          result.contact.now_ms()) {
    rule.nearest_change.clear();
  }
  RejectionExplanation explanation;
  explanation.detail = std::move(rule.sentence);
  explanation.rule = rule.rule;
  explanation.because = rule.because;
  explanation.expression = std::move(rule.expression);
  explanation.values = std::move(rule.values);
  explanation.needed = std::move(rule.needed);
  explanation.nearest_change = std::move(rule.nearest_change);
  return explanation;
}

void ShortenTexts(RejectionExplanation& explanation) {
  Shorten(explanation.detail, kMaxDetailBytes);
  Shorten(explanation.expression, kMaxShownBytes);
  Shorten(explanation.needed, kMaxShownBytes);
  Shorten(explanation.nearest_change, kMaxShownBytes);
  if (explanation.values.size() > kMaxShownValues) explanation.values.resize(kMaxShownValues);
  for (policy::RuleValue& value : explanation.values) {
    value.name = Prefix(value.name, kMaxShownBytes);
  }
}

const catalog::Treatment& TopTreatment(const strategy::Strategy& strategy,
                                       const Decision& decision) {
  const auto top = static_cast<size_t>(decision.result.arbitration.ranked.front().treatment);
  return strategy.catalog.treatments[top];
}

// Who of the ranked fills the places of the treatment's group, when it is not for being better.
std::string FillersOfGroup(const strategy::Strategy& strategy, const Decision& decision,
                           const catalog::Treatment& treatment) {
  const int places = strategy.arbitration.max_per_group;
  const auto& ranked = decision.result.arbitration.ranked;
  const auto must_be_shown =
      std::count_if(ranked.begin(), ranked.end(), [&](const arbitration::RankedTreatment& r) {
        const catalog::Treatment& other =
            strategy.catalog.treatments[static_cast<size_t>(r.treatment)];
        return other.group == treatment.group && other.must_show;
      });
  if (treatment.must_show || must_be_shown == 0) return "better treatments of its group";
  return must_be_shown < places ? "better treatments of its group, and those that must be shown,"
                                : "treatments of its group that must be shown";
}

std::string NoPlaceInGroup(const strategy::Strategy& strategy, const Decision& decision,
                           const catalog::Treatment& treatment, double priority) {
  const int places = strategy.arbitration.max_per_group;
  std::string text = absl::StrCat("priority ", FourDigits(priority), "; ",
                                  FillersOfGroup(strategy, decision, treatment), " fill its ",
                                  places, places == 1 ? " place" : " places");
  if (!decision.result.arbitration.explored()) return text;
  const catalog::Treatment& top = TopTreatment(strategy, decision);
  if (top.group != treatment.group) return text;
  return places == 1 ? absl::StrCat("priority ", FourDigits(priority), "; exploration put ",
                                    top.name, " on top, which fills the place of their group")
                     : absl::StrCat(text, ", one of them put on top by exploration");
}

std::string Outranked(const strategy::Strategy& strategy, const Decision& decision,
                      double priority) {
  const auto& ranked = decision.result.arbitration.ranked;
  const bool explored = decision.result.arbitration.explored();
  if (explored && ranked.size() == 1) {
    return absl::StrCat("priority ", FourDigits(priority), "; exploration put ",
                        TopTreatment(strategy, decision).name, " in the only place, with ",
                        FourDigits(ranked.front().priority));
  }
  const auto is_must_show = [&](const arbitration::RankedTreatment& r) {
    return strategy.catalog.treatments[static_cast<size_t>(r.treatment)].must_show;
  };
  if (!ranked.empty() && is_must_show(ranked.back())) {
    return absl::StrCat("priority ", FourDigits(priority),
                        "; treatments that must be shown fill the ",
                        ranked.size() == 1 ? "only place" : "places");
  }
  std::string text =
      absl::StrCat("priority ", FourDigits(priority), "; the last of the ", ranked.size(),
                   " ranked has ", FourDigits(ranked.empty() ? 0.0 : ranked.back().priority));
  if (explored && priority >= ranked.front().priority) {
    absl::StrAppend(&text, ", and exploration gave a place to ",
                    TopTreatment(strategy, decision).name, ", with ",
                    FourDigits(ranked.front().priority));
  }
  return text;
}

// What needs no more than a sentence.
std::string Detail(const strategy::Strategy& strategy, const context::DecisionContext& context,
                   const Decision& decision, const candidates::Rejection& rejection) {
  const catalog::Treatment& treatment =
      strategy.catalog.treatments[static_cast<size_t>(rejection.treatment)];
  const std::string& channel = strategy.context.channels[context.channel].name;
  const Scores scores = ScoresOf(decision, rejection.treatment);
  switch (rejection.reason) {
    case Reason::kStopped:
      return Stopped(decision, rejection.treatment);
    case Reason::kNotRequested:
      return "the request asks for other treatments only";
    case Reason::kNoContentForChannel:
      return absl::StrCat("has no content for the channel ", channel);
    case Reason::kNotYetValid:
      return absl::StrCat("is valid from ", Time(treatment.valid_from_us), "; decided for ",
                          Time(context.time_us));
    case Reason::kNoLongerValid:
      return absl::StrCat("was valid until ", Time(treatment.valid_until_us), "; decided for ",
                          Time(context.time_us));
    case Reason::kChannelNotApplicable:
      return absl::StrCat("does not apply on the channel ", channel);
    case Reason::kIntentNotApplicable:
      return absl::StrCat("does not apply when the intent is ", Intent(strategy, context));
    case Reason::kNoConsent:
      return MissingConsent(strategy, decision, treatment, channel);
    case Reason::kCapReached:
    case Reason::kSuppressed:
    case Reason::kTooSoon:
    case Reason::kQuietHours:
    case Reason::kWeekdayNotAllowed:
    case Reason::kExcluded:
    case Reason::kHistoryIncomplete:
    case Reason::kNotEligible:
    case Reason::kNotApplicable:
    case Reason::kNotSuitable:
    case Reason::kRuleError:
      return "";  // told by who said it
    case Reason::kOnlyAsFallback:
      return "is used only when nothing else can be";
    case Reason::kScoreNotFinite:
      return absl::StrCat("the model ",
                          strategy.models.models[static_cast<size_t>(treatment.model)].version,
                          " gave a score that is not finite");
    case Reason::kBelowMinPropensity:
      return absl::StrCat("propensity ", FourDigits(scores.propensity), " is below the minimum of ",
                          FourDigits(strategy.arbitration.min_propensity));
    case Reason::kBelowMinPriority:
      return absl::StrCat("priority ", FourDigits(scores.priority), " is below the minimum of ",
                          FourDigits(strategy.arbitration.min_priority));
    case Reason::kGroupLimitReached:
      return NoPlaceInGroup(strategy, decision, treatment, scores.priority);
    case Reason::kOutranked:
      return Outranked(strategy, decision, scores.priority);
  }
  return "";
}

}  // namespace

const catalog::Treatment* DisplacedTreatment(const strategy::Strategy& strategy,
                                             const Decision& decision) {
  const arbitration::ArbitrationResult& result = decision.result.arbitration;
  if (!result.explored()) return nullptr;
  const int greedy = decision.result.scored.scored[static_cast<size_t>(result.greedy)].treatment;
  return &strategy.catalog.treatments[static_cast<size_t>(greedy)];
}

RejectionExplanation ExplainRejection(const strategy::Strategy& strategy,
                                      const context::DecisionContext& context,
                                      const Decision& decision,
                                      const candidates::Rejection& rejection) {
  RejectionExplanation explanation;
  if (rejection.contact_policy >= 0) {
    explanation = ExplainContactPolicy(strategy, decision, rejection);
  } else if (rejection.rule >= 0) {
    explanation = ExplainEngagement(strategy, decision, rejection);
  } else {
    explanation.detail = Detail(strategy, context, decision, rejection);
  }
  ShortenTexts(explanation);
  return explanation;
}

std::vector<std::string> ExplainRanked(const strategy::Strategy& strategy,
                                       const context::DecisionContext& context,
                                       const Decision& decision,
                                       const arbitration::RankedTreatment& ranked) {
  const catalog::Treatment& treatment =
      strategy.catalog.treatments[static_cast<size_t>(ranked.treatment)];
  const scoring::NamedModel& model = strategy.models.models[static_cast<size_t>(treatment.model)];
  std::vector<scoring::Contribution> contributions =
      StrongestInputs(model.model->Explain(decision.result.scored.frame, ranked.treatment));
  if (contributions.size() > kMaxReasons) contributions.resize(kMaxReasons);
  const scoring::InputNames names{strategy.features, strategy.context, strategy.catalog};
  std::vector<std::string> reasons;
  reasons.reserve(contributions.size());
  for (const scoring::Contribution& c : contributions) {
    std::string reason = absl::StrCat(names.NameOf(c.input), " = ",
                                      InputValue(strategy, context, decision, treatment, c.input));
    // How much a protected value moves tells what it is.
    if (!IsProtected(strategy, c.input)) absl::StrAppend(&reason, " (", Amount(c.amount), ")");
    reasons.push_back(std::move(reason));
  }
  if (reasons.empty()) reasons.emplace_back("nothing moves it from the model's base rate");
  return reasons;
}

}  // namespace attune::decision
