// attune_load: asks a server for decisions and measures how long they take;
// with a second server, how the two compare. With --outcomes it reports what
// became of decisions; with --learning it does both at once.

#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "tests/load/load_client.h"
#include "tests/load/outcome_load.h"
#include "tests/load/request_mix.h"
#include "tests/load/series.h"

namespace {

using attune::load::kFigures;
using attune::load::kP99;
using attune::load::kQps;
using attune::load::LoadOptions;
using attune::load::OutcomeLoadOptions;
using attune::load::RequestMixOptions;
using attune::load::Series;

struct Options {
  LoadOptions load;
  RequestMixOptions requests;
  std::vector<int> concurrency = {64};
  std::string baseline;
  bool outcomes = false;
  bool learning = false;
  OutcomeLoadOptions outcome_load;
  int rounds = 1;
  std::string save_answer;
  bool json = false;
};

std::string JsonOf(const Series& series) {
  std::string text =
      absl::StrFormat("\"answered\": %u, \"errors\": %u", series.answered, series.errors);
  for (size_t i = 0; i < std::size(kFigures); ++i) {
    absl::StrAppendFormat(&text, ", \"%s\": %.0f", kFigures[i], series.MedianOf(i));
  }
  return text;
}

void PrintOne(const Options& options, int concurrency, const Series& series) {
  if (options.json) {
    std::cout << absl::StrFormat("{\"concurrency\": %d, %s}\n", concurrency, JsonOf(series));
    return;
  }
  std::cout << "concurrency=" << concurrency << " answered=" << series.answered
            << " errors=" << series.errors;
  for (size_t i = 0; i < std::size(kFigures); ++i) {
    std::cout << absl::StrFormat(" %s=%.0f", kFigures[i], series.MedianOf(i));
  }
  std::cout << std::endl;
}

void PrintBoth(const Options& options, int concurrency, const Series& decide, const Series& echo) {
  const double qps_ratio = MedianRatio(decide, echo, kQps);
  const double p99_ratio = MedianRatio(decide, echo, kP99);
  if (options.json) {
    std::cout << absl::StrFormat(
        "{\"concurrency\": %d, \"decide\": {%s}, "
        "\"echo\": {%s}, \"qps_ratio\": %.3f, "
        "\"p99_ratio\": %.3f}\n",
        concurrency, JsonOf(decide), JsonOf(echo), qps_ratio, p99_ratio);
    return;
  }
  std::cout << absl::StrFormat(
                   "concurrency=%d decide_qps=%.0f echo_qps=%.0f "
                   "qps_ratio=%.2f decide_p99_us=%.0f "
                   "echo_p99_us=%.0f p99_ratio=%.2f",
                   concurrency, decide.MedianOf(kQps), echo.MedianOf(kQps), qps_ratio,
                   decide.MedianOf(kP99), echo.MedianOf(kP99), p99_ratio)
            << std::endl;
}

void TellErrors(const Series& series) {
  if (series.errors > 0) std::cerr << "error: " << series.first_error << "\n";
}

// Measures at one concurrency and prints. Returns whether everything was
// answered.
bool Measure(const Options& options, int concurrency, const std::vector<std::string>& requests) {
  LoadOptions load = options.load;
  load.concurrency = concurrency;
  LoadOptions baseline = load;
  baseline.server = options.baseline;
  Series decide, echo;
  for (int round = 0; round < options.rounds; ++round) {
    // Whoever goes second may find the machine warmer: take turns.
    const bool baseline_first = round % 2 == 1;
    if (!options.baseline.empty() && baseline_first) echo.Add(RunLoad(baseline, requests));
    decide.Add(RunLoad(load, requests));
    if (!options.baseline.empty() && !baseline_first) echo.Add(RunLoad(baseline, requests));
  }
  if (options.baseline.empty()) {
    PrintOne(options, concurrency, decide);
  } else {
    PrintBoth(options, concurrency, decide, echo);
  }
  TellErrors(decide);
  if (!options.save_answer.empty()) {
    std::ofstream(options.save_answer, std::ios::binary) << decide.last_answer;
  }
  return decide.errors + echo.errors == 0 && decide.answered > 0;
}

// As Measure, of outcomes.
bool ReportOutcomes(const Options& options, const std::vector<std::string>& requests) {
  const auto figures =
      MeasureOutcomes(options.load, options.outcome_load, options.rounds, requests);
  if (!figures.ok()) {
    std::cerr << "error: " << figures.status().message() << "\n";
    return false;
  }
  const Series& outcomes = figures->outcomes;
  std::cout << absl::StrFormat("connections=%d outcomes_per_s=%.0f",
                               options.outcome_load.connections, outcomes.MedianOf(kQps));
  if (!options.outcome_load.bare_rocksdb.empty()) {
    std::cout << absl::StrFormat(
        " bare_rocksdb_per_s=%.0f ratio=%.2f bytes_per_outcome=%u", figures->bare.MedianOf(kQps),
        MedianRatio(outcomes, figures->bare, kQps), figures->bytes_of_outcome);
    std::cout << absl::StrFormat(" bare_rocksdb_p99_us=%.0f", figures->bare.MedianOf(kP99));
  }
  std::cout << absl::StrFormat(" outcome_p99_us=%.0f recorded=%u errors=%u",
                               outcomes.MedianOf(kP99), outcomes.answered, outcomes.errors)
            << std::endl;
  TellErrors(outcomes);
  TellErrors(figures->bare);
  return outcomes.errors + figures->bare.errors == 0 && outcomes.answered > 0;
}

// As Measure, with and without outcomes that are reported meanwhile.
bool CompareLearning(const Options& options, int concurrency,
                     const std::vector<std::string>& requests) {
  LoadOptions load = options.load;
  load.concurrency = concurrency;
  const auto figures = MeasureLearning(load, options.outcome_load, options.rounds, requests);
  if (!figures.ok()) {
    std::cerr << "error: " << figures.status().message() << "\n";
    return false;
  }
  std::cout << absl::StrFormat(
                   "concurrency=%d quiet_qps=%.0f learning_qps=%.0f outcomes_per_s=%.0f "
                   "quiet_p99_us=%.0f learning_p99_us=%.0f learning_p99_ratio=%.2f",
                   concurrency, figures->quiet.MedianOf(kQps), figures->learning.MedianOf(kQps),
                   figures->outcomes.MedianOf(kQps), figures->quiet.MedianOf(kP99),
                   figures->learning.MedianOf(kP99),
                   MedianRatio(figures->learning, figures->quiet, kP99))
            << std::endl;
  uint64_t errors = 0;
  for (const Series* series : {&figures->quiet, &figures->learning, &figures->outcomes}) {
    TellErrors(*series);
    errors += series->errors;
  }
  return errors == 0 && figures->outcomes.answered > 0;
}

void AddOutcomeFlags(CLI::App& app, Options& options) {
  OutcomeLoadOptions& outcomes = options.outcome_load;
  CLI::Option* only =
      app.add_flag("--outcomes", options.outcomes,
                   "Ask for decisions first, then report outcomes of them and measure that");
  app.add_flag("--learning", options.learning,
               "Decisions while nobody reports outcomes, in turn with decisions while outcomes "
               "are reported")
      ->excludes(only);
  app.add_option("--outcome", outcomes.outcome, "Outcome that is reported")->capture_default_str();
  app.add_option("--decisions", outcomes.decisions,
                 "Decisions that outcomes are reported of, in turn; with --learning in each round")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  app.add_option("--connections", outcomes.connections,
                 "Of outcomes, each with one report in flight")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--outcome_rate", outcomes.rate, "Outcomes per second, open loop; 0: closed loop")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  CLI::Option* journal = app.add_option("--journal", outcomes.journal,
                                        "The server's journal, DATA_DIR/journal: tells how many "
                                        "bytes an outcome is");
  app.add_option("--bare_rocksdb", outcomes.bare_rocksdb,
                 "With --outcomes: write as many bytes into a RocksDB database in this new "
                 "folder, in turn, from as many threads, with a sync per write")
      ->needs(only)
      ->needs(journal);
}

