#ifndef ATTUNE_LIB_POLICY_INTERACTION_HISTORY_H_
#define ATTUNE_LIB_POLICY_INTERACTION_HISTORY_H_

#include <cstdint>
#include <vector>

#include "lib/customer/customer_record.h"

namespace attune::policy {

// Times out of damaged records or hostile imports must not wrap around.
inline int64_t AddSaturating(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

// The whole millisecond, rounded down.
inline int64_t MillisOf(int64_t unix_us) {
  return unix_us >= 0 ? unix_us / 1000 : (unix_us - 999) / 1000;
}

// What is remembered of one customer's interactions, decoded once, when somebody first asks. Reused
// from decision to decision, so that it allocates nothing once it is warm. Not thread-safe.
class InteractionHistory {
 public:
  InteractionHistory() = default;
  InteractionHistory(const InteractionHistory&) = delete;
  InteractionHistory& operator=(const InteractionHistory&) = delete;

  // The record that `customer` was parsed from must outlive the use of this object.
  void Reset(const customer::CustomerState& customer) {
    customer_ = customer;
    decoded_ = false;
  }

  const customer::CustomerState& customer() const { return customer_; }
  // In the order of their times; what could be read when they are damaged.
  const std::vector<customer::Interaction>& interactions() {
    Decode();
    return interactions_;
  }
  // False when the record can't be read, or its history is damaged.
  bool readable() {
    Decode();
    return readable_;
  }
  // What is remembered is complete after this moment only, Unix milliseconds; INT64_MIN: always.
  int64_t complete_after_ms() const { return customer_.dropped_until_ms().value_or(INT64_MIN); }

 private:
  void Decode() {
    if (decoded_) return;
    decoded_ = true;
    readable_ = customer_.ReadHistory(interactions_) && customer_.available();
  }

  customer::CustomerState customer_;
  bool decoded_ = false;
  bool readable_ = false;
  std::vector<customer::Interaction> interactions_;
};

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_INTERACTION_HISTORY_H_
