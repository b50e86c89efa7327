#include "lib/outcome/decision_offer.h"

#include <string>

#include "attune/storage/v1/event.pb.h"
#include "gtest/gtest.h"

namespace attune::outcome {
namespace {

TEST(DecisionOfferTest, TellsTheRankingOfANamedChannel) {
  storage::v1::DecisionEvent event;
  event.set_decision_id("id");
  event.set_time_us(77);
  event.set_channel(5);
  for (const uint32_t treatment : {10, 20, 30}) event.add_scored(treatment);
  event.add_ranking(2);
  event.add_ranking(0);
  const auto offer = ReadDecisionOffer(event.SerializeAsString());
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->decision_id, "id");
  EXPECT_EQ(offer->time_us, 77);
  EXPECT_EQ(offer->channel, 5u);
  ASSERT_EQ(offer->ranking.size(), 2u);
  EXPECT_EQ(offer->ranking[0].treatment, 30u);
  EXPECT_EQ(offer->ranking[1].treatment, 10u);
  EXPECT_EQ(offer->ranking[1].channel, 5u);
  EXPECT_EQ(offer->Find(10), &offer->ranking[1]);
  EXPECT_EQ(offer->Find(20), nullptr) << "scored, not ranked";
}

TEST(DecisionOfferTest, EachTreatmentOfAnOpenChannelHasItsOwn) {
  storage::v1::DecisionEvent event;
  event.set_channel(7);
  event.add_open_channels(6);
  event.add_open_channels(7);
  for (const uint32_t treatment : {10, 20}) event.add_scored(treatment);
  event.add_scored_channel(0);
  event.add_scored_channel(1);
  event.add_ranking(1);
  event.add_ranking(0);
  const auto offer = ReadDecisionOffer(event.SerializeAsString());
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->Find(20)->channel, 7u);
  EXPECT_EQ(offer->Find(10)->channel, 6u);
}

TEST(DecisionOfferTest, DamagedEventsAreNone) {
  EXPECT_FALSE(ReadDecisionOffer("\xff"));
  storage::v1::DecisionEvent event;
  event.add_scored(10);
  event.add_ranking(1);
  EXPECT_FALSE(ReadDecisionOffer(event.SerializeAsString())) << "ranks what was not scored";
  event.set_ranking(0, 0);
  event.add_open_channels(6);
  EXPECT_FALSE(ReadDecisionOffer(event.SerializeAsString())) << "on no channel";
  event.add_scored_channel(1);
  EXPECT_FALSE(ReadDecisionOffer(event.SerializeAsString())) << "on one that was not open";
  event.set_scored_channel(0, 0);
  EXPECT_TRUE(ReadDecisionOffer(event.SerializeAsString()));
}

}  // namespace
}  // namespace attune::outcome
