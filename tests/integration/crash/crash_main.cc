// crash_harness: kills attuned again and again under mixed traffic, and proves that nothing which
// was acknowledged is lost and nothing is counted twice.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "tests/integration/crash/crash_run.h"
#include "tests/testing/temp_dir.h"

namespace {

using attune::crash::CrashOptions;
using attune::crash::CrashProgress;
using attune::crash::CrashReport;
using attune::crash::StoreFindings;

constexpr int kExitPassed = 0;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

struct Flags {
  CrashOptions crash;
  int seconds = 0;
  std::string data_dir;
  bool json = false;
};

void AddFlags(CLI::App& app, Flags& flags) {
  CrashOptions& crash = flags.crash;
  app.add_option("--kills", crash.kills, "How often attuned is killed")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--seconds", flags.seconds,
                 "Kill no more after so many seconds, however often it was; 0: no limit")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();
  app.add_option("--seed", crash.seed,
                 "Of what is drawn. When a kill strikes depends on the machine, too")
      ->capture_default_str();
  app.add_option("--clients", crash.clients, "Threads that call")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--rate", crash.calls_per_second, "Calls per second of all of them, at most")
      ->check(CLI::Range(1.0, 10'000.0))
      ->capture_default_str();
  app.add_option("--data_dir", flags.data_dir,
                 "An empty folder to work in, which is kept; created when absent. Without one a "
                 "temporary folder, which is removed")
      ->type_name("DIR");
  app.add_flag("--json", flags.json, "Print one JSON object instead of the table");
  app.footer(
      "Exit status: 0 nothing was lost, counted twice or learned otherwise; 1 something was, the\n"
      "lines above the table say what; 2 wrong usage.\n"
      "\n"
      "Example:\n"
      "  crash_harness --kills 200 --seed 7");
}

void PrintProgress(const CrashOptions& crash, const CrashProgress& progress) {
  std::string left;
  if (progress.kills > 0) {
    double seconds = progress.seconds / progress.kills * (crash.kills - progress.kills);
    const double limit = absl::ToDoubleSeconds(crash.limit);
    if (limit > 0) seconds = std::min(seconds, std::max(0.0, limit - progress.seconds));
    left = absl::StrFormat(", about %.0f s left", seconds);
  }
  std::cerr << absl::StrFormat(
      "kills %d/%d, acknowledged outcomes %u (%.0f/s), problems %u%s\n", progress.kills,
      crash.kills, progress.outcomes,
      progress.seconds > 0 ? static_cast<double>(progress.outcomes) / progress.seconds : 0,
      progress.problems, left);
}

// A figure with its name, as the table and JSON have it.
struct Figure {
  const char* name;
  double value;
};

std::vector<Figure> FiguresOf(const CrashReport& report) {
  const StoreFindings& store = report.store;
  const auto count = [](uint64_t value) { return static_cast<double>(value); };
  return {
      {"kills", count(static_cast<uint64_t>(report.kills))},
      {"kills_while_draining", count(static_cast<uint64_t>(report.drain_kills))},
      {"kills_while_starting", count(static_cast<uint64_t>(report.startup_kills))},
      {"seconds", report.seconds},
      {"reopen_p50_ms", report.reopen_p50_ms},
      {"reopen_max_ms", report.reopen_max_ms},
      {"customers", count(report.customers)},
      {"customers_sampled", count(report.sampled)},
      {"calls_retried", count(report.retries)},
      {"calls_repeated", count(report.repeats)},
      {"decisions_acknowledged", count(report.decisions)},
      {"decisions_lost", count(store.decisions_lost)},
      {"decisions_twice", count(store.decisions_twice + store.decisions_unknown)},
      {"decisions_different", count(store.decisions_different)},
      {"outcomes_acknowledged", count(report.outcomes)},
      {"outcomes_lost", count(store.outcomes_lost)},
      {"outcomes_twice", count(store.outcomes_twice + store.outcomes_unknown)},
      {"history_lost", count(store.history_lost)},
      {"history_twice", count(store.history_twice)},
      {"profile_writes_acknowledged", count(report.profile_writes)},
      {"profile_writes_lost", count(report.profiles_lost)},
      {"caps_reached", count(report.caps_reached)},
      {"caps_exceeded", count(store.caps_exceeded)},
      {"log_events", count(store.log_events)},
      {"log_clock_events", count(store.clock_events)},
      {"treatments_learned", count(store.treatments_learned)},
      {"treatments_waiting", count(store.treatments_waiting)},
      {"events_not_learned_from", count(store.not_learned_from)},
      {"learned_bytes", count(store.learned_bytes)},
      {"models_different", count(store.models_different)},
      {"problems", count(report.problem_count)},
  };
}

void PrintJson(const CrashReport& report) {
  std::string text = absl::StrCat("{\"passed\": ", report.Passed() ? "true" : "false");
  for (const Figure& figure : FiguresOf(report)) {
    absl::StrAppendFormat(&text, ", \"%s\": %.10g", figure.name, figure.value);
  }
  std::cout << text << "}\n";
}

void PrintTable(const CrashReport& report) {
  for (const Figure& figure : FiguresOf(report)) {
    std::cout << absl::StrFormat("%-28s %12.10g\n", figure.name, figure.value);
  }
  std::cout << (report.Passed() ? "PASSED" : "FAILED") << "\n";
}

// The folder to work in; nullopt: it can't be used, which was told.
std::optional<std::string> UseFolder(const std::string& data_dir) {
  std::error_code error;
  std::filesystem::create_directories(data_dir, error);
  if (!error && std::filesystem::is_empty(data_dir, error) && !error) return data_dir;
  std::cerr << "crash_harness: --data_dir " << data_dir << ": "
            << (error ? error.message() : "must be empty: what is in it was acknowledged to others")
            << "\n";
  return std::nullopt;
}

int Run(Flags& flags) {
  std::optional<attune::testing::TempDir> temporary;
  if (flags.data_dir.empty()) {
    temporary.emplace();
    flags.crash.folder = temporary->path();
  } else {
    const std::optional<std::string> folder = UseFolder(flags.data_dir);
    if (!folder) return kExitUsage;
    flags.crash.folder = *folder;
  }
  flags.crash.limit = absl::Seconds(flags.seconds);
  const CrashReport report = attune::crash::RunCrashes(
      flags.crash, [&](const CrashProgress& progress) { PrintProgress(flags.crash, progress); });
  for (const std::string& problem : report.problems) std::cerr << "WRONG: " << problem << "\n";
  if (report.problem_count > report.problems.size()) {
    std::cerr << "... and " << report.problem_count - report.problems.size() << " more\n";
  }
  flags.json ? PrintJson(report) : PrintTable(report);
  return report.Passed() ? kExitPassed : kExitFailed;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "crash_harness kills attuned at random instants while clients decide, report outcomes and\n"
      "import customers, and compares what is left with what was acknowledged.",
      "crash_harness");
  Flags flags;
  AddFlags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitPassed : kExitUsage;
  }
  return Run(flags);
}
