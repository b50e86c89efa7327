#include "lib/base/violations.h"

#include <string>

#include "gtest/gtest.h"

namespace attune {
namespace {

TEST(ViolationsTest, NoneIsOk) {
  const Violations violations;
  EXPECT_TRUE(violations.empty());
  EXPECT_TRUE(violations.ToStatus().ok());
}

TEST(ViolationsTest, NamesTheFirstInTheMessage) {
  Violations violations;
  violations.Add("channel", "is required");
  EXPECT_EQ(violations.ToStatus().message(), "1 violation: channel is required");
  EXPECT_TRUE(absl::IsInvalidArgument(violations.ToStatus()));
  for (const char* field : {"b", "c", "d"}) violations.Add(field, "is wrong");
  EXPECT_EQ(violations.ToStatus().message(),
            "4 violations: channel is required; b is wrong; c is wrong; ...");
}

TEST(ViolationsTest, SortsWhatCameInNoOrder) {
  Violations violations;
  violations.Add("time", "is wrong");
  for (const char* field : {"c", "a", "b"}) violations.Add(field, "is wrong");
  violations.SortFrom(1);
  EXPECT_EQ(violations.ToStatus().message(),
            "4 violations: time is wrong; a is wrong; b is wrong; ...");
}

TEST(ViolationsTest, KeepsABoundedNumberAndCountsAll) {
  Violations violations;
  for (int i = 0; i < 10'000; ++i) violations.Add("field", "is wrong");
  EXPECT_EQ(violations.kept().size(), Violations::kMaxKept);
  EXPECT_EQ(violations.count(), 10'000u);
  EXPECT_LT(violations.ToStatus().message().size(), 200u);
}

}  // namespace
}  // namespace attune
