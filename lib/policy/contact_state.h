#ifndef ATTUNE_LIB_POLICY_CONTACT_STATE_H_
#define ATTUNE_LIB_POLICY_CONTACT_STATE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lib/context/decision_context.h"
#include "lib/context/value.h"
#include "lib/customer/customer_record.h"
#include "lib/policy/contact_policies.h"
#include "lib/policy/interaction_history.h"

namespace attune::policy {

// One customer's standing with the contact policies at one moment: what each cell counts, and until
// when it blocks. Reused from decision to decision, so that it allocates nothing once it is warm.
// Not thread-safe.
class ContactState {
 public:
  // Counts the history in one pass. `policies` must outlive the use of this object; `history` and
  // `features` are not looked at later.
  void Reset(const ContactPolicies& policies, const context::DecisionContext& context,
             InteractionHistory& history, absl::Span<const ValueRef> features);

  // Whether a policy keeps a treatment back at this moment on this channel, and why.
  enum class Verdict : uint8_t { kPasses, kBlocked, kHistoryIncomplete };
  Verdict VerdictOf(const ContactPolicies::Place& place);

  // What the first policy says that keeps the treatment back, as a rejection; nullopt when all let
  // it pass.
  std::optional<candidates::Rejection> RejectionOf(int treatment);

  // For explanations, all Unix milliseconds. `at_ms` is this moment or later; what happens in
  // between is not known.
  int64_t now_ms() const { return now_ms_; }
  // If the policy keeps the treatment back at that moment: until when. kNever: for good.
  static constexpr int64_t kNever = INT64_MAX;
  std::optional<int64_t> BlockedUntil(const ContactPolicies::Place& place, int64_t at_ms) const;
  // How many interactions the policy counts now.
  int CountIn(const ContactPolicies::Place& place) const;
  // The youngest of them, and of which treatment it was, an index into Catalog::treatments; -1: of
  // none, or of one that is gone.
  struct Youngest {
    int64_t time_ms = 0;
    int treatment = -1;
  };
  std::optional<Youngest> YoungestIn(const ContactPolicies::Place& place) const;
  const absl::TimeZone& zone() const { return zone_; }

  // A policy had to assume the worst because the history doesn't reach back far enough or could not
  // be read; the customer's time zone has a name that is not known.
  bool history_incomplete() const { return history_incomplete_; }
  bool time_zone_unknown() const { return time_zone_unknown_; }

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
  // Until when the policy must assume the worst; INT64_MIN when it need not.
  int64_t IncompleteUntil(int policy) const;
  std::optional<int64_t> CalendarBlock(const ContactPolicy& policy, int64_t at_ms) const;
  const Cell& CellOf(const ContactPolicies::Place& place) const {
    return cells_[static_cast<size_t>(place.cell)];
  }

  const ContactPolicies* policies_ = nullptr;
  int channel_ = 0;
  int64_t now_ms_ = 0;
  absl::TimeZone zone_;
  bool history_unknown_ = false;
  bool read_only_ = false;
  // What is remembered is complete after this moment.
  int64_t complete_after_ms_ = INT64_MIN;
  bool history_incomplete_ = false;
  bool time_zone_unknown_ = false;

  std::vector<Hit> hits_;
  std::vector<Cell> cells_;  // those that are not touched are as new
  struct Touched {
    int cell = 0;
    int policy = 0;
  };
  std::vector<Touched> touched_;
  // By policy, of those of the calendar: what VerdictOf found, once it was asked.
  enum class Calendar : uint8_t { kNotAsked, kPasses, kBlocked };
  std::vector<Calendar> calendar_;
};

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_CONTACT_STATE_H_
