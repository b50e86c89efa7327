#ifndef ATTUNE_LIB_CATALOG_OUTCOME_TERMS_H_
#define ATTUNE_LIB_CATALOG_OUTCOME_TERMS_H_

#include <cstdint>
#include <string_view>

namespace attune::catalog {

inline constexpr int64_t kMicrosPerDay = 86'400 * int64_t{1'000'000};

// How strategies and histories name a decision among outcomes: no outcome may be called so.
inline constexpr std::string_view kDecidedName = "decided";

// The attribution window of an outcome that declares none, and the longest.
inline constexpr int64_t kDefaultOutcomeWindowUs = 7 * kMicrosPerDay;
inline constexpr int kMaxOutcomeWindowDays = 400;
inline constexpr int64_t kMaxOutcomeWindowUs = kMaxOutcomeWindowDays * kMicrosPerDay;

// Largest value of an outcome, positive or negative.
inline constexpr double kMaxOutcomeValue = 1e12;

// On what terms an outcome is taken as one of a decision, compiled from strategy.proto's Outcome.
struct OutcomeTerms {
  // How long after the showing, or after the decision where no showing is known, it may happen.
  int64_t window_us = kDefaultOutcomeWindowUs;
  // It says that the customer saw the treatment. At most one outcome of a strategy does.
  bool showing = false;
  // After it nothing counts: a treatment that was shown settles at once.
  bool is_final = false;
  // What its value, if it comes with one, must lie between.
  double min_value = -kMaxOutcomeValue;
  double max_value = kMaxOutcomeValue;
};

}  // namespace attune::catalog

#endif  // ATTUNE_LIB_CATALOG_OUTCOME_TERMS_H_
