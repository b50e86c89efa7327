#ifndef ATTUNE_TESTS_INTEGRATION_CRASH_LEDGER_H_
#define ATTUNE_TESTS_INTEGRATION_CRASH_LEDGER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "lib/base/mutex.h"

namespace attune::crash {

inline constexpr int64_t kUsPerMs = 1000;

// A decision that was answered.
struct KnownDecision {
  std::string id;  // 48 hexadecimal digits
  int64_t time_ms = 0;
  std::string treatment;  // on top; empty: nothing was ranked
  bool is_offer = false;  // that treatment is one
};

// An outcome that was acknowledged.
struct KnownOutcome {
  std::string decision_id;
  std::string treatment;
  std::string outcome;
  int64_t time_ms = 0;    // no other of the customer's has the same
  bool is_offer = false;  // the treatment is one
};

// What names an outcome, in the ledger and in the log.
std::string KeyOf(std::string_view decision_id, std::string_view treatment,
                  std::string_view outcome, int64_t time_ms);
std::string KeyOf(const KnownOutcome& outcome);

// What was acknowledged of one customer.
struct KnownCustomer {
  std::vector<KnownDecision> decisions;
  std::vector<KnownOutcome> outcomes;
  // By client: what it wrote last into its mark; 0: nothing.
  std::vector<int64_t> marks;
  int64_t last_time_ms = 0;  // that was given to an outcome
};

// Everything that servers have acknowledged, in memory that no crash of theirs can touch. Grows
// with the run, which is bounded by its rate and its length. Thread-safe.
class Ledger {
 public:
  // `clients`: how many write marks.
  explicit Ledger(size_t clients) : clients_(clients) {}

  // A time in whole milliseconds for an outcome that the customer has now: not before `now_us` (so
  // never before a decision that was answered), and another one for each call, so that no two
  // outcomes are the same moment of the history.
  int64_t NewTimeMs(const std::string& customer, int64_t now_us) ABSL_LOCKS_EXCLUDED(mutex_);

  void AddDecision(const std::string& customer, KnownDecision decision) ABSL_LOCKS_EXCLUDED(mutex_);
  void AddOutcome(const std::string& customer, KnownOutcome outcome) ABSL_LOCKS_EXCLUDED(mutex_);
  void SetMark(const std::string& customer, size_t client, int64_t mark)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The times of the offers that the customer is known to have accepted.
  std::vector<int64_t> AcceptedOffers(const std::string& customer) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // A copy; empty of a customer who is not known.
  KnownCustomer Of(const std::string& customer) const ABSL_LOCKS_EXCLUDED(mutex_);
  // In the order of their ids. Nobody can write meanwhile.
  void Visit(absl::FunctionRef<void(const std::string&, const KnownCustomer&)> visit) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Since the start.
  uint64_t decisions() const ABSL_LOCKS_EXCLUDED(mutex_);
  uint64_t outcomes() const ABSL_LOCKS_EXCLUDED(mutex_);
  uint64_t marks() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  KnownCustomer& Find(const std::string& customer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t clients_;
  mutable Mutex mutex_;
  std::map<std::string, KnownCustomer> customers_ ABSL_GUARDED_BY(mutex_);
  uint64_t decisions_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t outcomes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t marks_ ABSL_GUARDED_BY(mutex_) = 0;
};

// How many moments a window holds at most, wherever it begins. As contact policies count: a moment
// is in the window until that has passed since, to the millisecond.
int MostWithin(std::vector<int64_t> times_ms, int64_t window_ms);

// How many of the moments the window that ends at `now_ms` holds. One after it counts as well.
int CountWithin(const std::vector<int64_t>& times_ms, int64_t now_ms, int64_t window_ms);

// The caps of the strategy, counted anew from what a customer's decisions put on top, without a
// look at the code that enforces them. Which caps were exceeded, for people; empty: none was.
std::vector<std::string> ExceededCaps(const std::vector<KnownDecision>& decisions);

}  // namespace attune::crash

#endif  // ATTUNE_TESTS_INTEGRATION_CRASH_LEDGER_H_
