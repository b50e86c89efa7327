#ifndef ATTUNE_LIB_POLICY_CONTACT_EXPLANATION_H_
#define ATTUNE_LIB_POLICY_CONTACT_EXPLANATION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/candidates/rejection.h"
#include "lib/catalog/catalog.h"
#include "lib/policy/contact_policies.h"
#include "lib/policy/contact_state.h"

namespace attune::policy {

// What a contact policy said, with its numbers.
struct ContactExplanation {
  ContactPolicies::Place place;     // which policy, and where it counted
  std::string_view policy;          // its name; valid as long as the strategy
  std::string_view because;         // the strategist's sentence; may be empty
  bool history_incomplete = false;  // the worst was assumed
  // How many were counted and how many would have been allowed, within what time. 0 for what the
  // policy does not count.
  int count = 0;
  int limit = 0;
  int64_t window_ms = 0;
  // The first moment, Unix milliseconds, at which all contact policies let the treatment pass again
  // on this channel if nothing else happens until then. Absent: waiting does not help.
  std::optional<int64_t> allowed_from_ms;
};

// Explains a rejection. Without `tells_when` it leaves out from when the treatment is allowed:
// where a calendar is in play, that tells the customer's time zone. REQUIRES: `state` rejected it
// and was not Reset since; rejection.contact_policy >= 0.
ContactExplanation ExplainContact(const ContactPolicies& policies, const ContactState& state,
                                  const candidates::Rejection& rejection, bool tells_when = true);

// Appends "cap offers_a_week: 3 of at most 3 within 7d; allowed again from 2026-03-08T10:00:00Z".
// REQUIRES: ExplainContact made the explanation of the same, and `state` was not Reset since.
void AppendContactSentence(const ContactPolicies& policies, const catalog::Catalog& catalog,
                           const ContactState& state, const ContactExplanation& explanation,
                           std::string& text);

// See ContactExplanation::allowed_from_ms; the moment of `state` when they let it pass now.
std::optional<int64_t> AllowedFrom(const ContactPolicies& policies, const ContactState& state,
                                   int treatment);

// "7d", "1d12h", "90m", "0.5s".
std::string DurationText(int64_t ms);

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_CONTACT_EXPLANATION_H_
