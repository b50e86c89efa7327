// The harness must see what goes wrong: a recount that overlooks an excess would pass any server.

#include "tests/integration/crash/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/crash/crash_strategy.h"

namespace attune::crash {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

KnownDecision OfferAt(int64_t time_ms, const char* treatment = "upgrade") {
  return {.id = "d", .time_ms = time_ms, .treatment = treatment, .is_offer = true};
}

TEST(CrashLedgerTest, AWindowEndsWithItsLastMillisecond) {
  EXPECT_EQ(MostWithin({}, 10), 0);
  EXPECT_EQ(MostWithin({100, 109}, 10), 2);
  EXPECT_EQ(MostWithin({100, 110}, 10), 1) << "the first has left the window by then";
  EXPECT_EQ(MostWithin({130, 100, 109, 131, 105, 132}, 10), 3) << "in any order";
  EXPECT_EQ(MostWithin({5, 5, 5}, 10), 3);
  EXPECT_EQ(CountWithin({100, 109, 120}, 109, 10), 3) << "one that is still to come counts";
  EXPECT_EQ(CountWithin({100, 109, 120}, 110, 10), 2);
}

TEST(CrashLedgerTest, TellsWhichCapWasExceeded) {
  EXPECT_THAT(ExceededCaps({OfferAt(0), OfferAt(1), OfferAt(kOfferWindowMs)}), IsEmpty());
  EXPECT_THAT(ExceededCaps({OfferAt(0), OfferAt(1), OfferAt(kOfferWindowMs - 1)}),
              ElementsAre(HasSubstr("3 times an offer within 4000 ms, where 2 are allowed")));
  EXPECT_THAT(ExceededCaps({OfferAt(0, kRareTreatment), OfferAt(kRareWindowMs, kRareTreatment)}),
              IsEmpty());
  EXPECT_THAT(
      ExceededCaps({OfferAt(0, kRareTreatment), OfferAt(kRareWindowMs - 1, kRareTreatment)}),
      ElementsAre(HasSubstr("2 times accessory within 6000 ms, where 1 are allowed")));
  KnownDecision callback = OfferAt(2, "fast_callback");
  callback.is_offer = false;
  EXPECT_THAT(ExceededCaps({OfferAt(0), OfferAt(1), callback}), IsEmpty());
}

TEST(CrashLedgerTest, NoTwoOutcomesOfACustomerHaveOneTime) {
  Ledger ledger(1);
  EXPECT_EQ(ledger.NewTimeMs("ann", 5'000'001), 5'001) << "not before now";
  EXPECT_EQ(ledger.NewTimeMs("ann", 5'000'001), 5'002);
  EXPECT_EQ(ledger.NewTimeMs("bob", 5'000'001), 5'001);
  EXPECT_EQ(ledger.NewTimeMs("ann", 9'000'000), 9'000);
}

TEST(CrashLedgerTest, KeepsWhatWasAcknowledged) {
  Ledger ledger(2);
  ledger.AddDecision("ann", OfferAt(1));
  ledger.AddOutcome("ann", {"d", "upgrade", "accepted", 2, true});
  ledger.AddOutcome("ann", {"d", "upgrade", "shown", 3, true});
  ledger.AddOutcome("ann", {"d", "fast_callback", "accepted", 4, false});
  ledger.SetMark("ann", 1, 7);
  EXPECT_THAT(ledger.AcceptedOffers("ann"), ElementsAre(2));
  EXPECT_THAT(ledger.AcceptedOffers("bob"), IsEmpty());
  EXPECT_THAT(ledger.Of("ann").marks, ElementsAre(0, 7));
  EXPECT_EQ(KeyOf(ledger.Of("ann").outcomes[0]), "d/upgrade/accepted/2");
  EXPECT_EQ(ledger.decisions(), 1u);
  EXPECT_EQ(ledger.outcomes(), 3u);
  EXPECT_EQ(ledger.marks(), 1u);
  EXPECT_THAT(ledger.Of("bob").decisions, IsEmpty());
}

}  // namespace
}  // namespace attune::crash
