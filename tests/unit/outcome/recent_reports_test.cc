#include "lib/outcome/recent_reports.h"

#include "gtest/gtest.h"

namespace attune::outcome {
namespace {

TEST(RecentReportsTest, TheOldestMakesRoom) {
  RecentReports recent(2);
  const RecentReports::Key first = {1, 1, Status::kUnknownDecision};
  const RecentReports::Key second = {1, 1, Status::kCustomerErased};
  const RecentReports::Key third = {1, 2, Status::kUnknownDecision};
  recent.Add(first);
  recent.Add(second);
  recent.Add(first);
  EXPECT_TRUE(recent.Contains(first));
  EXPECT_FALSE(recent.Contains(third));
  recent.Add(third);
  EXPECT_FALSE(recent.Contains(first)) << "adding it again did not make it younger";
  EXPECT_TRUE(recent.Contains(second));
  EXPECT_TRUE(recent.Contains(third));
}

}  // namespace
}  // namespace attune::outcome
