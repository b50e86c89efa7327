#ifndef ATTUNE_LIB_STRATEGY_CONTACT_COMPILER_H_
#define ATTUNE_LIB_STRATEGY_CONTACT_COMPILER_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "attune/strategy/v1/strategy.pb.h"
#include "lib/customer/customer_record.h"
#include "lib/policy/contact_policies.h"
#include "lib/policy/history_reach.h"
#include "lib/strategy/strategy.h"

namespace attune::strategy {

// Compiles the contact policies of a file, given what else of it was compiled. What is not declared
// is left out. REQUIRES: CheckStrategy returned true.
policy::ContactPolicies CompileContact(const v1::Strategy& file, const Strategy& strategy);

// What the file keeps of a customer's interactions, given the longest window of its policies and
// rules.
customer::HistoryBounds CompileHistory(const v1::History& file, int64_t longest_window_ms);

// How far back that reaches.
policy::HistoryReach ReachOf(const v1::History& file);

// The minutes since midnight of a time of the day such as "08:30"; nullopt when it is none.
std::optional<int> ParseTimeOfDay(std::string_view text);

// The duration in milliseconds, rounded down.
int64_t MillisOf(const google::protobuf::Duration& duration);

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_CONTACT_COMPILER_H_
