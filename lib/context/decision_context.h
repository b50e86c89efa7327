#ifndef ATTUNE_LIB_CONTEXT_DECISION_CONTEXT_H_
#define ATTUNE_LIB_CONTEXT_DECISION_CONTEXT_H_

#include <cstddef>
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
  // Index into ContextSchema::channels; the first of `open_channels` when there are some.
  int channel = 0;
  // The channels that the request left open, ascending indexes; empty: it named `channel`.
  std::vector<int> open_channels;
  IntentIndex intent = kUnknownIntent;
  int64_t time_us = 0;  // the moment that is decided for, Unix microseconds
  // One per declared attribute; defaults for those that were not given.
  std::vector<ValueRef> attributes;
  int max_treatments = 1;  // at least 1
  // Indexes of the treatments that the request restricts the decision to, ascending; used only when
  // `restricted` is set.
  std::vector<int> restricted_to;
  bool restricted = false;
  // The places to fill, in the order of the request: indexes into ContextSchema::placements. Empty:
  // one ranking.
  std::vector<int> placements;
  // Until when the caller waits, by the system's clock. What is decided depends on it only where a
  // model waits for another process. InfinitePast: nobody outside of this process may be asked.
  absl::Time deadline = absl::InfiniteFuture();

  bool is_channel_open() const { return !open_channels.empty(); }
  // What candidates have of a channel is its slot: an index into `open_channels`, or 0.
  int ChannelOf(int slot) const {
    return open_channels.empty() ? channel : open_channels[static_cast<size_t>(slot)];
  }
  size_t slots() const { return open_channels.empty() ? 1 : open_channels.size(); }
};

}  // namespace attune::context

#endif  // ATTUNE_LIB_CONTEXT_DECISION_CONTEXT_H_
