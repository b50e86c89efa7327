#ifndef ATTUNE_TESTS_INTEGRATION_CRASH_CRASH_RUN_H_
#define ATTUNE_TESTS_INTEGRATION_CRASH_CRASH_RUN_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/integration/crash/store_check.h"

namespace attune::crash {

struct CrashOptions {
  // How often attuned is killed. At least 1.
  int kills = 200;
  // Ends the killing after that, however often it was; zero: no limit. What comes after it, the
  // checks, takes seconds more.
  absl::Duration limit = absl::ZeroDuration();
  // Of what is drawn. When a kill strikes depends on the machine as well, so two runs are not
  // alike.
  uint64_t seed = 1;
  // An empty folder for the strategy and the data.
  std::string folder;
  size_t clients = 6;
  // Calls of all clients together, retries left out. Above 0.
  double calls_per_second = 600;
};

// What a run came to.
struct CrashReport {
  int kills = 0;          // while it served or drained
  int drain_kills = 0;    // of them, while it drained
  int startup_kills = 0;  // while it started, besides
  double seconds = 0;
  uint64_t decisions = 0;  // acknowledged, as the next ones
  uint64_t outcomes = 0;
  uint64_t profile_writes = 0;
  uint64_t caps_reached = 0;  // treatments that decisions left out for a cap
  uint64_t retries = 0;       // calls sent again for want of an answer
  uint64_t repeats = 0;       // calls sent again in spite of one
  uint64_t customers = 0;
  uint64_t sampled = 0;        // customers that were checked between two kills
  uint64_t profiles_lost = 0;  // profile writes, at the end
  double reopen_p50_ms = 0;    // from the start of the process until it serves
  double reopen_max_ms = 0;
  // Of the end; nothing of it when the run had to be given up.
  StoreFindings store;
  uint64_t problem_count = 0;
  std::vector<std::string> problems;  // the first ones, for people

  bool Passed() const;
};

// How far a run is.
struct CrashProgress {
  int kills = 0;
  double seconds = 0;
  uint64_t outcomes = 0;  // acknowledged
  uint64_t problems = 0;
};

// Starts attuned, sends it mixed traffic, kills it with SIGKILL at random instants, starts it again
// on what it left, and goes on. After each start a sample of customers is compared with what was
// acknowledged; at the end, when attuned has drained, everything. `tell` is called every few
// seconds. One at a time per folder.
CrashReport RunCrashes(const CrashOptions& options,
                       const std::function<void(const CrashProgress&)>& tell);

}  // namespace attune::crash

#endif  // ATTUNE_TESTS_INTEGRATION_CRASH_CRASH_RUN_H_
