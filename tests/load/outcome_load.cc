#include "tests/load/outcome_load.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tests/load/bare_rocksdb.h"

namespace attune::load {
namespace {

// Reports that the bytes of one are measured with: few enough that the journal is not emptied
// meanwhile, as a rule. If it was, the next ones tell.
constexpr uint64_t kProbes = 500;
constexpr int kProbeAttempts = 5;
// Of them so many bytes are the event's, and the others the record's.
constexpr uint64_t kEventBytes = 160;

LoadOptions OutcomeLoad(const LoadOptions& load, const OutcomeLoadOptions& options) {
  LoadOptions outcomes = load;
  outcomes.method = kRecordOutcome;
  outcomes.concurrency = options.connections;
  outcomes.connections = options.connections;
  outcomes.streams = 0;
  outcomes.rate = options.rate;
  outcomes.check = OutcomeProblem;
  return outcomes;
}

absl::StatusOr<uint64_t> BytesIn(const std::string& folder) {
  std::error_code error;
  uint64_t bytes = 0;
  std::filesystem::directory_iterator files(folder, error);
  for (; !error && files != std::filesystem::directory_iterator(); files.increment(error)) {
    std::error_code gone;  // a file may be deleted at any time
    const uintmax_t size = files->file_size(gone);
    if (!gone) bytes += size;
  }
  if (!error) return bytes;
  return absl::NotFoundError(absl::StrCat("cannot look into ", folder, ": ", error.message()));
}

// How much the server's journal grows by an outcome, on average.
absl::StatusOr<uint64_t> BytesOfOutcome(const LoadOptions& outcomes, const std::string& journal,
                                        OutcomeMix& mix) {
  LoadOptions probe = outcomes;
  probe.rate = 0;
  probe.max_decisions = kProbes;
  for (int attempt = 0; attempt < kProbeAttempts; ++attempt) {
    const absl::StatusOr<uint64_t> before = BytesIn(journal);
    if (!before.ok()) return before.status();
    const LoadResult result = RunLoad(probe, [&]() -> const std::string& { return mix.Next(); });
    if (result.errors > 0) {
      return absl::UnavailableError(absl::StrCat("an outcome failed: ", result.first_error));
    }
    const absl::StatusOr<uint64_t> after = BytesIn(journal);
    if (!after.ok()) return after.status();
    if (*after > *before) return (*after - *before) / kProbes;
  }
  return absl::FailedPreconditionError(
      absl::StrCat(journal, " does not grow: is it the server's journal?"));
}

absl::StatusOr<std::unique_ptr<BareRocksDb>> OpenBare(const OutcomeLoadOptions& options,
                                                      uint64_t bytes) {
  BareRocksDbOptions bare;
  bare.folder = options.bare_rocksdb;
  bare.threads = options.connections;
  bare.customers = options.decisions;
  bare.event_bytes = std::min(bytes, kEventBytes);
  bare.record_bytes = bytes - bare.event_bytes;
  return BareRocksDb::Open(bare);
}

}  // namespace

absl::StatusOr<OutcomeFigures> MeasureOutcomes(const LoadOptions& load,
                                               const OutcomeLoadOptions& options, int rounds,
                                               const std::vector<std::string>& requests) {
  auto ids = MakeDecisions(load.server, options.decisions, requests);
  if (!ids.ok()) return ids.status();
  OutcomeMix mix(*std::move(ids), options.outcome);
  const LoadOptions outcomes = OutcomeLoad(load, options);
  OutcomeFigures figures;
  std::unique_ptr<BareRocksDb> bare;
  if (!options.bare_rocksdb.empty()) {
    const absl::StatusOr<uint64_t> bytes = BytesOfOutcome(outcomes, options.journal, mix);
    if (!bytes.ok()) return bytes.status();
    figures.bytes_of_outcome = *bytes;
    auto opened = OpenBare(options, *bytes);
    if (!opened.ok()) return opened.status();
    bare = *std::move(opened);
  }
  for (int round = 0; round < rounds; ++round) {
    // Whoever goes second may find the machine warmer: take turns.
    const bool bare_first = round % 2 == 1;
    if (bare != nullptr && bare_first) figures.bare.Add(bare->Run(load));
    figures.outcomes.Add(RunLoad(outcomes, [&]() -> const std::string& { return mix.Next(); }));
    if (bare != nullptr && !bare_first) figures.bare.Add(bare->Run(load));
  }
  return figures;
}

absl::StatusOr<LearningFigures> MeasureLearning(const LoadOptions& load,
                                                const OutcomeLoadOptions& options, int rounds,
                                                const std::vector<std::string>& requests) {
  LearningFigures figures;
  const auto measure_quiet = [&] { figures.quiet.Add(RunLoad(load, requests)); };
  for (int round = 0; round < rounds; ++round) {
    // Of a decision is learned once, so that each round needs its own. They are made before either
    // of its parts: what they leave to be done is felt by both.
    auto ids = MakeDecisions(load.server, options.decisions, requests);
    if (!ids.ok()) return ids.status();
    OutcomeMix mix(*std::move(ids), options.outcome);
    const bool quiet_first = round % 2 == 0;
    if (quiet_first) measure_quiet();
    LoadResult reported;
    std::thread reporter([&] {
      reported =
          RunLoad(OutcomeLoad(load, options), [&]() -> const std::string& { return mix.Next(); });
    });
    figures.learning.Add(RunLoad(load, requests));
    reporter.join();
    figures.outcomes.Add(std::move(reported));
    if (!quiet_first) measure_quiet();
  }
  return figures;
}

}  // namespace attune::load
