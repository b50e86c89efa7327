#ifndef ATTUNE_TESTS_INTEGRATION_CRASH_STORE_CHECK_H_
#define ATTUNE_TESTS_INTEGRATION_CRASH_STORE_CHECK_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "tests/integration/crash/ledger.h"
#include "tests/integration/crash/target.h"

namespace attune::crash {

// How a store compares with what was acknowledged. "Lost": acknowledged and not there. "Twice":
// there more than once. "Unknown": there and never acknowledged, though everything was retried
// until it was: so it was made once more by a retry.
struct StoreFindings {
  uint64_t decisions_lost = 0;
  uint64_t decisions_twice = 0;
  uint64_t decisions_unknown = 0;
  uint64_t decisions_different = 0;  // in the log with another time or treatment than answered
  uint64_t outcomes_lost = 0;
  uint64_t outcomes_twice = 0;
  uint64_t outcomes_unknown = 0;
  uint64_t history_lost = 0;   // of decisions and outcomes, in the history of their customer
  uint64_t history_twice = 0;  // the same
  uint64_t caps_exceeded = 0;
  uint64_t models_different = 0;  // 1: what the server learned is not what the log says
  uint64_t not_learned_from = 0;  // decisions and outcomes that the server had not read at its end

  // How much there was to compare.
  uint64_t log_events = 0;
  uint64_t clock_events = 0;
  uint64_t treatments_learned = 0;
  uint64_t treatments_waiting = 0;
  uint64_t learned_bytes = 0;

  // Nothing is wrong, and something was learned.
  bool Passed() const;
};

// Compares the store of a server that has ended with the ledger, and folds its whole log, from the
// first event on in one go, into a learner that was never stopped: the result must have the bytes
// that the server stored, which was killed again and again. Nothing may differ: positions, counts
// and times come from the log, whoever reads it, and what waits for its outcomes is part of the
// state. Only what was written after the server read last is left out, which is what told it the
// time. What is wrong is told in words, too. Errors: those of the store; NOT_FOUND: nothing was
// learned. REQUIRES: the log holds everything since the store was created; no server has it open.
absl::StatusOr<StoreFindings> CheckStore(const std::string& data_dir, const std::string& strategy,
                                         const Ledger& ledger, Problems& problems);

}  // namespace attune::crash

#endif  // ATTUNE_TESTS_INTEGRATION_CRASH_STORE_CHECK_H_
