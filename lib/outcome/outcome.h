#ifndef ATTUNE_LIB_OUTCOME_OUTCOME_H_
#define ATTUNE_LIB_OUTCOME_OUTCOME_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "lib/catalog/outcome_terms.h"

namespace attune::outcome {

// Who says what happened. Stored: never renumber.
enum class Source : uint8_t { kCustomer = 1, kEmployee = 2, kSystem = 3 };
inline constexpr int kSources = 3;

// How an outcome stands to its decision. Stored: never renumber.
enum class Status : uint8_t {
  kRecorded = 1,
  kAlreadyRecorded = 2,  // the same was reported before; not in the log again
  kEarly = 3,            // before its decision by a clock that is wrong: counts as at its time
  kBeforeDecision = 4,   // by more than clocks are wrong: not of this decision
  kLate = 5,             // after its window
  kNotOffered = 6,       // the decision did not rank the treatment
  kUnknownDecision = 7,  // what the decision offered is not known (any more)
  kCustomerErased = 8,   // nothing is held about the decision's customer
  kOtherContent = 9,     // something else was reported under its id
  // These are never stored: they are in no log.
  kTooMany = 10,    // its decision has kMaxRememberedOutcomes
  kUnknownId = 11,  // nobody's: the id is none that was made here
  kFailed = 12      // the store could not take it
};
inline constexpr int kStatuses = 12;

// "customer", as the metrics call it.
std::string_view SourceName(Source source);
// "recorded".
std::string_view StatusName(Status status);

// How long before its decision an outcome may seem to happen, by clocks that are not the same.
inline constexpr int64_t kMaxEarlyUs = 120 * int64_t{1'000'000};

// What is known of the treatment that an outcome names. Times are Unix microseconds.
struct Offer {
  int64_t decided_us = 0;
  bool ranked = false;  // the decision offered it
  // When the customer saw it first, by a showing in its window; absent: nobody has told.
  std::optional<int64_t> shown_us;
};

// How an outcome of that time stands to its decision, the first of these that holds: before it,
// not offered, late, early, recorded. The window begins with the showing, where none is known with
// the decision, and its last microsecond still counts; that of the showing itself begins with the
// decision.
Status StatusOf(const Offer& offer, const catalog::OutcomeTerms& terms, int64_t time_us);

// When an outcome happened as far as its decision is concerned: not before it, if it is early.
int64_t AttributedTime(const Offer& offer, Status status, int64_t time_us);

// Whether it is something that the customer saw or did, so that contact policies count it.
bool EntersHistory(Status status);

}  // namespace attune::outcome

#endif  // ATTUNE_LIB_OUTCOME_OUTCOME_H_
