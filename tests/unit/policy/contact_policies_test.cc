// Each kind of contact policy that looks at the history: at, just under and just over its limit.
#include "lib/policy/contact_policies.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/customer/consent.h"
#include "tests/testing/mutations.h"
#include "tests/unit/policy/contact_fixture.h"

namespace attune::policy {
namespace {

using ::testing::HasSubstr;

constexpr char kTwoAWeek[] = R"pb(
  contact {
    name: "two_a_week"
    cap {
      at_most: 2
      outcomes: "decided"
      window { seconds: 604800 }
    }
  }
)pb";
constexpr char kTwoAWeekOfEach[] = R"pb(
  contact {
    name: "two_a_week"
    cap {
      at_most: 2
      outcomes: "decided"
      window { seconds: 604800 }
      per: SCOPE_TREATMENT
    }
  }
)pb";
constexpr char kOneADayShown[] = R"pb(
  contact {
    name: "one_a_day"
    cap {
      at_most: 1
      outcomes: "shown"
      window { seconds: 86400 }
    }
  }
)pb";
constexpr char kTwoMailsAWeek[] = R"pb(
  contact {
    name: "mails"
    cap {
      at_most: 2
      outcomes: "decided"
      window { seconds: 604800 }
      channels: "mail"
    }
  }
)pb";
constexpr char kTwoNosSilence[] = R"pb(
  contact {
    name: "two_nos"
    suppression {
      after: 2
      outcomes: "rejected"
      window { seconds: 864000 }
      for { seconds: 2592000 }
    }
  }
)pb";
constexpr char kOneNoSilences[] = R"pb(
  contact {
    name: "one_no"
    suppression {
      outcomes: "rejected"
      for { seconds: 2592000 }
    }
  }
)pb";
constexpr char kTwoDaysApart[] = R"pb(
  contact {
    name: "apart"
    min_gap {
      gap { seconds: 172800 }
      outcomes: "shown"
      outcomes: "decided"
    }
  }
)pb";
constexpr char kAwayFromCare[] = R"pb(
  contact {
    name: "away"
    exclusion {
      groups: "care"
      outcomes: "shown"
      window { seconds: 259200 }
    }
  }
)pb";
constexpr char kAwayFromCareOneWay[] = R"pb(
  contact {
    name: "away"
    exclusion {
      groups: "care"
      outcomes: "shown"
      window { seconds: 259200 }
      one_way: true
    }
  }
)pb";

struct ContactCase {
  std::string name;
  ContactTexts texts;
  std::vector<Past> history;
  std::string treatment;
  std::string reason;        // empty: kept
  int64_t allowed_from = 0;  // relative to kNow; when rejected
  std::string channel = "app";
};

void PrintTo(const ContactCase& c, std::ostream* out) { *out << c.name; }

class ContactPolicyCase : public ::testing::TestWithParam<ContactCase> {};

TEST_P(ContactPolicyCase, Holds) {
  const ContactCase& c = GetParam();
  ContactWorld world(c.texts);
  world.Happened(c.history);
  EXPECT_EQ(world.Reason(c.treatment, 0, c.channel), c.reason);
  if (c.reason.empty()) return;
  EXPECT_EQ(world.AllowedFromOf(c.treatment), c.allowed_from);
  EXPECT_NE(world.Reason(c.treatment, c.allowed_from - 1, c.channel), "");
  EXPECT_EQ(world.Reason(c.treatment, c.allowed_from, c.channel), "");
}

