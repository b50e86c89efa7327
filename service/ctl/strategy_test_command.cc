#include "service/ctl/strategy_test_command.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lib/base/issue.h"
#include "lib/base/text.h"
#include "lib/scenario/scenario_loader.h"
#include "lib/scenario/scenario_runner.h"
#include "lib/scenario/temporary_store.h"
#include "lib/storage/name_dictionary.h"
#include "service/ctl/issue_json.h"
#include "service/ctl/json.h"
#include "service/ctl/table.h"
#include "service/stored_files.h"

namespace attune::ctl {
namespace {

namespace fs = std::filesystem;
using scenario::CaseResult;
using scenario::Difference;
using scenario::StepFailure;

constexpr char kSuffix[] = ".cases.yaml";

constexpr char kTestFooter[] =
    R"(A case is a customer, what happened before, a situation, and the ranking and the
rejections with their reasons that are expected then; a file holds cases about one
strategy. Decisions are made as the server makes them, with a clock that the cases set;
no server is needed. In a folder, and in those below, all files called *.cases.yaml are
run. proto/attune/strategy/v1/scenario.proto documents every key:

  strategy: telecom.yaml
  channel: app
  cases:
    - name: a no to marketing holds at once
      at: 2026-03-02T10:00:00Z
      customer: {tenure_months: 38}
      intent: browse_plans
      expect: {top: plan_upgrade}
      then:
        - after: 1m
          consents: [{purpose: marketing, granted: false}]
          expect: {ranking: [], rejected: {plan_upgrade: no_consent}}

Exit status: 0 all cases passed, 1 some failed or a file has errors, 2 wrong usage.

Examples:
  attunectl strategy test deploy/example
  attunectl strategy test deploy/example/telecom.cases.yaml --json

)";

// How one file came out.
struct FileResult {
  std::string path;
  std::vector<CaseResult> cases;
};

// A run over files. Not thread-safe.
class TestRun {
 public:
  TestRun(const Invocation& invocation, const std::vector<service::StoredFile>& stored)
      : invocation_(invocation), sources_(service::SourcesWith(stored)) {}

  int Run(const std::vector<std::string>& paths);

 private:
  // The files of cases that a path stands for.
  absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& path) const;
  absl::Status RunFile(const std::string& path);
  void PrintText() const;
  void PrintJson() const;

  const Invocation& invocation_;
  strategy::StrategySources sources_;
  IssueList issues_;
  size_t wrong_files_ = 0;
  std::vector<FileResult> files_;
  size_t passed_ = 0;
  size_t failed_ = 0;
};

absl::StatusOr<std::vector<std::string>> TestRun::FilesOf(const std::string& path) const {
  std::error_code error;
  if (!fs::is_directory(path, error)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  for (fs::recursive_directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().string();
    if (entry->is_regular_file() && absl::EndsWith(name, kSuffix)) files.push_back(name);
  }
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("the folder ", Quoted(path), " can't be read: ", error.message()));
  }
  if (files.empty()) {
    return absl::NotFoundError(absl::StrCat("there are no cases in the folder ", Quoted(path),
                                            ": no file is called *", kSuffix));
  }
  std::sort(files.begin(), files.end());
  return files;
}

absl::Status TestRun::RunFile(const std::string& path) {
  storage::NameDictionary dictionary;
  const size_t errors_before = issues_.errors();
  const auto file = scenario::LoadScenarioFile(path, sources_, dictionary, issues_);
  if (!file) {
    if (issues_.errors() > errors_before) ++wrong_files_;
    return absl::OkStatus();
  }
  const auto store = scenario::TemporaryStore::Open();
  if (!store.ok()) return store.status();
  auto results = scenario::ScenarioRunner((*store)->get()).Run(*file);
  if (!results.ok()) return results.status();
  for (const CaseResult& result : *results) ++(result.failures.empty() ? passed_ : failed_);
  files_.push_back({path, *std::move(results)});
  return absl::OkStatus();
}

