#include "lib/policy/policy.h"

#include <algorithm>
#include <optional>

#include "lib/customer/consent.h"

namespace attune::policy {
namespace {

using candidates::Reason;
using Said = PolicyResult::Said;

// What the customer said about each purpose on this channel. What can't be read is taken for a no.
void ReadConsents(const PolicyInput& input, std::vector<Said>& said) {
  const std::vector<catalog::Purpose>& purposes = input.catalog.purposes;
  if (!input.customer.available()) return said.assign(purposes.size(), Said::kNo);
  said.assign(purposes.size(), Said::kNothing);
  if (input.customer.consents().empty()) return;
  const uint32_t channel = input.schema.channels[input.context.channel].number;
  for (size_t i = 0; i < purposes.size(); ++i) {
    const auto found =
        customer::FindConsent(input.customer.consents(), purposes[i].number, channel);
    if (!found.ok()) {
      said[i] = Said::kNo;
    } else if (found->has_value()) {
      said[i] = (*found)->granted ? Said::kYes : Said::kNo;
    }
  }
}

bool HasConsent(const PolicyInput& input, const catalog::Treatment& treatment,
                const std::vector<Said>& said) {
  if (treatment.purpose < 0) return true;
  const auto purpose = static_cast<size_t>(treatment.purpose);
  if (said[purpose] == Said::kNothing) return input.catalog.purposes[purpose].opt_out;
  return said[purpose] == Said::kYes;
}

std::optional<candidates::Rejection> RejectionOf(const PolicyInput& input, int candidate,
                                                 PolicyResult& result) {
  const catalog::Treatment& treatment = input.catalog.treatments[static_cast<size_t>(candidate)];
  if (!treatment.channels[static_cast<size_t>(input.context.channel)]) {
    return candidates::Rejection{candidate, Reason::kChannelNotApplicable};
  }
  if (!treatment.intents[static_cast<size_t>(input.context.intent)]) {
    return candidates::Rejection{candidate, Reason::kIntentNotApplicable};
  }
  if (!HasConsent(input, treatment, result.consents)) {
    return candidates::Rejection{candidate, Reason::kNoConsent};
  }
  if (input.engagement.size() > 0) {
    if (auto rejection = result.engagement.RejectionOf(candidate)) return rejection;
  }
  if (input.contact.size() == 0) return std::nullopt;
  return result.contact.RejectionOf(candidate);
}

}  // namespace

void SharedHistory::Reset(const ContactPolicies& policies, const context::DecisionContext& context,
                          const customer::CustomerState& customer) {
  history.Reset(customer);
  sorted.Reset();
  scores.Reset();
  if (policies.size() > 0) contact.Reset(policies, MillisOf(context.time_us), history);
}

void ApplyPolicies(const PolicyInput& input, absl::Span<const int> candidates,
                   PolicyResult& result) {
  result.kept.clear();
  result.rejected.clear();
  ReadConsents(input, result.consents);
  // Formulas are evaluated by later stages, on the same values.
  const bool has_rules = !input.engagement.empty();
  const bool has_contact = input.contact.size() > 0;
  SharedHistory* const shared = input.shared_history;
  if (shared == nullptr && (has_rules || has_contact)) result.history.Reset(input.customer);
  InteractionHistory& history = shared == nullptr ? result.history : shared->history;
  if (has_rules) {
    result.engagement.Reset(
        {input.engagement, input.catalog, input.contact, input.schema, input.context,
         input.features, input.standings, shared == nullptr ? nullptr : &shared->scores,
         shared == nullptr ? nullptr : &shared->sorted},
        history);
  }
  if (has_contact) {
    result.contact.Reset(input.contact, input.context, history, input.features,
                         shared == nullptr ? nullptr : &shared->contact);
  }
  for (const int candidate : candidates) {
    if (const auto rejection = RejectionOf(input, candidate, result)) {
      result.rejected.push_back(*rejection);
    } else {
      result.kept.push_back(candidate);
    }
  }
  result.history_incomplete = (has_contact && result.contact.history_incomplete()) ||
                              (has_rules && result.engagement.history_incomplete());
  result.time_zone_unknown = (has_contact && result.contact.time_zone_unknown()) ||
                             (has_rules && result.engagement.time_zone_unknown());
}

void NoteWhatFormulasFound(const EngagementRules& rules, PolicyResult& result) {
  if (rules.formulas().all.empty()) return;
  result.history_incomplete |= result.engagement.history_incomplete();
  result.time_zone_unknown |= result.engagement.time_zone_unknown();
}

}  // namespace attune::policy