const std::vector<ContactCase> kCapCases = {
    {"NothingHappened", {.strategy = kTwoAWeek}, {}, "plan", ""},
    {"OneUnderTheCap", {.strategy = kTwoAWeek}, {{"decided", "plan", -kDay}}, "plan", ""},
    {"AtTheCap",
     {.strategy = kTwoAWeek},
     {{"decided", "plan", -2 * kDay}, {"decided", "phone", -kDay}},
     "plan",
     "cap_reached",
     5 * kDay},
    {"OverTheCap",
     {.strategy = kTwoAWeek},
     {{"decided", "plan", -3 * kDay}, {"decided", "plan", -2 * kDay}, {"decided", "gift", -kDay}},
     "phone",
     "cap_reached",
     5 * kDay},
    {"ExactlyAWindowAgoIsOutside",
     {.strategy = kTwoAWeek},
     {{"decided", "plan", -7 * kDay}, {"decided", "plan", -kDay}},
     "plan",
     ""},
    {"AMillisecondLessIsInside",
     {.strategy = kTwoAWeek},
     {{"decided", "plan", -7 * kDay + 1}, {"decided", "plan", -kDay}},
     "plan",
     "cap_reached",
     1},
    {"OtherOutcomesDontCount",
     {.strategy = kTwoAWeek},
     {{"shown", "plan", -2 * kDay}, {"shown", "phone", -kDay}},
     "plan",
     ""},
    {"ADecisionForNothingDoesntCount",
     {.strategy = kTwoAWeek},
     {{"decided", "", -2 * kDay}, {"decided", "", -kDay}},
     "plan",
     ""},
    {"TheFutureCounts",
     {.strategy = kTwoAWeek},
     {{"decided", "plan", kDay}, {"decided", "plan", 2 * kDay}},
     "plan",
     "cap_reached",
     8 * kDay},
    {"ATreatmentThatIsNoMoreCountsForAll",
     {.strategy = kTwoAWeek},
     {{"decided", "withdrawn", -kDay}, {"decided", "plan", -kDay}},
     "plan",
     "cap_reached",
     6 * kDay},
    {"EachTreatmentOnItsOwnAtTheCap",
     {.strategy = kTwoAWeekOfEach},
     {{"decided", "plan", -kDay}, {"decided", "plan", -kDay}},
     "plan",
     "cap_reached",
     6 * kDay},
    {"EachTreatmentOnItsOwnUnderTheCap",
     {.strategy = kTwoAWeekOfEach},
     {{"decided", "plan", -kDay}, {"decided", "phone", -kDay}, {"decided", "gift", -kDay}},
     "plan",
     ""},
    {"TheGroupTogether",
     {.offer = kTwoAWeek},
     {{"decided", "phone", -kDay}, {"decided", "phone", -2 * kDay}},
     "plan",
     "cap_reached",
     5 * kDay},
    {"AnotherGroupDoesntCount",
     {.offer = kTwoAWeek},
     {{"decided", "gift", -kDay}, {"decided", "phone", -2 * kDay}},
     "plan",
     ""},
    {"AGroupsCapHoldsForTheGroupOnly",
     {.offer = kTwoAWeek},
     {{"decided", "phone", -kDay}, {"decided", "phone", -2 * kDay}},
     "gift",
     ""},
    {"ATreatmentsCapCountsItAlone",
     {.plan = kTwoAWeek},
     {{"decided", "phone", -kDay}, {"decided", "plan", -2 * kDay}},
     "plan",
     ""},
    {"TwoCapsOnOneTreatmentTheDay",
     {.plan = std::string(kTwoAWeek) + kOneADayShown},
     {{"shown", "plan", -kHour}},
     "plan",
     "cap_reached",
     23 * kHour},
    {"TwoCapsOnOneTreatmentTheLaterCounts",
     {.plan = std::string(kTwoAWeek) + kOneADayShown},
     {{"shown", "plan", -kHour}, {"decided", "plan", -2 * kDay}, {"decided", "plan", -kDay}},
     "plan",
     "cap_reached",
     5 * kDay},
    {"OneChannelsInteractionsCountOnAllOthers",
     {.strategy = kTwoAWeek},
     {{"decided", "plan", -kDay, "ivr"}, {"decided", "plan", -kHour, "mail"}},
     "plan",
     "cap_reached",
     6 * kDay},
    {"AChannelsCapAtTheLimit",
     {.strategy = kTwoMailsAWeek},
     {{"decided", "plan", -kDay, "mail"}, {"decided", "plan", -kHour, "mail"}},
     "plan",
     "cap_reached",
     6 * kDay,
     "mail"},
    {"AChannelsCapCountsThatChannel",
     {.strategy = kTwoMailsAWeek},
     {{"decided", "plan", -kDay, "mail"}, {"decided", "plan", -kHour, "app"}},
     "plan",
     "",
     0,
     "mail"},
    {"AChannelsCapHoldsOnThatChannel",
     {.strategy = kTwoMailsAWeek},
     {{"decided", "plan", -kDay, "mail"}, {"decided", "plan", -kHour, "mail"}},
     "plan",
     ""},
    {"TransactionalTreatmentsAreExempt",
     {.strategy = kTwoAWeek},
     {{"decided", "alarm", -kDay}, {"decided", "alarm", -kHour}},
     "alarm",
     ""},
    {"TransactionalTreatmentsCountForOthers",
     {.strategy = kTwoAWeek},
     {{"decided", "alarm", -kDay}, {"decided", "alarm", -kHour}},
     "plan",
     "cap_reached",
     6 * kDay},
};

