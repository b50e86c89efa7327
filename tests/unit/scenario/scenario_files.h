#ifndef ATTUNE_TESTS_UNIT_SCENARIO_SCENARIO_FILES_H_
#define ATTUNE_TESTS_UNIT_SCENARIO_SCENARIO_FILES_H_

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/issue.h"
#include "lib/scenario/scenario.h"
#include "lib/scenario/scenario_loader.h"
#include "lib/storage/name_dictionary.h"
#include "tests/unit/strategy/strategy_files.h"

namespace attune::scenario {

// Priorities are half the values: gift, deal, letter.
inline constexpr std::string_view kStrategy = R"(name: tested
features:
  - {name: age, type: int, default: 30}
  - {name: plan, type: string}
attributes:
  - {name: mood, type: double}
channels: [{name: web}, {name: ivr}]
intents: [{name: buy}]
outcomes: [{name: shown}]
purposes: [{name: marketing, consent: opt_out}]
eligibility:
  - name: adults
    when: customer.age >= 18
groups: [{name: offer}, {name: care}]
models: [{name: even, file: even.yaml}]
treatments:
  - name: gift
    group: offer
    purpose: marketing
    model: even
    value: 30
    contact:
      - name: gift_twice
        cap: {at_most: 2, outcomes: [decided], window: 1d}
    content: {web: {title: A gift}, ivr: {prompt: A gift}}
  - {name: deal, group: offer, model: even, value: 20, intents: [buy], content: {web: {title: A deal}}}
  - {name: letter, group: care, model: even, value: 10, content: {web: {title: A letter}, ivr: {prompt: A letter}}}
arbitration: {max_treatments: 10}
)";

inline constexpr std::string_view kModel = "linear: {link: identity, intercept: 0.5}\n";

// A folder with the strategy and files of cases.
class ScenarioFolder {
 public:
  ScenarioFolder() {
    folder_.Write("s.yaml", kStrategy);
    folder_.Write("even.yaml", kModel);
  }

  void Write(const std::string& name, std::string_view text) const { folder_.Write(name, text); }
  std::string Path(const std::string& name) const { return folder_.Path(name); }

  std::optional<ScenarioFile> Load(std::string_view cases) {
    Write("s.cases.yaml", cases);
    issues_ = IssueList();
    storage::NameDictionary dictionary;
    return LoadScenarioFile(Path("s.cases.yaml"), dictionary, issues_);
  }
  // Each issue as "file:line:column: message", without the folder.
  std::vector<std::string> Issues() const {
    std::vector<std::string> lines;
    for (const Issue& issue : issues_.issues()) {
      lines.push_back(absl::StrCat(std::filesystem::path(issue.location.file).filename().string(),
                                   ":", issue.location.line, ":", issue.location.column, ": ",
                                   issue.message));
    }
    return lines;
  }

 private:
  const strategy::TemporaryFolder folder_;
  IssueList issues_;
};

}  // namespace attune::scenario

#endif  // ATTUNE_TESTS_UNIT_SCENARIO_SCENARIO_FILES_H_
