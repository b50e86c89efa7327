#include "lib/candidates/rejection.h"

namespace attune::candidates {

std::string_view ReasonName(Reason reason) {
  switch (reason) {
    case Reason::kNotRequested:
      return "not_requested";
    case Reason::kStopped:
      return "stopped";
    case Reason::kNotReachedYet:
      return "not_reached_yet";
    case Reason::kNoContentForChannel:
      return "no_content_for_channel";
    case Reason::kNotYetValid:
      return "not_yet_valid";
    case Reason::kNoLongerValid:
      return "no_longer_valid";
    case Reason::kChannelNotApplicable:
      return "channel_not_applicable";
    case Reason::kIntentNotApplicable:
      return "intent_not_applicable";
    case Reason::kNoConsent:
      return "no_consent";
    case Reason::kCapReached:
      return "cap_reached";
    case Reason::kSuppressed:
      return "suppressed";
    case Reason::kTooSoon:
      return "too_soon";
    case Reason::kQuietHours:
      return "quiet_hours";
    case Reason::kWeekdayNotAllowed:
      return "weekday_not_allowed";
    case Reason::kExcluded:
      return "excluded";
    case Reason::kHistoryIncomplete:
      return "history_incomplete";
    case Reason::kScoreNotFinite:
      return "score_not_finite";
    case Reason::kScoreError:
      return "score_error";
    case Reason::kModelFailed:
      return "model_failed";
    case Reason::kBelowMinPropensity:
      return "below_min_propensity";
    case Reason::kBelowMinPriority:
      return "below_min_priority";
    case Reason::kGroupLimitReached:
      return "group_limit_reached";
    case Reason::kOutranked:
      return "outranked";
    case Reason::kOnlyAsFallback:
      return "only_as_fallback";
    case Reason::kPriorityError:
      return "priority_error";
    case Reason::kContentError:
      return "content_error";
    case Reason::kValueError:
      return "value_error";
    case Reason::kNoPlacement:
      return "no_placement";
    case Reason::kNotEligible:
      return "not_eligible";
    case Reason::kNotApplicable:
      return "not_applicable";
    case Reason::kNotSuitable:
      return "not_suitable";
    case Reason::kRuleError:
      return "rule_error";
  }
  return "unknown";
}

std::string_view ReasonStage(Reason reason) {
  switch (reason) {
    case Reason::kNotRequested:
    case Reason::kStopped:
    case Reason::kNotReachedYet:
    case Reason::kNoContentForChannel:
    case Reason::kNotYetValid:
    case Reason::kNoLongerValid:
      return "candidates";
    case Reason::kChannelNotApplicable:
    case Reason::kIntentNotApplicable:
    case Reason::kNoConsent:
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
      return "policy";
    case Reason::kScoreNotFinite:
    case Reason::kScoreError:
    case Reason::kModelFailed:
      return "scoring";
    case Reason::kBelowMinPropensity:
    case Reason::kBelowMinPriority:
    case Reason::kGroupLimitReached:
    case Reason::kOutranked:
    case Reason::kOnlyAsFallback:
    case Reason::kPriorityError:
    case Reason::kContentError:
    case Reason::kValueError:
    case Reason::kNoPlacement:
      return "arbitration";
  }
  return "unknown";
}

}  // namespace attune::candidates
