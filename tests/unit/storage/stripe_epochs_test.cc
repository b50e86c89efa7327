#include "lib/storage/stripe_epochs.h"

#include "gtest/gtest.h"

namespace attune::storage {
namespace {

TEST(StripeEpochsTest, HoldsANoteGoodUntilAWriteBegins) {
  StripeEpochs epochs;
  CustomerKey key{};
  key[8] = 17;
  CustomerKey other{};
  const uint32_t stripe = StripeEpochs::StripeOf(key);
  const uint64_t before = epochs.Note(key);
  const uint64_t elsewhere = epochs.Note(other);
  EXPECT_TRUE(epochs.IsCurrent(stripe, before));
  EXPECT_FALSE(epochs.IsCurrent(stripe, 0));

  EXPECT_TRUE(epochs.Begin(stripe));
  EXPECT_FALSE(epochs.Begin(stripe));
  EXPECT_FALSE(epochs.IsCurrent(stripe, before));
  const uint64_t during = epochs.Note(key);
  EXPECT_FALSE(epochs.IsCurrent(stripe, during));

  epochs.End(stripe);
  EXPECT_FALSE(epochs.IsCurrent(stripe, before));
  EXPECT_FALSE(epochs.IsCurrent(stripe, during));
  EXPECT_TRUE(epochs.IsCurrent(stripe, epochs.Note(key)));
  EXPECT_TRUE(epochs.IsCurrent(StripeEpochs::StripeOf(other), elsewhere));
}

TEST(StripeEpochsTest, TakesNoNoteOfAnother) {
  const StripeEpochs one;
  const StripeEpochs two;
  const CustomerKey key{};
  EXPECT_FALSE(two.IsCurrent(StripeEpochs::StripeOf(key), one.Note(key)));
}

}  // namespace
}  // namespace attune::storage
