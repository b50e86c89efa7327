#ifndef ATTUNE_TESTS_UNIT_STRATEGY_STRATEGY_FILES_H_
#define ATTUNE_TESTS_UNIT_STRATEGY_STRATEGY_FILES_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/issue.h"
#include "lib/storage/name_dictionary.h"
#include "lib/strategy/strategy.h"
#include "lib/strategy/strategy_loader.h"

namespace attune::strategy {

// A small strategy without a flaw, for tests to put one in.
inline constexpr std::string_view kSmallStrategy = R"(name: small
features:
  - {name: age, type: int, default: 30}
  - {name: plan, type: string}
attributes:
  - {name: mood, type: double, default: 1}
channels:
  - name: web
  - name: ivr
intents: [{name: buy}, {name: leave}]
groups:
  - name: offer
  - name: care
models:
  - {name: taste, file: taste.yaml}
treatments:
  - name: gift
    group: care
    model: taste
    value: 10
    cost: 1
    content:
      web: {title: A gift}
      ivr: {prompt: Hello}
  - name: deal
    group: offer
    model: taste
    value: 20
    content:
      web: {title: A deal}
arbitration:
  max_treatments: 2
  context_weights:
    - {group: care, intents: [leave], percent: 50}
)";

// Its model.
inline constexpr std::string_view kSmallModel = R"(description: what people like
linear:
  link: logistic
  intercept: -1
  terms:
    - input: customer.age
      numeric: {weight: 0.5, mean: 40, scale: 10}
    - input: customer.plan
      one_hot: {weights: {big: 0.3, small: -0.1}}
)";

// A folder that is gone after the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "attune_XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string Path(const std::string& name) const { return (path_ / name).string(); }
  void Write(const std::string& name, std::string_view text) const {
    std::filesystem::create_directories(std::filesystem::path(Path(name)).parent_path());
    std::ofstream(Path(name), std::ios::binary) << text;
  }

 private:
  std::filesystem::path path_;
};

// What loading a strategy gave.
struct Loaded {
  std::shared_ptr<const Strategy> strategy;
  IssueList issues;
  storage::NameDictionary dictionary;

  // Each issue as "file:line:column: error: message", without the folder of the strategy.
  std::vector<std::string> Issues() const {
    std::vector<std::string> lines;
    for (const Issue& issue : issues.issues()) {
      lines.push_back(absl::StrCat(
          std::filesystem::path(issue.location.file).filename().string(), ":", issue.location.line,
          ":", issue.location.column,
          issue.severity == Issue::Severity::kError ? ": error: " : ": warning: ", issue.message));
    }
    return lines;
  }
};

inline Loaded LoadFile(const std::string& path) {
  Loaded loaded;
  loaded.strategy = LoadStrategy(path, loaded.dictionary, loaded.issues);
  return loaded;
}

// Loads a strategy file of that text beside the small strategy's model.
inline Loaded LoadText(std::string_view strategy, std::string_view model = kSmallModel) {
  const TemporaryFolder folder;
  folder.Write("s.yaml", strategy);
  folder.Write("taste.yaml", model);
  return LoadFile(folder.Path("s.yaml"));
}

// `text` with the first occurrence of `from` replaced. Fails the test when there is none.
inline std::string Replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string result(text);
  const size_t found = result.find(from);
  if (found == std::string::npos) {
    ADD_FAILURE() << "nothing to replace: " << from;
    return result;
  }
  return result.replace(found, from.size(), to);
}

}  // namespace attune::strategy

#endif  // ATTUNE_TESTS_UNIT_STRATEGY_STRATEGY_FILES_H_
