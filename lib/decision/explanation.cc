#include "lib/decision/explanation.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/base/utc_text.h"
#include "lib/decision/formula_details.h"
#include "lib/decision/input_text.h"
#include "lib/decision/number_text.h"

namespace attune::decision {
namespace {

using candidates::Reason;

// Cuts what stands from `begin` on, as Shorten does.
void ShortenFrom(size_t begin, size_t max_bytes, TextBuffer& text) {
  constexpr std::string_view kCut = "...";
  if (text.size() - begin <= max_bytes) return;
  text.resize(begin + Prefix(text.From(begin), max_bytes - kCut.size()).size());
  text += kCut;
}

// "2026-03-01T00:00:01+00:00"
std::string Time(int64_t unix_us) {
  constexpr int64_t kSecond = 1'000'000;
  const int64_t second = unix_us / kSecond - (unix_us % kSecond < 0 ? 1 : 0);
  std::string text;
  AppendUtc(second * 1000, text);
  text.pop_back();  // the Z
  return text + "+00:00";
}

// The number that arbitration compared for this treatment.
struct Scores {
  double propensity = 0;
  double priority = 0;
};

// Finds it near `place`, an index into ScoredCandidates::scored, which is left where the next
// treatment is looked for: treatments are explained in the order of the candidates.
Scores ScoresOf(const Decision& decision, int treatment, size_t& place) {
  const auto& scored = decision.result.scored.scored;
  if (place >= scored.size() || scored[place].treatment > treatment) place = 0;
  while (place < scored.size() && scored[place].treatment < treatment) ++place;
  if (place == scored.size() || scored[place].treatment != treatment) return {};
  return {scored[place].propensity, decision.result.arbitration.priority[place]};
}

// Why the customer's consent to the treatment is missing.
std::string MissingConsent(const strategy::Strategy& strategy, const Decision& decision,
                           const candidates::Rejection& rejection, const std::string& channel) {
  const catalog::Treatment& treatment =
      strategy.catalog.treatments[static_cast<size_t>(rejection.treatment)];
  if (treatment.purpose < 0) return "the customer has not consented";
  const auto purpose = static_cast<size_t>(treatment.purpose);
  const std::string what =
      absl::StrCat("to ", strategy.catalog.purposes[purpose].name, " on the channel ", channel);
  if ((decision.degradation & kCustomerUnavailable) != 0) {
    return absl::StrCat("whether the customer consents ", what, " can't be read now");
  }
  const auto said = decision.result.PolicyOf(rejection.slot).consents[purpose];
  return said == policy::PolicyResult::Said::kNo
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

// How far the treatment's ramp has come, and what makes it reach everybody.
std::string NotReachedYet(const strategy::Strategy& strategy, const Decision& decision,
                          const catalog::Treatment& treatment) {
  const evidence::RampShares* shares = decision.reach.shares();
  if (treatment.ramp < 0 || shares == nullptr) return "does not reach this customer yet";
  const catalog::Ramp& ramp = strategy.catalog.ramps[static_cast<size_t>(treatment.ramp)];
  return absl::StrCat("reaches ", FourDigits(100 * shares->share(treatment.ramp)),
                      " % of the customers by now and not this one: has ",
                      shares->evidence(treatment.ramp), " of the ", ramp.full_at, " (",
                      ramp.counted, ") that make it reach everybody");
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

// After "priority 17.67": why the group has no place for it.
std::string NoPlaceInGroup(const strategy::Strategy& strategy, const Decision& decision,
                           const catalog::Treatment& treatment) {
  const int places = strategy.arbitration.max_per_group;
  const catalog::Treatment* explored =
      decision.result.arbitration.explored() ? &TopTreatment(strategy, decision) : nullptr;
  const bool is_of_group = explored != nullptr && explored->group == treatment.group;
  if (is_of_group && places == 1) {
    return absl::StrCat("; exploration put ", explored->name,
                        " on top, which fills the place of their group");
  }
  return absl::StrCat("; ", FillersOfGroup(strategy, decision, treatment), " fill its ", places,
                      places == 1 ? " place" : " places",
                      is_of_group ? ", one of them put on top by exploration" : "");
}

// After the same: who has the places instead. It is the same of all that were outranked.
std::string OutrankedBy(const strategy::Strategy& strategy, const Decision& decision) {
  const auto& ranked = decision.result.arbitration.ranked;
  std::string text;
  if (decision.result.arbitration.explored() && ranked.size() == 1) {
    absl::StrAppend(&text, "; exploration put ", TopTreatment(strategy, decision).name,
                    " in the only place, with ");
    return text + FourDigits(ranked.front().priority);
  }
  const auto is_must_show = [&](const arbitration::RankedTreatment& r) {
    return strategy.catalog.treatments[static_cast<size_t>(r.treatment)].must_show;
  };
  if (!ranked.empty() && is_must_show(ranked.back())) {
    return absl::StrCat("; treatments that must be shown fill the ",
                        ranked.size() == 1 ? "only place" : "places");
  }
  absl::StrAppend(&text, "; the last of the ", ranked.size(), " ranked has ");
  return text + FourDigits(ranked.empty() ? 0.0 : ranked.back().priority);
}

// Did exploration give a place to a treatment that is no better than one with this priority?
bool ExplorationTookPlace(const strategy::Strategy& strategy, const Decision& decision,
                          double priority) {
  const auto& ranked = decision.result.arbitration.ranked;
  return decision.result.arbitration.explored() && ranked.size() > 1 &&
         priority >= ranked.front().priority &&
         !strategy.catalog.treatments[static_cast<size_t>(ranked.back().treatment)].must_show;
}

// How the model failed, of which nothing else is known than `otherwise`.
std::string FailureOf(const Decision& decision, const scoring::NamedModel& model, int index,
                      scoring::ModelFailure otherwise) {
  const scoring::ModelFailure failure = decision.result.scored.FailureOf(index);
  return absl::StrCat(
      model.version, " ",
      model.model->FailureText(failure == scoring::ModelFailure::kNone ? otherwise : failure));
}

// "the model churn@0123456789ab answered with an error, and its fallback …": why neither the
// treatment's model nor, if it has one, its fallback gave a score.
std::string NoScore(const strategy::Strategy& strategy, const Decision& decision,
                    const catalog::Treatment& treatment, scoring::ModelFailure otherwise) {
  const auto& models = strategy.models.models;
  const scoring::NamedModel& model = models[static_cast<size_t>(treatment.model)];
  std::string text =
      absl::StrCat("the model ", FailureOf(decision, model, treatment.model, otherwise));
  const int fallback = model.on_error.fallback;
  if (fallback < 0 || decision.result.scored.FailureOf(fallback) == scoring::ModelFailure::kNone) {
    return text;
  }
  absl::StrAppend(&text, ", and its fallback ",
                  FailureOf(decision, models[static_cast<size_t>(fallback)], fallback, otherwise));
  return text;
}

// What needs no more than a sentence, and no number.
std::string Detail(const strategy::Strategy& strategy, const context::DecisionContext& context,
                   const Decision& decision, const candidates::Rejection& rejection) {
  const catalog::Treatment& treatment =
      strategy.catalog.treatments[static_cast<size_t>(rejection.treatment)];
  const std::string& channel = strategy.context.channels[context.channel].name;
  switch (rejection.reason) {
    case Reason::kStopped:
      return Stopped(decision, rejection.treatment);
    case Reason::kNotReachedYet:
      return NotReachedYet(strategy, decision, treatment);
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
      return absl::StrCat("does not apply when the intent is ", IntentText(strategy, context));
    case Reason::kNoConsent:
      return MissingConsent(strategy, decision, rejection, channel);
    case Reason::kOnlyAsFallback:
      return "is used only when nothing else can be";
    case Reason::kNoPlacement:
      return absl::StrCat("none of the places of this request takes its group on the channel ",
                          channel);
    case Reason::kScoreNotFinite:
      return NoScore(strategy, decision, treatment, scoring::ModelFailure::kNotFinite);
    case Reason::kModelFailed:
      return NoScore(strategy, decision, treatment, scoring::ModelFailure::kNone);
    // FormulaDetail tells more where it can.
    case Reason::kScoreError:
      return "its model can't be evaluated";
    case Reason::kPriorityError:
      return "the formula of the priority can't be evaluated";
    case Reason::kValueError:
      return "its value or its cost can't be computed";
    default:
      return "";  // told by who said it, or with a number
  }
}

}  // namespace

bool MayTellWhenAllowed(const strategy::Strategy& strategy, int treatment) {
  return !IsTimeZoneProtected(strategy) || !HasCalendarPolicy(strategy, treatment);
}

const catalog::Treatment* DisplacedTreatment(const strategy::Strategy& strategy,
                                             const Decision& decision) {
  const arbitration::ArbitrationResult& result = decision.result.arbitration;
  if (!result.explored()) return nullptr;
  const int greedy = decision.result.scored.scored[static_cast<size_t>(result.greedy)].treatment;
  return &strategy.catalog.treatments[static_cast<size_t>(greedy)];
}

RejectionExplainer::RejectionExplainer(const strategy::Strategy& strategy,
                                       const context::DecisionContext& context,
                                       const Decision& decision)
    : strategy_(strategy), asked_(context), decision_(decision) {
  rule_.emplace(strategy.engagement, decision.result.PolicyOf(rule_slot_).engagement);
}

void RejectionExplainer::Explain(const candidates::Rejection& rejection) {
  rejection_ = rejection;
  has_nearest_change_ = false;
  if (by_contact_policy()) return ExplainContactPolicy();
  if (!by_rule()) return;
  if (rejection.slot != rule_slot_) {
    rule_slot_ = rejection.slot;
    rule_.emplace(strategy_.engagement, policies().engagement);
  }
  rule_->Explain(rejection);
  const policy::ContactState& contact = policies().contact;
  // What is not eligible may be contacted too often as well.
  has_nearest_change_ =
      rule_->has_nearest_change() &&
      (strategy_.contact.size() == 0 ||
       policy::AllowedFrom(strategy_.contact, contact, rejection.treatment) == contact.now_ms());
}

void RejectionExplainer::ExplainContactPolicy() {
  const bool zone_is_protected = IsTimeZoneProtected(strategy_);
  const bool is_calendar = strategy_.contact[rejection_.contact_policy].is_calendar();
  tells_time_ = !zone_is_protected || !is_calendar;
  const bool tells_when = MayTellWhenAllowed(strategy_, rejection_.treatment);
  contact_ = policy::ExplainContact(strategy_.contact, policies().contact, rejection_, tells_when);
  if (rejection_.reason != Reason::kCapReached) return;
  count_text_ = std::to_string(contact_.count);
  count_.name = "count";
  count_.text = count_text_;
}

void RejectionExplainer::AppendDetail(TextBuffer& text) {
  const size_t begin = text.size();
  if (by_rule()) {
    rule_->AppendSentence(text);
  } else if (!by_contact_policy()) {
    AppendScoreDetail(text);
    if (text.size() == begin) text += FormulaDetail(strategy_, asked_, decision_, rejection_);
    if (text.size() == begin) text += Detail(strategy_, context(), decision_, rejection_);
  } else if (tells_time_) {
    std::string sentence;
    policy::AppendContactSentence(strategy_.contact, strategy_.catalog, policies().contact,
                                  contact_, sentence);
    text += sentence;
  } else {
    text += contact_.policy;
    text += ": not at this time of the customer's day or week, by a time zone that is protected";
    if (!contact_.because.empty()) text += absl::StrCat(" (", ToAbsl(contact_.because), ")");
  }
  ShortenFrom(begin, kMaxDetailBytes, text);
}

void RejectionExplainer::AppendScoreDetail(TextBuffer& text) {
  const Reason reason = rejection_.reason;
  if (reason < Reason::kBelowMinPropensity || reason > Reason::kOutranked) return;
  const Scores scores = ScoresOf(decision_, rejection_.treatment, scored_place_);
  if (reason == Reason::kBelowMinPropensity) {
    text += absl::StrCat("propensity ", FourDigits(scores.propensity), " is below the minimum of ",
                         FourDigits(strategy_.arbitration.min_propensity));
    return;
  }
  text += "priority ";
  AppendFourDigits(scores.priority, text);
  const auto& ranked = decision_.result.arbitration.ranked;
  const bool has_places = !ranked.empty() && ranked.front().place >= 0;
  if (reason == Reason::kBelowMinPriority) {
    text += " is below the minimum of ";
    text += FourDigits(strategy_.arbitration.min_priority);
  } else if (reason == Reason::kGroupLimitReached) {
    text += NoPlaceInGroup(strategy_, decision_,
                           strategy_.catalog.treatments[static_cast<size_t>(rejection_.treatment)]);
  } else if (has_places) {
    text += "; others fill the places of this request that take it";
  } else {
    AppendOutranked(scores.priority, text);
  }
}

void RejectionExplainer::AppendOutranked(double priority, TextBuffer& text) {
  if (outranked_by_.empty()) outranked_by_ = OutrankedBy(strategy_, decision_);
  text += outranked_by_;
  if (!ExplorationTookPlace(strategy_, decision_, priority)) return;
  text +=
      absl::StrCat(", and exploration gave a place to ", TopTreatment(strategy_, decision_).name,
                   ", with ", FourDigits(decision_.result.arbitration.ranked.front().priority));
}

std::string_view RejectionExplainer::rule() const {
  return RuleNameOf(strategy_, CauseOf(strategy_, rejection_));
}

std::string_view RejectionExplainer::because() const {
  return BecauseOf(strategy_, CauseOf(strategy_, rejection_));
}

void RejectionExplainer::AppendExpression(TextBuffer& text) const {
  const size_t begin = text.size();
  if (by_rule()) rule_->AppendExpression(text);
  ShortenFrom(begin, kMaxShownBytes, text);
}

absl::Span<const policy::RuleValue> RejectionExplainer::values() const {
  if (by_rule()) return rule_->values().subspan(0, kMaxShownValues);
  if (!by_contact_policy() || rejection_.reason != Reason::kCapReached) return {};
  return absl::MakeConstSpan(&count_, 1);
}

void RejectionExplainer::AppendNeeded(TextBuffer& text) const {
  const size_t begin = text.size();
  if (by_rule()) rule_->AppendNeeded(text);
  if (by_contact_policy() && rejection_.reason == Reason::kCapReached) {
    text += absl::StrCat("< ", contact_.limit);
  }
  ShortenFrom(begin, kMaxShownBytes, text);
}

void RejectionExplainer::AppendNearestChange(TextBuffer& text) const {
  const size_t begin = text.size();
  if (has_nearest_change_) rule_->AppendNearestChange(text);
  ShortenFrom(begin, kMaxShownBytes, text);
}

std::optional<int64_t> RejectionExplainer::allowed_from_ms() const {
  return by_contact_policy() && tells_time_ ? contact_.allowed_from_ms : std::nullopt;
}

namespace {

// What moved the propensity: see ExplainRanked.
void ExplainPropensity(const strategy::Strategy& strategy, const Decision& decision,
                       const arbitration::RankedTreatment& ranked, ScoreExplainer& scores,
                       absl::FunctionRef<void(std::string_view)> visit) {
  const catalog::Treatment& treatment =
      strategy.catalog.treatments[static_cast<size_t>(ranked.treatment)];
  const scoring::ScoredCandidate& scored =
      decision.result.scored.scored[static_cast<size_t>(ranked.scored)];
  using Source = scoring::ScoredCandidate::Source;
  if (scored.source == Source::kDefault) {
    visit(absl::StrCat("on_error: default propensity ", FourDigits(scored.propensity), ", since ",
                       NoScore(strategy, decision, treatment, scoring::ModelFailure::kNotFinite)));
    return;
  }
  const auto index =
      static_cast<size_t>(scoring::ModelOf(strategy.models, strategy.catalog, scored));
  const scoring::NamedModel& model = strategy.models.models[index];
  if (scored.source == Source::kFallback) {
    visit(absl::StrCat("on_error: the model ", model.version, ", since ",
                       NoScore(strategy, decision, treatment, scoring::ModelFailure::kNotFinite)));
  }
  if (const std::string noun = model.model->Noun(); !noun.empty()) {
    visit(absl::StrCat(noun, " answered ", FourDigits(scored.propensity)));
    return;
  }
  if (ExplainFormulaModel(strategy, decision, ranked, kMaxReasons, visit)) return;
  bool is_moved = false;
  scores.ForEachReason(ranked, [&](std::string_view reason) {
    is_moved = true;
    visit(reason);
  });
  if (!is_moved) visit("nothing moves it from the model's base rate");
}

}  // namespace

void ExplainRanked(const strategy::Strategy& strategy, const Decision& decision,
                   const arbitration::RankedTreatment& ranked, ScoreExplainer& scores,
                   absl::FunctionRef<void(std::string_view)> visit) {
  ExplainPropensity(strategy, decision, ranked, scores, visit);
  ExplainWorth(strategy, decision, ranked, visit);
}

}  // namespace attune::decision