void AddFlags(CLI::App& app, Options& options) {
  LoadOptions& load = options.load;
  RequestMixOptions& requests = options.requests;
  app.add_option("--server", load.server, "Address of the server")->capture_default_str();
  app.add_option("--baseline", options.baseline,
                 "Address of a server to compare with; the rounds of the two alternate");
  app.add_option("--concurrency", options.concurrency,
                 "Decisions in flight at most; several numbers: one measurement each")
      ->delimiter(',')
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--streams", load.streams,
                 "0: every decision is a call; N: they are messages of N streams")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  app.add_option("--rate", load.rate, "Decisions per second, open loop; 0: closed loop")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--seconds", load.seconds, "Time that is measured in a round")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  app.add_option("--warmup", load.warmup_seconds, "Seconds before that")
      ->check(CLI::Range(0.0, 600.0))
      ->capture_default_str();
  app.add_option("--rounds", options.rounds, "Figures are medians of so many rounds")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--max_decisions", load.max_decisions, "End a round after so many");
  app.add_option("--customers", requests.customers, "Ids are drawn from C0000001 to this number")
      ->check(CLI::Range(1, 9'999'999))
      ->capture_default_str();
  app.add_option("--channel", requests.channels, "Channels to draw from")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--intent", requests.intents, "Intents to draw from")->delimiter(',');
  app.add_option("--attribute", requests.attributes, "NAME=VALUE, in every request");
  app.add_flag("--explain", requests.explain, "Ask for every treatment why, or why not");
  app.add_flag("--dry_run", requests.dry_run, "Ask for decisions that are not remembered");
  app.add_option("--seed", requests.seed, "Of the draw of requests")->capture_default_str();
  app.add_option("--save_answer", options.save_answer, "Write an answer to this file, serialised");
  app.add_flag("--json", options.json, "Print a JSON object per line");
  AddOutcomeFlags(app, options);
  app.footer(
      "Closed loop: --concurrency decisions are in flight all the time; "
      "latency counts from the\n"
      "start of each. Open loop (--rate): decisions are due at fixed times "
      "whether the server keeps\n"
      "up or not, and latency counts from when each was due, so that a stall "
      "is not hidden.\n"
      "\n"
      "With --baseline: qps_ratio and p99_ratio are medians of the ratios of "
      "neighbouring rounds,\n"
      "which drift less than the medians that stand beside them.\n"
      "\n"
      "A customer's last 32 decisions are remembered: with --outcomes and --learning "
      "have so many\n"
      "--customers that no one gets more. Every answer but RECORDED is an error.\n"
      "\n"
      "Exit status: 0 everything was answered, 1 some was not, 2 wrong usage.\n"
      "\n"
      "Example:\n"
      "  attune_load --server 127.0.0.1:7070 --concurrency 1,8,64 --seconds 5");
}

}  // namespace

int main(int argc, char** argv) {
  // As attuned does: the client is not what is measured.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  CLI::App app(
      "attune_load asks a server for decisions and measures how long "
      "they take.",
      "attune_load");
  Options options;
  AddFlags(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const auto requests = MakeRequests(options.requests);
  if (!requests) {
    std::cerr << "attune_load: an --attribute is not NAME=VALUE\n";
    return 2;
  }
  if (options.outcomes) return ReportOutcomes(options, *requests) ? 0 : 1;
  bool all_answered = true;
  for (const int concurrency : options.concurrency) {
    const bool answered = options.learning ? CompareLearning(options, concurrency, *requests)
                                           : Measure(options, concurrency, *requests);
    all_answered = answered && all_answered;
  }
  return all_answered ? 0 : 1;
}
