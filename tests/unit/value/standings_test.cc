#include "lib/value/standings.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace attune::value {
namespace {

TEST(StandingsTest, ATierEndsWhereTheNextOneBegins) {
  const std::vector<Tier> tiers = {{"bronze", 0}, {"silver", 50}, {"gold", 90}};
  EXPECT_EQ(TierOf(tiers, 0), "bronze");
  EXPECT_EQ(TierOf(tiers, 49.999), "bronze");
  EXPECT_EQ(TierOf(tiers, 50), "silver");
  EXPECT_EQ(TierOf(tiers, 90), "gold");
  EXPECT_EQ(TierOf(tiers, 100), "gold");
}

TEST(StandingsTest, WhereNothingIsKnownEverybodyIsInTheMiddle) {
  Standings standings;
  EXPECT_EQ(standings.Percentile(0, 1e9), 50);
  QuantileSketch sketch;
  sketch.Add(1);
  standings.scores.push_back(sketch.MakeTable());
  EXPECT_EQ(standings.Percentile(0, 2), 100);
  EXPECT_EQ(standings.Percentile(1, 2), 50);
  EXPECT_EQ(standings.Find(1, "a"), nullptr);
  EXPECT_EQ(standings.Find(0, "a"), &standings.scores[0]) << "it is of whatever is asked for";
  standings.fingerprints = {"b"};
  EXPECT_EQ(standings.Find(0, "a"), nullptr);
  EXPECT_EQ(standings.Find(0, "b"), &standings.scores[0]);
}

}  // namespace
}  // namespace attune::value
