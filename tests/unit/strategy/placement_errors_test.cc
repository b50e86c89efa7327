// What can be wrong with the placements of a strategy.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/strategy/strategy_files.h"

namespace attune::strategy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// The small strategy, in which `arbitration` stands on line 31, with these lines before that.
Loaded LoadWithPlacements(const std::string& lines) {
  return LoadText(Replaced(kSmallStrategy,
                           "arbitration:", absl::StrCat("placements:\n", lines, "arbitration:")));
}

TEST(PlacementErrors, AStrategyMayHaveSome) {
  const Loaded loaded = LoadWithPlacements(
      "  - {name: hero, description: Top of the page, channels: [web], groups: [offer]}\n"
      "  - {name: desk, max_treatments: 100}\n");
  EXPECT_THAT(loaded.Issues(), IsEmpty());
  ASSERT_NE(loaded.strategy, nullptr);
  EXPECT_EQ(loaded.strategy->context.placements.IndexOf("desk"), 1);
  const auto& placements = loaded.strategy->arbitration.placements;
  ASSERT_EQ(placements.size(), 2u);
  EXPECT_EQ(placements[0].max_treatments, 1) << "room for one unless it says otherwise";
  EXPECT_TRUE(placements[0].Takes(/*group=*/0, /*channel=*/0));
  EXPECT_FALSE(placements[0].Takes(/*group=*/1, /*channel=*/0));
  EXPECT_FALSE(placements[0].Takes(/*group=*/0, /*channel=*/1));
  EXPECT_EQ(placements[1].max_treatments, 100);
  EXPECT_TRUE(placements[1].Takes(/*group=*/1, /*channel=*/1));
}

TEST(PlacementErrors, EverythingThatIsWrongIsSaidAtOnce) {
  const Loaded loaded = LoadWithPlacements(
      "  - {name: Hero, channels: [webb], groups: [offer, offer]}\n"
      "  - {name: desk, max_treatments: 0}\n"
      "  - {name: desk, max_treatments: 101}\n"
      "  - {groups: [sale]}\n");
  EXPECT_EQ(loaded.strategy, nullptr);
  EXPECT_THAT(
      loaded.Issues(),
      ElementsAre(
          StartsWith("s.yaml:32:12: error: the name \"Hero\" must be lower_snake"),
          "s.yaml:32:29: error: unknown channel \"webb\"; did you mean \"web\"?",
          "s.yaml:32:52: error: group \"offer\" is listed twice",
          "s.yaml:33:34: error: max_treatments must be between 1 and 100, not 0",
          "s.yaml:34:12: error: duplicate placement \"desk\"; it is declared on line 33 already",
          "s.yaml:34:34: error: max_treatments must be between 1 and 100, not 101",
          StartsWith("s.yaml:35:5: error: a placement needs the key \"name\""),
          StartsWith("s.yaml:35:15: error: unknown group \"sale\"")));
}

TEST(PlacementErrors, WarnsOfAPlaceThatNeverShowsAnything) {
  // Offers have no content on the ivr.
  EXPECT_THAT(LoadWithPlacements("  - {name: prompt, channels: [ivr], groups: [offer]}\n").Issues(),
              ElementsAre("s.yaml:32:5: warning: the placement \"prompt\" never shows anything: no "
                          "treatment of its groups can be used on its channels"));
}

TEST(PlacementErrors, ThereMayBe64) {
  std::string lines;
  for (int i = 0; i < 64; ++i) absl::StrAppend(&lines, "  - {name: place_", i, "}\n");
  EXPECT_THAT(LoadWithPlacements(lines).Issues(), IsEmpty());
  EXPECT_THAT(LoadWithPlacements(lines + "  - {name: one_more}\n").Issues(),
              ElementsAre("s.yaml:32:3: error: placements has 65 entries; at most 64 are allowed"));
}

}  // namespace
}  // namespace attune::strategy
