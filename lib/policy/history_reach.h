#ifndef ATTUNE_LIB_POLICY_HISTORY_REACH_H_
#define ATTUNE_LIB_POLICY_HISTORY_REACH_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"

namespace attune::policy {

// Longest window, gap, silence and retention, in days.
inline constexpr int kMaxWindowDays = 3650;
inline constexpr int64_t kMaxWindowMs = kMaxWindowDays * int64_t{86'400'000};

// How far back the interactions that are kept of a customer reach: for the check of a strategy.
struct HistoryReach {
  // Both at least 1.
  int64_t max_interactions = 1;
  int64_t interactions_per_day = 4;  // of a busy customer

  bool Covers(int64_t window_ms) const {
    return window_ms / 1000 * interactions_per_day <= max_interactions * 86'400;
  }
  // Why it does not cover a window, and what happens then: "the policy counts as reached".
  std::string Warning(std::string_view what_happens) const {
    const bool one = max_interactions == 1;
    return absl::StrCat(
        "the ", Counted(max_interactions, "interaction"),
        one ? " that is kept holds " : " that are kept hold ",
        Counted(max_interactions / interactions_per_day, "day"), " of a customer with ",
        interactions_per_day, " a day; where the history doesn't reach back far enough ",
        ToAbsl(what_happens), " (history.max_interactions, history.interactions_per_day)");
  }
};

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_HISTORY_REACH_H_
