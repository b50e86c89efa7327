#ifndef ATTUNE_LIB_SCENARIO_SCENARIO_LOADER_H_
#define ATTUNE_LIB_SCENARIO_SCENARIO_LOADER_H_

#include <optional>
#include <string>

#include "lib/base/issue.h"
#include "lib/scenario/scenario.h"
#include "lib/storage/name_dictionary.h"
#include "lib/strategy/strategy_sources.h"

namespace attune::scenario {

// Most cases of one file, most steps of one case, and the longest name of a case in bytes.
inline constexpr int kMaxCases = 10'000;
inline constexpr int kMaxSteps = 1'000;
inline constexpr size_t kMaxCaseNameBytes = 200;

// Reads a file of cases (attune.strategy.v1.ScenarioFile) and its strategy. Every problem of the
// file, and of the strategy, is added to `issues`; nullopt when one of them is an error. Warnings
// of a strategy without errors are left out. Names get their numbers from `dictionary`.
std::optional<ScenarioFile> LoadScenarioFile(const std::string& path,
                                             strategy::StrategySources& sources,
                                             storage::NameDictionary& dictionary,
                                             IssueList& issues);
// The same for strategies without models of a registry.
std::optional<ScenarioFile> LoadScenarioFile(const std::string& path,
                                             storage::NameDictionary& dictionary,
                                             IssueList& issues);

}  // namespace attune::scenario

#endif  // ATTUNE_LIB_SCENARIO_SCENARIO_LOADER_H_
