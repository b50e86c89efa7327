#ifndef ATTUNE_LIB_POLICY_POLICY_H_
#define ATTUNE_LIB_POLICY_POLICY_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "lib/candidates/rejection.h"
#include "lib/catalog/catalog.h"
#include "lib/context/decision_context.h"
#include "lib/context/value.h"
#include "lib/customer/customer_record.h"
#include "lib/policy/contact_policies.h"
#include "lib/policy/contact_state.h"

namespace attune::policy {

// What the policies of one decision look at.
struct PolicyInput {
  const catalog::Catalog& catalog;
  const ContactPolicies& contact;
  const context::ContextSchema& schema;
  const context::DecisionContext& context;
  const customer::CustomerState& customer;
  absl::Span<const ValueRef> features;  // one per declared feature
};

// What the policies let through. Both lists ascend; together they hold every candidate.
struct PolicyResult {
  std::vector<int> kept;  // indexes into Catalog::treatments
  std::vector<candidates::Rejection> rejected;
  // Where the customer stands with the contact policies. REQUIRES: the strategy has some.
  ContactState contact;
  // A treatment was rejected because the history doesn't tell; the customer's time zone is none.
  bool history_incomplete = false;
  bool time_zone_unknown = false;

  // Scratch: kept for its capacity. By index of the purpose: what the customer said.
  enum class Said : uint8_t { kNothing, kYes, kNo };
  std::vector<Said> consents;
};

// Keeps the candidates that make sense for the channel and the intent, to whose purpose the
// customer consents and that the contact policies allow now. Of a customer whose record can't be
// read (or whose consents or history are damaged) the worst is assumed. A pure function of `input`.
// `result` is overwritten; its capacity is reused. REQUIRES: what `input` refers to outlives the
// use of `result.contact`, but for the customer and the features.
void ApplyPolicies(const PolicyInput& input, absl::Span<const int> candidates,
                   PolicyResult& result);

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_POLICY_H_