int TestRun::Run(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const auto files = FilesOf(path);
    absl::Status status = files.status();
    for (size_t i = 0; status.ok() && i < files->size(); ++i) status = RunFile((*files)[i]);
    if (!status.ok()) {
      return ReportError(invocation_.console, invocation_.options, std::string(status.message()));
    }
  }
  if (invocation_.options.json) {
    PrintJson();
  } else {
    PrintText();
  }
  return failed_ + wrong_files_ == 0 ? kExitOk : kExitFailure;
}

std::string Moment(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

// Where in a case a decision was made: "" for its own, "then[2]" for one that follows.
std::string StepName(const StepFailure& failure) {
  return failure.step == 0 ? "" : absl::StrCat("then[", failure.step - 1, "]");
}

std::string FailureText(const std::string& path, const StepFailure& failure) {
  const std::string step = StepName(failure);
  std::string text = absl::StrCat("          ", step, step.empty() ? "" : " ", "at ",
                                  Moment(failure.at), " on ", failure.channel, "\n");
  for (const Difference& difference : failure.differences) {
    absl::StrAppend(&text, "            ", path, ":", difference.line, ": ", difference.what, "\n",
                    "              expected: ", TerminalSafe(difference.expected), "\n",
                    "              got:      ", TerminalSafe(difference.got), "\n");
    for (const std::string& why : difference.why) {
      absl::StrAppend(&text, "              ", TerminalSafe(why), "\n");
    }
  }
  return text;
}

void TestRun::PrintText() const {
  std::ostream& out = invocation_.console.out;
  out << issues_.ToString();
  for (const FileResult& file : files_) {
    out << TerminalSafe(file.path) << "\n";
    for (const CaseResult& result : file.cases) {
      out << (result.failures.empty() ? "  ok      " : "  FAILED  ") << TerminalSafe(result.name)
          << "\n";
      for (const StepFailure& failure : result.failures) out << FailureText(file.path, failure);
    }
  }
  if (wrong_files_ > 0) out << "files with errors, not run: " << wrong_files_ << "\n";
  out << passed_ << " passed, " << failed_ << " failed\n";
}

Json FailureJson(const StepFailure& failure) {
  Json json = {{"step", failure.step},
               {"at", Moment(failure.at)},
               {"channel", failure.channel},
               {"differences", Json::array()}};
  for (const Difference& difference : failure.differences) {
    json["differences"].push_back({{"line", difference.line},
                                   {"what", difference.what},
                                   {"expected", difference.expected},
                                   {"got", difference.got},
                                   {"why", difference.why}});
  }
  return json;
}

void TestRun::PrintJson() const {
  Json json = {{"passed", passed_},
               {"failed", failed_},
               {"wrong_files", wrong_files_},
               {"issues", IssuesJson(issues_)},
               {"cases", Json::array()}};
  for (const FileResult& file : files_) {
    for (const CaseResult& result : file.cases) {
      Json failures = Json::array();
      for (const StepFailure& failure : result.failures) failures.push_back(FailureJson(failure));
      json["cases"].push_back({{"file", file.path},
                               {"line", result.line},
                               {"name", result.name},
                               {"passed", result.failures.empty()},
                               {"failures", std::move(failures)}});
    }
  }
  WriteJson(invocation_.console.out, json);
}

}  // namespace

void AddStrategyTestCommand(CLI::App& strategy, Commands& commands) {
  CLI::App* test = strategy.add_subcommand("test", "Run the cases that a strategy must pass.");
  auto paths = std::make_shared<std::vector<std::string>>();
  test->add_option("PATH", *paths, "Files of cases, and folders with such files.")
      ->required()
      ->type_name("PATH");
  auto stored = std::make_shared<std::vector<service::StoredFile>>();
  service::AddStoredOption(*test, kStoredHelp, *stored);
  test->footer(absl::StrCat(kTestFooter, kGlobalOptionsNote));
  commands.Add(test, [paths, stored](const Invocation& invocation) {
    return TestRun(invocation, *stored).Run(*paths);
  });
}

}  // namespace attune::ctl
