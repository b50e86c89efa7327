#ifndef ATTUNE_TESTS_LOAD_OUTCOME_LOAD_H_
#define ATTUNE_TESTS_LOAD_OUTCOME_LOAD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/load/load_client.h"
#include "tests/load/outcome_mix.h"
#include "tests/load/series.h"

namespace attune::load {

// How outcomes are reported.
struct OutcomeLoadOptions {
  std::string outcome = "accepted";
  // So many decisions are asked for first, of which outcomes are reported in turn.
  uint64_t decisions = 50'000;
  // Connections, each with one report in flight.
  int connections = 64;
  // Reports per second, open loop; 0: closed loop.
  double rate = 0;

  // To be compared with: a folder for a database, on the disk that the server has, and the server's
  // journal there, which tells how many bytes an outcome is. Both empty: nothing is compared.
  std::string bare_rocksdb;
  std::string journal;
};

// The outcomes of a server, round by round, and in turn what bare RocksDB writes.
struct OutcomeFigures {
  Series outcomes;
  Series bare;                    // empty when nothing is compared
  uint64_t bytes_of_outcome = 0;  // that a write of `bare` has
};

// Reports outcomes with `load`, but for what `options` say, for so many rounds. An error: decisions
// failed, the folder can't be used, or the journal didn't grow.
absl::StatusOr<OutcomeFigures> MeasureOutcomes(const LoadOptions& load,
                                               const OutcomeLoadOptions& options, int rounds,
                                               const std::vector<std::string>& requests);

// Decisions while nobody reports anything, and in turn decisions while outcomes are reported.
struct LearningFigures {
  Series quiet;
  Series learning;
  Series outcomes;  // that were reported meanwhile
};

// An error: as above.
absl::StatusOr<LearningFigures> MeasureLearning(const LoadOptions& load,
                                                const OutcomeLoadOptions& options, int rounds,
                                                const std::vector<std::string>& requests);

}  // namespace attune::load

#endif  // ATTUNE_TESTS_LOAD_OUTCOME_LOAD_H_
