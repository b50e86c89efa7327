#ifndef ATTUNE_LIB_POLICY_CONTACT_COUNTS_H_
#define ATTUNE_LIB_POLICY_CONTACT_COUNTS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "lib/customer/customer_record.h"
#include "lib/policy/contact_policies.h"
#include "lib/policy/interaction_history.h"

namespace attune::policy {

// What the contact policies count of one customer's history at one moment, by cell, and until when
// that blocks; whatever the channel of the decision is. All times are Unix milliseconds. Reused
// from decision to decision, so that it allocates nothing once it is warm. Not thread-safe.
class ContactCounts {
 public:
  // For good.
  static constexpr int64_t kNever = INT64_MAX;

  // Counts the history in one pass. `policies` must outlive the use of this object; `history` is
  // not looked at later.
  void Reset(const ContactPolicies& policies, int64_t now_ms, InteractionHistory& history);

  // Until when what was counted blocks; INT64_MIN: it does not. REQUIRES: the place has a cell.
  int64_t BlockedUntil(const ContactPolicies::Place& place) const {
    return CellOf(place).blocked_until_ms;
  }
  // Until when the policy, an index into the policies, must assume the worst; INT64_MIN when it
  // need not.
  int64_t IncompleteUntil(int policy) const;
  // How many interactions the policy counts.
  int CountIn(const ContactPolicies::Place& place) const {
    return place.cell == ContactPolicies::kNoCell ? 0 : CellOf(place).count;
  }
  // The youngest of them, and of which treatment it was, an index into Catalog::treatments; -1: of
  // none, or of one that is gone.
  struct Youngest {
    int64_t time_ms = 0;
    int treatment = -1;
  };
  std::optional<Youngest> YoungestIn(const ContactPolicies::Place& place) const;

 private:
  // An interaction as it counts in a cell.
  struct Hit {
    int64_t time_ms = 0;
    int older = -1;      // the next older hit of the cell
    int treatment = -1;  // index into Catalog::treatments; -1: of none, or of one that is gone
  };
  struct Cell {
    int youngest = -1;  // index into hits_
    int oldest = -1;
    int count = 0;
    int64_t blocked_until_ms = INT64_MIN;
  };

  void CountHistory(InteractionHistory& history);
  void Count(const customer::Interaction& interaction);
  void AddHit(const ContactPolicies::Place& place, int64_t time_ms, int treatment);
  int64_t EndOfBlock(const ContactPolicy& policy, const Cell& cell) const;
  int64_t EndOfSilence(const ContactPolicy& policy, const Cell& cell) const;
  const Cell& CellOf(const ContactPolicies::Place& place) const {
    return cells_[static_cast<size_t>(place.cell)];
  }

  const ContactPolicies* policies_ = nullptr;
  int64_t now_ms_ = 0;
  bool history_unknown_ = false;
  bool read_only_ = false;
  // What is remembered is complete after this moment.
  int64_t complete_after_ms_ = INT64_MIN;

  std::vector<Hit> hits_;
  std::vector<Cell> cells_;  // those that are not touched are as new
  struct Touched {
    int cell = 0;
    int policy = 0;
  };
  std::vector<Touched> touched_;
};

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_CONTACT_COUNTS_H_
