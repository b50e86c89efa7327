#include "gtest/gtest.h"
#include "tests/conformance/cases.h"
#include "tests/testing/paths.h"

namespace attune::expression {
namespace {

// These expect "\u0100" to stay as it is written, or "\?" to keep its backslash: escapes of the
// file's source that were not resolved when it was converted. lib/expression/README.md lists them.
constexpr size_t kKnownFailures = 12;

TEST(ConformanceTest, PassesAllButTheListedCases) {
  const std::string path = testing::SourcePath("../shared/cel/conformance.jsonl");
  std::string problem;
  const auto result = RunConformanceFile(path, &problem);
  if (!result.has_value()) GTEST_SKIP() << problem;
  EXPECT_LE(result->failures.size(), kKnownFailures);
  for (const auto& failure : result->failures) {
    EXPECT_TRUE(failure.name.starts_with("parse/")) << failure.name << ": " << failure.expr;
  }
}

}  // namespace
}  // namespace attune::expression
