#include "lib/customer/decision_id.h"

#include <cstdint>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace attune::customer {
namespace {

storage::CustomerKey KeyOfNumber(int i) {
  return KeyedHash128(HashKeyFromSeed(5), std::to_string(i));
}

TEST(DecisionIdTest, LeadsToTheCustomer) {
  const DecisionIds ids(HashKeyFromSeed(1));
  for (int i = 0; i < 1'000; ++i) {
    const DecisionId id = ids.Make(KeyOfNumber(i), static_cast<uint64_t>(i) * 7);
    const auto parts = ids.Read(id);
    ASSERT_TRUE(parts) << i;
    EXPECT_EQ(parts->customer, KeyOfNumber(i));
    EXPECT_EQ(parts->tag, DecisionIds::TagOf(id));
    EXPECT_EQ(parts->tag & 0xFFFF'FFFF'FFFF, static_cast<uint64_t>(i) * 7);
  }
}

TEST(DecisionIdTest, OneCustomersIdsHaveNothingInCommon) {
  const DecisionIds ids(HashKeyFromSeed(1));
  // By place, how many different bytes stand there: all 256 are to be expected of 10,000 hashes.
  std::set<uint8_t> bytes[sizeof(DecisionId)];
  for (int i = 0; i < 10'000; ++i) {
    const std::string number = std::to_string(i);
    const DecisionId id = ids.Make(KeyOfNumber(1), KeyedHash64(HashKeyFromSeed(3), number));
    for (size_t b = 0; b < id.size(); ++b) bytes[b].insert(id[b]);
  }
  for (const auto& seen : bytes) EXPECT_EQ(seen.size(), 256u);
}

TEST(DecisionIdTest, IsReadByNoOtherSeed) {
  const DecisionIds ids(HashKeyFromSeed(1));
  const DecisionIds others(HashKeyFromSeed(2));
  int taken = 0;
  for (int i = 0; i < 1'000; ++i) taken += others.Read(ids.Make(KeyOfNumber(i), 1)).has_value();
  EXPECT_LE(taken, 2) << "one in 65,536 is";
}

TEST(DecisionIdTest, EveryChangedBitIsFound) {
  const DecisionIds ids(HashKeyFromSeed(1));
  int taken = 0;
  for (int i = 0; i < 100; ++i) {
    const DecisionId id = ids.Make(KeyOfNumber(i), 1);
    for (size_t bit = 0; bit < 8 * id.size(); ++bit) {
      DecisionId forged = id;
      forged[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
      taken += ids.Read(forged).has_value();
    }
  }
  EXPECT_LE(taken, 5) << "of 19,200; one in 65,536 is";
}

TEST(DecisionIdTest, IsStable) {
  const DecisionIds ids(HashKeyFromSeed(1));
  EXPECT_EQ(ids.Make(KeyOfNumber(1), 2), DecisionIds(HashKeyFromSeed(1)).Make(KeyOfNumber(1), 2));
  EXPECT_EQ(ids.Make(KeyOfNumber(1), 2), ids.Make(KeyOfNumber(1), 2 + (uint64_t{1} << 48)))
      << "48 bits of the number count";
}

}  // namespace
}  // namespace attune::customer