const std::vector<ContactCase> kOtherCases = {
    {"SuppressionUnderItsLimit",
     {.offer = kTwoNosSilence},
     {{"rejected", "plan", -kDay}},
     "plan",
     ""},
    {"SuppressionAtItsLimit",
     {.offer = kTwoNosSilence},
     {{"rejected", "plan", -kDay}, {"rejected", "phone", -11 * kDay + 1}},
     "plan",
     "suppressed",
     29 * kDay},
    {"SuppressionTooFarApart",
     {.offer = kTwoNosSilence},
     {{"rejected", "plan", -kDay}, {"rejected", "phone", -11 * kDay}},
     "plan",
     ""},
    {"SuppressionLastsBeyondItsWindow",
     {.offer = kTwoNosSilence},
     {{"rejected", "plan", -25 * kDay}, {"rejected", "phone", -29 * kDay}},
     "gift",
     ""},
    {"SuppressionLastsFromTheLast",
     {.offer = kTwoNosSilence},
     {{"rejected", "plan", -25 * kDay}, {"rejected", "phone", -29 * kDay}},
     "plan",
     "suppressed",
     5 * kDay},
    {"SuppressionIsOver",
     {.offer = kTwoNosSilence},
     {{"rejected", "plan", -30 * kDay}, {"rejected", "phone", -31 * kDay}},
     "plan",
     ""},
    {"SuppressionStartsAnew",
     {.offer = kTwoNosSilence},
     {{"rejected", "plan", -25 * kDay},
      {"rejected", "phone", -26 * kDay},
      {"rejected", "phone", -20 * kDay}},
     "plan",
     "suppressed",
     10 * kDay},
    {"ALaterSingleNoDoesNotProlong",
     {.offer = kTwoNosSilence},
     {{"rejected", "plan", -25 * kDay},
      {"rejected", "phone", -26 * kDay},
      {"rejected", "phone", -10 * kDay}},
     "plan",
     "suppressed",
     5 * kDay},
    {"SuppressionHoldsForTransactional",
     {.offer = kTwoNosSilence},
     {{"rejected", "plan", -kDay}, {"rejected", "phone", -kDay}},
     "alarm",
     "suppressed",
     29 * kDay},
    {"SuppressionOnTheStrategyIsOfEachTreatment",
     {.strategy = kOneNoSilences},
     {{"rejected", "plan", -kDay}},
     "phone",
     ""},
    {"SuppressionAfterOneNeedsNoWindow",
     {.strategy = kOneNoSilences},
     {{"rejected", "plan", -kDay}},
     "plan",
     "suppressed",
     29 * kDay},
    {"GapNotYetOver",
     {.offer = kTwoDaysApart},
     {{"shown", "phone", -2 * kDay + 1}},
     "plan",
     "too_soon",
     1},
    {"GapOver", {.offer = kTwoDaysApart}, {{"shown", "phone", -2 * kDay}}, "plan", ""},
    {"GapAfterTheLast",
     {.offer = kTwoDaysApart},
     {{"shown", "phone", -kDay}, {"decided", "plan", -kHour}, {"shown", "plan", -5 * kDay}},
     "plan",
     "too_soon",
     47 * kHour},
    {"GapOfATreatment", {.plan = kTwoDaysApart}, {{"shown", "phone", -kDay}}, "plan", ""},
    {"ExclusionInItsWindow",
     {.offer = kAwayFromCare},
     {{"shown", "gift", -kDay}},
     "plan",
     "excluded",
     2 * kDay},
    {"ExclusionIsMutual",
     {.offer = kAwayFromCare},
     {{"shown", "plan", -kDay}},
     "gift",
     "excluded",
     2 * kDay},
    {"ExclusionOneWay", {.offer = kAwayFromCareOneWay}, {{"shown", "plan", -kDay}}, "gift", ""},
    {"ExclusionOneWayTheOtherWay",
     {.offer = kAwayFromCareOneWay},
     {{"shown", "gift", -kDay}},
     "phone",
     "excluded",
     2 * kDay},
    {"ExclusionOver", {.offer = kAwayFromCare}, {{"shown", "gift", -3 * kDay}}, "plan", ""},
    {"NoExclusionFromItsOwnSide",
     {.offer = kAwayFromCare},
     {{"shown", "phone", -kDay}},
     "plan",
     ""},
    {"ExclusionExemptsTransactional",
     {.offer = kAwayFromCare},
     {{"shown", "gift", -kDay}},
     "alarm",
     ""},
};

