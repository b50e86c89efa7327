#include "lib/base/issue.h"

#include <string>

#include "gtest/gtest.h"

namespace attune {
namespace {

Issue MakeIssue(const std::string& file, int line, int column, const std::string& message) {
  return {Issue::Severity::kError, {file, line, column}, message, ""};
}

TEST(IssueListTest, CountsErrorsAndWarnings) {
  IssueList issues;
  EXPECT_FALSE(issues.has_errors());
  issues.Add({Issue::Severity::kWarning, {"a.yaml", 1, 1}, "doubtful", ""});
  EXPECT_FALSE(issues.has_errors());
  issues.Add(MakeIssue("a.yaml", 2, 1, "wrong"));
  EXPECT_TRUE(issues.has_errors());
  EXPECT_EQ(issues.errors(), 1u);
  EXPECT_EQ(issues.warnings(), 1u);
}

TEST(IssueListTest, ErrorsTakeThePlaceOfWarningsWhenItIsFull) {
  IssueList issues;
  for (size_t i = 0; i < IssueList::kMaxKept + 1; ++i) {
    issues.Add({Issue::Severity::kWarning, {"a.yaml", 1, 1}, "doubtful", ""});
  }
  issues.Add({Issue::Severity::kError, {"a.yaml", 2, 1}, "wrong", ""});
  EXPECT_EQ(issues.issues().size(), IssueList::kMaxKept);
  EXPECT_NE(issues.ToString().find("error: wrong"), std::string::npos);
  EXPECT_NE(issues.ToString().find("... and 2 more"), std::string::npos);
}

TEST(IssueListTest, PrintsPlaceLineAndCaret) {
  IssueList issues;
  issues.Add({Issue::Severity::kError,
              {"telecom.yaml", 12, 3},
              "unknown key \"nmae\"; did you mean \"name\"?",
              "  nmae: resolution"});
  issues.Add({Issue::Severity::kWarning, {"gone.yaml", 0, 0}, "can't be read", ""});
  EXPECT_EQ(issues.ToString(),
            "telecom.yaml:12:3: error: unknown key \"nmae\"; did you mean \"name\"?\n"
            "      nmae: resolution\n"
            "      ^\n"
            "gone.yaml: warning: can't be read\n");
}

TEST(IssueListTest, SortsByPlaceAndKeepsTheOrderOfFiles) {
  IssueList issues;
  issues.Add(MakeIssue("z.yaml", 2, 9, "third"));
  issues.Add(MakeIssue("a.yaml", 1, 1, "fourth"));
  issues.Add(MakeIssue("z.yaml", 1, 5, "first"));
  issues.Add(MakeIssue("z.yaml", 2, 1, "second"));
  issues.Sort();
  std::string order;
  for (const Issue& issue : issues.issues()) order += issue.message + " ";
  EXPECT_EQ(order, "first second third fourth ");
}

TEST(IssueListTest, KeepsABoundedNumberAndCountsAll) {
  IssueList issues;
  for (size_t i = 0; i < IssueList::kMaxKept + 5; ++i) issues.Add(MakeIssue("a", 1, 1, "m"));
  EXPECT_EQ(issues.issues().size(), IssueList::kMaxKept);
  EXPECT_EQ(issues.errors(), IssueList::kMaxKept + 5);
  EXPECT_NE(issues.ToString().find("... and 5 more\n"), std::string::npos);
}

}  // namespace
}  // namespace attune
