#ifndef ATTUNE_LIB_DECISION_DECISION_EVENT_H_
#define ATTUNE_LIB_DECISION_DECISION_EVENT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "lib/context/decision_context.h"
#include "lib/customer/customer_record.h"
#include "lib/decision/decider.h"
#include "lib/strategy/strategy.h"

namespace attune::decision {

// What an event holds of a request with a request_id; nothing of one without.
struct EventRequest {
  uint64_t hash = 0;
  uint64_t fingerprint = 0;
  std::string_view answer;  // as sent
};

// Writes the decision as the bytes of an attune.storage.v1.DecisionEvent, without making the
// message: an event is made for every decision and has hundreds of numbers. The same decision gives
// the same bytes. `event` is overwritten; its capacity and that of `scratch` are reused. REQUIRES:
// the decision was made for `context` with `strategy` from `state`.
void EncodeEvent(const strategy::Strategy& strategy, const context::DecisionContext& context,
                 const customer::CustomerState& state, const Decision& decision,
                 const EventRequest& request, std::string& scratch, std::string& event);

}  // namespace attune::decision

#endif  // ATTUNE_LIB_DECISION_DECISION_EVENT_H_
