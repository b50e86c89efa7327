#include "lib/customer/consent.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/mutations.h"

namespace attune::customer {
namespace {

class ConsentTest : public ::testing::Test {
 protected:
  bool Say(uint32_t purpose, std::optional<uint32_t> channel, bool granted, int64_t time_us) {
    std::string result;
    const auto changed =
        AddConsent(consents_, {purpose, channel, granted, time_us, "web form"}, result);
    EXPECT_TRUE(changed.ok()) << changed.status();
    consents_ = result;
    return *changed;
  }
  // "yes", "no" or "nothing".
  std::string Said(uint32_t purpose, uint32_t channel) const {
    const auto found = FindConsent(consents_, purpose, channel);
    EXPECT_TRUE(found.ok()) << found.status();
    if (!found->has_value()) return "nothing";
    return (*found)->granted ? "yes" : "no";
  }
  int Entries() const {
    int entries = 0;
    ConsentReader reader(consents_);
    for (Consent consent; reader.Next(consent);) ++entries;
    return entries;
  }
  std::string consents_;
};

TEST_F(ConsentTest, NothingIsSaidAtFirst) { EXPECT_EQ(Said(1, 2), "nothing"); }

TEST_F(ConsentTest, AChannelOfItsOwnCountsBeforeAllChannels) {
  EXPECT_TRUE(Say(1, std::nullopt, true, 10));
  EXPECT_TRUE(Say(1, 2, false, 20));
  EXPECT_EQ(Said(1, 2), "no");
  EXPECT_EQ(Said(1, 3), "yes");
  EXPECT_EQ(Said(2, 2), "nothing");
}

TEST_F(ConsentTest, WhatIsKnownChangesNothing) {
  EXPECT_TRUE(Say(1, 2, true, 10));
  EXPECT_TRUE(Say(3, std::nullopt, true, 11));
  EXPECT_FALSE(Say(1, 2, true, 10));
  EXPECT_TRUE(Say(1, 2, false, 10)) << "of what was said at one time the last holds";
  EXPECT_EQ(Said(1, 2), "no");
  EXPECT_EQ(Entries(), 2);
}

TEST_F(ConsentTest, AllChannelsReplaceSingleOnes) {
  Say(1, 2, true, 10);
  Say(1, 3, true, 11);
  Say(2, 3, true, 12);
  Say(1, std::nullopt, false, 13);
  EXPECT_EQ(Said(1, 2), "no");
  EXPECT_EQ(Said(1, 3), "no");
  EXPECT_EQ(Said(2, 3), "yes");
  EXPECT_EQ(Entries(), 2);
}

TEST_F(ConsentTest, WhatWasSaidEarlierComesTooLate) {
  Say(1, std::nullopt, false, 100);
  EXPECT_FALSE(Say(1, std::nullopt, true, 99));
  EXPECT_FALSE(Say(1, 2, true, 99));
  EXPECT_EQ(Said(1, 2), "no");
  EXPECT_TRUE(Say(1, 2, true, 200));
  // Newer than all channels, so it stays.
  EXPECT_TRUE(Say(1, std::nullopt, false, 150));
  EXPECT_EQ(Said(1, 2), "yes");
  EXPECT_EQ(Said(1, 3), "no");
}

TEST_F(ConsentTest, OfTwoAtTheSameMomentTheLastCounts) {
  Say(1, 2, true, 10);
  EXPECT_TRUE(Say(1, 2, false, 10));
  EXPECT_EQ(Said(1, 2), "no");
  EXPECT_EQ(Entries(), 1);
}

TEST_F(ConsentTest, KeepsTimeAndSource) {
  Say(1, 2, true, -5);
  ConsentReader reader(consents_);
  Consent consent;
  ASSERT_TRUE(reader.Next(consent));
  EXPECT_EQ(consent.time_us, -5);
  EXPECT_EQ(consent.source, "web form");
  EXPECT_EQ(consent.channel, 2u);
}

TEST_F(ConsentTest, IsBounded) {
  for (uint32_t i = 0; i < kMaxConsents; ++i) Say(i, 1, true, 1);
  std::string result;
  EXPECT_TRUE(
      absl::IsResourceExhausted(AddConsent(consents_, {9999, 1, true, 1, ""}, result).status()));
  EXPECT_TRUE(Say(5, std::nullopt, false, 2));
}

TEST_F(ConsentTest, EveryMutationIsReadWithoutHarm) {
  Say(1, 2, true, 1'772'323'200'000'000);
  Say(1, std::nullopt, false, 1'772'323'300'000'000);
  Say(300, 70'000, true, 5);
  testing::ForEachMutation(consents_, 20'000, [](const std::string& mutated) {
    (void)FindConsent(mutated, 1, 2);
    std::string result;
    const auto changed = AddConsent(mutated, {1, 2, true, 7, "x"}, result);
    if (changed.ok()) {
      EXPECT_TRUE(FindConsent(result, 1, 2).ok());
    }
  });
}

}  // namespace
}  // namespace attune::customer
