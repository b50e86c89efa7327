// attune_load: asks a server for decisions and measures how long they take;
// with a second server, how the two compare.

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "tests/load/load_client.h"
#include "tests/load/request_mix.h"

namespace {

using attune::load::LoadOptions;
using attune::load::LoadResult;
using attune::load::RequestMixOptions;

struct Options {
  LoadOptions load;
  RequestMixOptions requests;
  std::vector<int> concurrency = {64};
  std::string baseline;
  int rounds = 1;
  std::string save_answer;
  bool json = false;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// The figures of one round, in the order in which they are printed.
constexpr const char* kFigures[] = {"qps", "p50_us", "p90_us", "p99_us", "p999_us", "max_us"};
constexpr size_t kQps = 0;
constexpr size_t kP99 = 3;
using Figures = std::vector<double>;

Figures FiguresOf(const LoadResult& result) {
  const attune::load::LatencyHistogram& latency = result.latency;
  return {result.qps,
          latency.PercentileMicros(0.5),
          latency.PercentileMicros(0.9),
          latency.PercentileMicros(0.99),
          latency.PercentileMicros(0.999),
          latency.MaxMicros()};
}

// All rounds of one server at one concurrency.
struct Series {
  std::vector<Figures> rounds;
  uint64_t answered = 0;
  uint64_t errors = 0;
  std::string last_answer;

  void Add(LoadResult result) {
    rounds.push_back(FiguresOf(result));
    answered += result.answered;
    if (result.errors > 0 && errors == 0) std::cerr << "error: " << result.first_error << "\n";
    errors += result.errors;
    if (!result.last_answer.empty()) last_answer = std::move(result.last_answer);
  }
  double MedianOf(size_t figure) const {
    std::vector<double> values;
    for (const Figures& round : rounds) values.push_back(round[figure]);
    return Median(std::move(values));
  }
};

// The median of the ratios of rounds that stood side by side.
double MedianRatio(const Series& a, const Series& b, size_t figure) {
  std::vector<double> ratios;
  for (size_t i = 0; i < a.rounds.size(); ++i) {
    ratios.push_back(b.rounds[i][figure] > 0 ? a.rounds[i][figure] / b.rounds[i][figure] : 0);
  }
  return Median(std::move(ratios));
}

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
  if (!options.save_answer.empty()) {
    std::ofstream(options.save_answer, std::ios::binary) << decide.last_answer;
  }
  return decide.errors + echo.errors == 0 && decide.answered > 0;
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
  bool all_answered = true;
  for (const int concurrency : options.concurrency) {
    all_answered = Measure(options, concurrency, *requests) && all_answered;
  }
  return all_answered ? 0 : 1;
}
