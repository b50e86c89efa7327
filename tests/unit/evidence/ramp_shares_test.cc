#include "lib/evidence/ramp_shares.h"

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace attune::evidence {
namespace {

catalog::Ramp RampOf(double from, int64_t full_at) {
  catalog::Ramp ramp;
  ramp.from = from;
  ramp.full_at = full_at;
  return ramp;
}

struct ShareCase {
  const char* name;
  double from;
  int64_t full_at;
  int64_t evidence;
  double share;
};

TEST(RampShareTest, GrowsInProportionToTheEvidence) {
  const ShareCase cases[] = {
      {"begins with from", 0.02, 1000, 0, 0.02},
      {"a tenth of the way", 0.02, 1000, 100, 0.118},
      {"half of the way", 0.02, 1000, 500, 0.51},
      {"the last step", 0.02, 1000, 999, 0.99902},
      {"is whole at full_at", 0.02, 1000, 1000, 1},
      {"and after it", 0.02, 1000, 123'456'789, 1},
      {"from nothing", 0, 4, 1, 0.25},
      {"from everything", 1, 4, 0, 1},
      {"one is enough", 0.5, 1, 0, 0.5},
      {"much is wanted", 0.5, 1'000'000'000'000, 500'000'000'000, 0.75},
      {"less than nothing is nothing", 0.5, 10, -5, 0.5},
  };
  for (const ShareCase& c : cases) {
    EXPECT_DOUBLE_EQ(ShareOf(RampOf(c.from, c.full_at), c.evidence), c.share) << c.name;
  }
}

TEST(RampShareTest, NeverShrinksAndIsWholeOnlyInTheEnd) {
  const catalog::Ramp ramp = RampOf(0.1, 100'003);
  double last = 0;
  for (int64_t evidence = 0; evidence < ramp.full_at; ++evidence) {
    const double share = ShareOf(ramp, evidence);
    ASSERT_GT(share, last) << evidence;
    ASSERT_LT(share, 1) << evidence;
    last = share;
  }
  EXPECT_EQ(ShareOf(ramp, ramp.full_at), 1);
}

// By a SipHash-2-4 of Python: a place must never change, or customers would lose what reached them.
TEST(RampPlaceTest, IsTheSameForEver) {
  HashKey seed;
  std::iota(seed.begin(), seed.end(), uint8_t{0});
  storage::CustomerKey customer;
  std::iota(customer.begin(), customer.end(), uint8_t{100});
  EXPECT_EQ(PlaceOf(seed, customer, 0), 0.4728592746869956);
  EXPECT_EQ(PlaceOf(seed, customer, 7), 0.3334452463004004);
  EXPECT_EQ(PlaceOf(seed, customer, 258), 0.511461847023299);
}

class RampReachTest : public ::testing::Test {
 protected:
  static constexpr int kCustomers = 100'000;

  RampReachTest() {
    for (int i = 0; i < 2; ++i) {
      catalog::Treatment& treatment = catalog_.treatments.emplace_back();
      treatment.number = static_cast<uint32_t>(40 + i);
      treatment.ramp = i;
      catalog_.ramps.push_back(RampOf(0.02, 1000));
      catalog_.ramps.back().treatment = i;
    }
    catalog_.treatments.emplace_back();  // without a ramp
  }

  storage::CustomerKey Customer(int i) const {
    return KeyedHash128(HashKeyFromSeed(3), std::to_string(i));
  }
  bool Reaches(int customer, int treatment, int64_t evidence) const {
    const RampShares shares(catalog_, {evidence, evidence});
    return RampReach(&shares, seed_, Customer(customer))
        .Reaches(catalog_.treatments[static_cast<size_t>(treatment)]);
  }

  catalog::Catalog catalog_;
  const HashKey seed_ = HashKeyFromSeed(1);
};

TEST_F(RampReachTest, ReachesTheShareOfTheCustomers) {
  for (const int64_t evidence : {0, 100, 500, 900}) {
    const double share = ShareOf(catalog_.ramps[0], evidence);
    int reached = 0;
    for (int i = 0; i < kCustomers; ++i) reached += Reaches(i, 0, evidence);
    // Five standard deviations of a binomial distribution.
    EXPECT_NEAR(reached, share * kCustomers, 5 * std::sqrt(kCustomers * share * (1 - share)))
        << evidence;
  }
}

TEST_F(RampReachTest, WhoIsReachedStaysReachedUntilEverybodyIs) {
  for (int i = 0; i < 2'000; ++i) {
    bool was_reached = false;
    for (int64_t evidence = 0; evidence <= 1000; evidence += 50) {
      const bool reached = Reaches(i, 0, evidence);
      ASSERT_TRUE(reached || !was_reached) << i << " at " << evidence;
      was_reached = reached;
    }
    ASSERT_TRUE(was_reached) << i;
  }
}

TEST_F(RampReachTest, TreatmentsReachCustomersIndependently) {
  constexpr int64_t kHalfWay = 490;  // 0.02 + 0.98 x 0.49 = 0.5002
  int both = 0;
  for (int i = 0; i < kCustomers; ++i) both += Reaches(i, 0, kHalfWay) && Reaches(i, 1, kHalfWay);
  const double share = 0.5002 * 0.5002;
  EXPECT_NEAR(both, share * kCustomers, 5 * std::sqrt(kCustomers * share * (1 - share)));
}

TEST_F(RampReachTest, AnotherSeedReachesOthers) {
  const RampShares shares(catalog_, {490, 490});
  int same = 0;
  for (int i = 0; i < 10'000; ++i) {
    same += RampReach(&shares, HashKeyFromSeed(1), Customer(i)).Reaches(catalog_.treatments[0]) ==
            RampReach(&shares, HashKeyFromSeed(2), Customer(i)).Reaches(catalog_.treatments[0]);
  }
  EXPECT_NEAR(same, 5'000, 250);
}

TEST_F(RampReachTest, WhatHasNoRampReachesEverybody) {
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(Reaches(i, 2, 0));
  const RampReach not_looked_at;
  for (const catalog::Treatment& treatment : catalog_.treatments) {
    EXPECT_TRUE(not_looked_at.Reaches(treatment));
  }
}

TEST_F(RampReachTest, ACustomerCanBePutSomewhere) {
  const RampShares shares(catalog_, {100, 500});  // 0.118 and 0.51
  const auto reached = [&](double place) {
    const RampReach reach(&shares, seed_, Customer(1), place);
    std::string text;
    for (const catalog::Treatment& treatment : catalog_.treatments) {
      text += reach.Reaches(treatment) ? 'x' : '-';
    }
    return text;
  };
  EXPECT_EQ(reached(0), "xxx");
  EXPECT_EQ(reached(0.117), "xxx");
  EXPECT_EQ(reached(0.119), "-xx");
  EXPECT_EQ(reached(0.52), "--x");
  EXPECT_EQ(reached(0.99), "--x");
}

TEST_F(RampReachTest, EvidenceThatIsNotToldIsNone) {
  const RampShares shares(catalog_, {});
  EXPECT_EQ(shares.evidence(1), 0);
  EXPECT_DOUBLE_EQ(shares.share(1), 0.02);
}

}  // namespace
}  // namespace attune::evidence