INSTANTIATE_TEST_SUITE_P(Caps, ContactPolicyCase, ::testing::ValuesIn(kCapCases),
                         [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(Others, ContactPolicyCase, ::testing::ValuesIn(kOtherCases),
                         [](const auto& info) { return info.param.name; });

TEST(ContactExplanationTest, SaysWhatWasCountedAndUntilWhen) {
  ContactWorld world({.strategy = R"pb(
                        contact {
                          name: "two_a_week"
                          because: "Nobody wants more."
                          cap {
                            at_most: 2
                            outcomes: "decided"
                            window { seconds: 604800 }
                          }
                        }
                      )pb"});
  world.Happened({{"decided", "plan", -2 * kDay}, {"decided", "plan", -kDay}});
  EXPECT_EQ(world.Reason("plan", 0), "cap_reached");
  EXPECT_EQ(world.SentenceOf("plan"),
            "cap two_a_week: 2 of at most 2 within 7d; allowed again from 2026-03-06T00:00:00Z "
            "(Nobody wants more.)");
  const ContactExplanation explanation =
      ExplainContact(world.strategy_->contact, world.result_.contact, *world.RejectionOf("plan"));
  EXPECT_EQ(explanation.policy, "two_a_week");
  EXPECT_EQ(explanation.count, 2);
  EXPECT_EQ(explanation.limit, 2);
  EXPECT_EQ(explanation.window_ms, 7 * kDay);
}

TEST(ContactExplanationTest, AnExclusionNamesWhatWasUsed) {
  ContactWorld world({.offer = kAwayFromCare});
  world.Happened({{"shown", "gift", -kDay}});
  EXPECT_EQ(world.Reason("plan", 0), "excluded");
  EXPECT_THAT(world.SentenceOf("plan"),
              ::testing::HasSubstr(": keeps away for 3d from gift, which was used last at "));
  world.Happened({{"shown", "phone", -2 * kDay}, {"shown", "plan", -kDay}});
  EXPECT_EQ(world.Reason("gift", 0), "excluded");
  EXPECT_THAT(world.SentenceOf("gift"), ::testing::HasSubstr(" from plan, which was used last at "))
      << "the other side, too";
}

TEST(ContactTruncationTest, WhatWasForgottenCountsUpward) {
  ContactWorld world({.strategy = kTwoAWeek, .history = "max_interactions: 4"});
  std::vector<Past> many;
  for (int i = 0; i < 5; ++i) many.push_back({"shown", "plan", -kDay - i * kHour});
  world.Happened(many);
  // The oldest of five was dropped, 28 hours ago: it may have been one that counts.
  EXPECT_EQ(world.Reason("gift", 0), "history_incomplete");
  EXPECT_TRUE(world.result_.history_incomplete);
  EXPECT_EQ(world.AllowedFromOf("gift"), 7 * kDay - 28 * kHour);
  EXPECT_THAT(world.SentenceOf("gift"), HasSubstr("does not reach back 7d"));
  EXPECT_EQ(world.Reason("gift", 7 * kDay - 28 * kHour - 1), "history_incomplete");
  EXPECT_EQ(world.Reason("gift", 7 * kDay - 28 * kHour), "");
  EXPECT_FALSE(world.result_.history_incomplete);
  EXPECT_EQ(world.Reason("alarm", 0), "");
}

TEST(ContactTruncationTest, AWindowThatTheHistoryHoldsIsNotTouched) {
  ContactWorld world({.strategy = kOneADayShown, .history = "max_interactions: 4"});
  std::vector<Past> many;
  for (int i = 0; i < 5; ++i) many.push_back({"decided", "plan", -kDay + kHour - i * kHour});
  world.Happened(many);
  EXPECT_EQ(world.Reason("gift", 0), "");
}

TEST(ContactTruncationTest, AnUnreadableCustomerIsAssumedToHaveReachedEverything) {
  ContactWorld world({.offer = kTwoAWeek});
  world.Apply(customer::CustomerState::Unavailable(), 0);
  EXPECT_EQ(world.RejectionOf("plan")->reason, candidates::Reason::kHistoryIncomplete);
  EXPECT_EQ(world.AllowedFromOf("plan"), std::nullopt);
  EXPECT_EQ(world.RejectionOf("gift"), nullptr);
  EXPECT_EQ(world.RejectionOf("alarm"), nullptr);
}

TEST(ContactDamageTest, EveryMutationOfARecordIsDecidedWithoutHarm) {
  ContactWorld world(
      {.strategy = std::string(kTwoAWeek) + kOneNoSilences,
       .offer = std::string("purpose: 'marketing'") + kAwayFromCare + kTwoDaysApart});
  world.Happened({{"decided", "plan", -kDay},
                  {"rejected", "phone", -2 * kDay},
                  {"shown", "gift", -kHour, "mail"},
                  {"decided", "", 5}});
  const std::string bytes = world.record_.bytes;
  int readable = 0;
  testing::ForEachMutation(bytes, 20'000, [&](const std::string& mutated) {
    world.record_.bytes = mutated;
    const auto state = customer::CustomerState::Parse(world.record_, "c");
    if (!state.ok()) return;
    ++readable;
    const PolicyResult& result = world.Apply(*state, 0);
    EXPECT_EQ(result.kept.size() + result.rejected.size(), 4u);
    for (const candidates::Rejection& rejection : result.rejected) {
      if (rejection.contact_policy < 0) continue;
      EXPECT_NE(
          world.SentenceOf(
              world.strategy_->catalog.treatments[static_cast<size_t>(rejection.treatment)].name),
          "");
    }
  });
  EXPECT_GT(readable, 1000);
}

class ConsentPolicyTest : public ::testing::Test {
 protected:
  ConsentPolicyTest()
      : world_({.offer = "purpose: \"marketing\"", .plan = "purpose: \"service\""}) {}
  void Say(const std::string& purpose, const std::string& channel, bool granted, int64_t time_us) {
    using Kind = storage::NameKind;
    customer::Consent said;
    said.purpose = *world_.builder_.dictionary().Intern(Kind::kPurpose, purpose);
    if (!channel.empty()) {
      said.channel = *world_.builder_.dictionary().Intern(Kind::kChannel, channel);
    }
    said.granted = granted;
    said.time_us = time_us;
    std::string consents;
    ASSERT_TRUE(customer::AddConsent(world_.State().consents(), said, consents).value());
    customer::RecordChange change;
    change.consents = consents;
    world_.Write(change);
  }
  ContactWorld world_;
};

TEST_F(ConsentPolicyTest, TheDefaultHoldsUntilTheCustomerSpeaks) {
  EXPECT_EQ(world_.Reason("phone", 0), "no_consent");
  EXPECT_EQ(world_.Reason("alarm", 0), "no_consent");
  EXPECT_EQ(world_.Reason("plan", 0), "");
  EXPECT_EQ(world_.Reason("gift", 0), "");
}

TEST_F(ConsentPolicyTest, WhatTheCustomerSaysHoldsFromTheNextDecision) {
  Say("marketing", "", true, 1);
  EXPECT_EQ(world_.Reason("phone", 0), "");
  Say("marketing", "mail", false, 2);
  EXPECT_EQ(world_.Reason("phone", 0, "mail"), "no_consent");
  EXPECT_EQ(world_.Reason("phone", 0, "app"), "");
  Say("service", "", false, 3);
  EXPECT_EQ(world_.Reason("plan", 0), "no_consent");
  Say("marketing", "", false, 4);
  EXPECT_EQ(world_.Reason("phone", 0, "app"), "no_consent");
}

TEST_F(ConsentPolicyTest, OfAnUnreadableCustomerConsentIsNotAssumed) {
  world_.Apply(customer::CustomerState::Unavailable(), 0);
  EXPECT_EQ(world_.RejectionOf("plan")->reason, candidates::Reason::kNoConsent);
  EXPECT_EQ(world_.RejectionOf("gift"), nullptr);
}

}  // namespace
}  // namespace attune::policy
