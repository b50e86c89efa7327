#ifndef ATTUNE_LIB_POLICY_CONTACT_STATE_H_
#define ATTUNE_LIB_POLICY_CONTACT_STATE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lib/context/decision_context.h"
#include "lib/context/value.h"
#include "lib/policy/contact_counts.h"
#include "lib/policy/contact_policies.h"
#include "lib/policy/interaction_history.h"

namespace attune::policy {

// One customer's standing with the contact policies at one moment on one channel. Reused from
// decision to decision, so that it allocates nothing once it is warm. Not thread-safe.
class ContactState {
 public:
  ContactState() = default;
  ContactState(const ContactState&) = delete;
  ContactState& operator=(const ContactState&) = delete;

  // Counts the history in one pass, unless `counts` has done so for the same policies, customer and
  // moment, as where several channels of a decision share it; then it must outlive the use of this
  // object, as `policies` must. `history` and `features` are not looked at later.
  void Reset(const ContactPolicies& policies, const context::DecisionContext& context,
             InteractionHistory& history, absl::Span<const ValueRef> features,
             const ContactCounts* counts = nullptr);

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
  static constexpr int64_t kNever = ContactCounts::kNever;
  std::optional<int64_t> BlockedUntil(const ContactPolicies::Place& place, int64_t at_ms) const;
  // What the policy counts now.
  using Youngest = ContactCounts::Youngest;
  int CountIn(const ContactPolicies::Place& place) const { return counts_->CountIn(place); }
  std::optional<Youngest> YoungestIn(const ContactPolicies::Place& place) const {
    return counts_->YoungestIn(place);
  }
  const absl::TimeZone& zone() const { return zone_; }

  // A policy had to assume the worst because the history doesn't reach back far enough or could not
  // be read; the customer's time zone has a name that is not known.
  bool history_incomplete() const { return history_incomplete_; }
  bool time_zone_unknown() const { return time_zone_unknown_; }

 private:
  std::optional<int64_t> CalendarBlock(const ContactPolicy& policy, int64_t at_ms) const;

  const ContactPolicies* policies_ = nullptr;
  int channel_ = 0;
  int64_t now_ms_ = 0;
  absl::TimeZone zone_;
  bool history_incomplete_ = false;
  bool time_zone_unknown_ = false;

  const ContactCounts* counts_ = nullptr;  // own_counts_, or what several channels share
  ContactCounts own_counts_;
  // By policy, of those of the calendar: what VerdictOf found, once it was asked.
  enum class Calendar : uint8_t { kNotAsked, kPasses, kBlocked };
  std::vector<Calendar> calendar_;
};

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_CONTACT_STATE_H_
