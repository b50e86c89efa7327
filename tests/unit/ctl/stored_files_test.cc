#include "service/stored_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/hash.h"
#include "service/ctl/console.h"
#include "tests/testing/temp_dir.h"
#include "tests/unit/ctl/fake_attuned.h"

namespace attune::ctl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kModel[] = "linear: {link: identity, intercept: 0.5}\n";

// Commands that load a strategy whose model lies in the registry of a server.
class StoredFilesTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_.File(name), std::ios::binary) << text;
    return folder_.File(name);
  }
  std::string Strategy(const std::string& stored) const {
    return Write("s.yaml", absl::StrCat(R"(name: small
channels: [{name: app}]
groups: [{name: care}]
models: [{name: taste, stored: )",
                                        stored, R"(}]
treatments:
  - {name: gift, group: care, model: taste, value: 1, content: {app: {text: hello}}}
)"));
  }

  testing::TempDir folder_;
  const std::string model_ = Write("taste.yaml", kModel);
};

TEST_F(StoredFilesTest, AFileStandsForAStoredModel) {
  const std::string strategy = Strategy("tastes");
  const CtlRun without = RunAttunectl({"strategy", "check", strategy});
  EXPECT_EQ(without.status, kExitFailure);
  EXPECT_THAT(without.out, AllOf(HasSubstr("s.yaml:4:32: error: the stored model \"tastes\": "),
                                 HasSubstr("--stored tastes=FILE")));
  const CtlRun with = RunAttunectl({"strategy", "check", strategy, "--stored", "tastes=" + model_});
  EXPECT_EQ(with.status, kExitOk) << with.out << with.err;
  EXPECT_THAT(with.out, HasSubstr(" is good:"));
}

TEST_F(StoredFilesTest, APinnedVersionMustBeThatOfTheFile) {
  const std::string version = absl::StrCat("tastes@", ContentHash(kModel));
  EXPECT_EQ(
      RunAttunectl({"strategy", "check", Strategy(version), "--stored", "tastes=" + model_}).status,
      kExitOk);
  const CtlRun other = RunAttunectl(
      {"strategy", "check", Strategy("tastes@0123456789ab"), "--stored", "tastes=" + model_});
  EXPECT_EQ(other.status, kExitFailure);
  EXPECT_THAT(other.out, HasSubstr("is another version, " + version));
}

TEST_F(StoredFilesTest, CasesAreRunWithIt) {
  Strategy("tastes");
  const std::string cases = Write("s.cases.yaml", R"(strategy: s.yaml
channel: app
cases:
  - name: the gift is all there is
    at: 2026-03-02T10:00:00Z
    expect: {top: gift}
)");
  EXPECT_EQ(RunAttunectl({"strategy", "test", cases}).status, kExitFailure);
  const CtlRun run = RunAttunectl({"strategy", "test", cases, "--stored", "tastes=" + model_});
  EXPECT_EQ(run.status, kExitOk) << run.out << run.err;
}

TEST_F(StoredFilesTest, WhatIsNoPairIsWrongUsage) {
  for (const char* wrong : {"tastes", "tastes=", "=file", "Tastes=file"}) {
    EXPECT_EQ(RunAttunectl({"strategy", "check", "s.yaml", "--stored", wrong}).status, kExitUsage)
        << wrong;
  }
}

}  // namespace
}  // namespace attune::ctl
