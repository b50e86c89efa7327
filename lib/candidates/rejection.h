#ifndef ATTUNE_LIB_CANDIDATES_REJECTION_H_
#define ATTUNE_LIB_CANDIDATES_REJECTION_H_

#include <cstdint>
#include <string_view>
#include <vector>

namespace attune::candidates {

// Why a treatment is not in the ranking. Stored: never renumber.
enum class Reason : uint8_t {
  // candidates
  kNotRequested = 1,         // the request is restricted to other treatments
  kNoContentForChannel = 2,  // the channel can't carry it
  kNotYetValid = 3,
  kNoLongerValid = 4,
  kStopped = 5,        // by people, at once: it or its group
  kNotReachedYet = 6,  // its ramp has not come to this customer
  // policy
  kChannelNotApplicable = 10,
  kIntentNotApplicable = 11,
  kNoConsent = 12,   // to the treatment's purpose on this channel
  kCapReached = 13,  // contact policies
  kSuppressed = 14,
  kTooSoon = 15,  // after the last one, by a minimum gap
  kQuietHours = 16,
  kWeekdayNotAllowed = 17,
  kExcluded = 18,           // by what happened with a treatment that it keeps away from
  kHistoryIncomplete = 19,  // what is known of the customer doesn't tell whether a policy allows it
  // scoring
  kScoreNotFinite = 20,  // the model gave NaN or infinity
  kScoreError = 21,      // the model is a formula that could not be evaluated
  kModelFailed = 22,     // the model gave nothing at all
  // arbitration
  kBelowMinPropensity = 30,
  kBelowMinPriority = 31,
  kGroupLimitReached = 32,  // better treatments of its group fill the group's places
  kOutranked = 33,          // good enough, but others were better and the places are taken
  kOnlyAsFallback = 34,  // not needed: something else was ranked, or another fallback comes first
  kPriorityError = 35,   // the formula of the priority could not be evaluated, or is not finite
  kContentError = 36,    // what it would show could not be computed
  kValueError = 37,      // its value or its cost could not be computed, or is out of range
  kNoPlacement = 39,     // none of the places that the request asks for takes it
  // policy: a rule of the strategy does not hold
  kNotEligible = 40,
  kNotApplicable = 41,
  kNotSuitable = 42,
  kRuleError = 43,  // it could not be evaluated
};

// Every reason, in the order of the stages: for metrics and documentation.
inline constexpr Reason kAllReasons[] = {
    Reason::kNotRequested,
    Reason::kNoContentForChannel,
    Reason::kNotYetValid,
    Reason::kNoLongerValid,
    Reason::kStopped,
    Reason::kNotReachedYet,
    Reason::kChannelNotApplicable,
    Reason::kIntentNotApplicable,
    Reason::kNoConsent,
    Reason::kNotEligible,
    Reason::kNotApplicable,
    Reason::kNotSuitable,
    Reason::kRuleError,
    Reason::kCapReached,
    Reason::kSuppressed,
    Reason::kTooSoon,
    Reason::kQuietHours,
    Reason::kWeekdayNotAllowed,
    Reason::kExcluded,
    Reason::kHistoryIncomplete,
    Reason::kScoreNotFinite,
    Reason::kScoreError,
    Reason::kModelFailed,
    Reason::kBelowMinPropensity,
    Reason::kValueError,
    Reason::kPriorityError,
    Reason::kBelowMinPriority,
    Reason::kNoPlacement,
    Reason::kGroupLimitReached,
    Reason::kOutranked,
    Reason::kOnlyAsFallback,
    Reason::kContentError,
};
// One more than the largest value of a Reason.
inline constexpr int kReasonLimit = 44;

// "intent_not_applicable"
std::string_view ReasonName(Reason reason);
// The stage that rejects for this reason: "candidates", "policy", "scoring" or "arbitration".
std::string_view ReasonStage(Reason reason);

// A treatment that was dropped.
struct Rejection {
  int treatment = 0;  // index into Catalog::treatments
  Reason reason = Reason::kNotRequested;
  // Which of the strategy's contact policies or rules, when it is for one; else -1.
  int contact_policy = -1;
  int rule = -1;
  int slot = 0;  // of the channel that it is about, see DecisionContext::ChannelOf
};

}  // namespace attune::candidates

#endif  // ATTUNE_LIB_CANDIDATES_REJECTION_H_
