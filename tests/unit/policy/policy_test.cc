#include "lib/policy/policy.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace attune::policy {
namespace {

class ApplyPoliciesTest : public ::testing::Test {
 protected:
  catalog::Treatment& Add() {
    catalog::Treatment& treatment = catalog_.treatments.emplace_back();
    treatment.channels.set();
    treatment.intents.set();
    return treatment;
  }
  std::string Applied(const std::vector<int>& candidates) {
    ApplyPolicies({catalog_, engagement_, contact_, schema_, context_, customer_, {}}, candidates,
                  result_);
    std::string text = "kept:";
    for (const int kept : result_.kept) text += " " + std::to_string(kept);
    text += "; rejected:";
    for (const candidates::Rejection& rejection : result_.rejected) {
      text += " " + std::to_string(rejection.treatment) + " " +
              std::string(candidates::ReasonName(rejection.reason));
    }
    return text;
  }

  catalog::Catalog catalog_;
  EngagementRules engagement_;
  ContactPolicies contact_;
  context::ContextSchema schema_;
  customer::CustomerState customer_;
  context::DecisionContext context_;
  PolicyResult result_;
};

TEST_F(ApplyPoliciesTest, KeepsWhatAppliesEverywhere) {
  Add();
  Add();
  EXPECT_EQ(Applied({0, 1}), "kept: 0 1; rejected:");
  EXPECT_EQ(Applied({}), "kept:; rejected:");
}

TEST_F(ApplyPoliciesTest, LooksAtTheCandidatesOnly) {
  for (int i = 0; i < 3; ++i) Add().channels.reset();
  EXPECT_EQ(Applied({1}), "kept:; rejected: 1 channel_not_applicable");
}

TEST_F(ApplyPoliciesTest, DropsWhatDoesNotApplyOnTheChannel) {
  Add().channels.reset().set(3);
  Add();
  context_.channel = 2;
  EXPECT_EQ(Applied({0, 1}), "kept: 1; rejected: 0 channel_not_applicable");
  context_.channel = 3;
  EXPECT_EQ(Applied({0, 1}), "kept: 0 1; rejected:");
}

TEST_F(ApplyPoliciesTest, DropsWhatDoesNotApplyForTheIntent) {
  Add().intents.reset().set(4);
  Add().intents.reset().set(context::kUnknownIntent);
  context_.intent = 4;
  EXPECT_EQ(Applied({0, 1}), "kept: 0; rejected: 1 intent_not_applicable");
  context_.intent = context::kUnknownIntent;
  EXPECT_EQ(Applied({0, 1}), "kept: 1; rejected: 0 intent_not_applicable");
}

TEST_F(ApplyPoliciesTest, NamesTheChannelWhenBothAreWrong) {
  catalog::Treatment& treatment = Add();
  treatment.channels.reset();
  treatment.intents.reset();
  EXPECT_EQ(Applied({0}), "kept:; rejected: 0 channel_not_applicable");
}

}  // namespace
}  // namespace attune::policy
