#ifndef ATTUNE_LIB_CONTEXT_DECISION_CONTEXT_H_
#define ATTUNE_LIB_CONTEXT_DECISION_CONTEXT_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lib/context/context_schema.h"
#include "lib/context/value.h"

namespace attune::context {

// One interaction, checked and normalised against a strategy: what the stages of a decision may
// look at besides the customer's state. Views point into the request.
struct DecisionContext {
  std::string_view customer_id;
  int channel = 0;  // index into ContextSchema::channels
  IntentIndex intent = kUnknownIntent;
  int64_t time_us = 0;  // the moment that is decided for, Unix microseconds
  // One per declared attribute; defaults for those that were not given.
  std::vector<ValueRef> attributes;
  int max_treatments = 1;  // at least 1
  // Indexes of the treatments that the request restricts the decision to, ascending; used only when
  // `restricted` is set.
  std::vector<int> restricted_to;
  bool restricted = false;
  // Until when the caller waits, by the system's clock. What is decided depends on it only where a
  // model waits for another process. InfinitePast: nobody outside of this process may be asked.
  absl::Time deadline = absl::InfiniteFuture();
};

}  // namespace attune::context

#endif  // ATTUNE_LIB_CONTEXT_DECISION_CONTEXT_H_
