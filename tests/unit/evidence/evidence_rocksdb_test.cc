// The fold over the log of a real store, which is closed, opened again and trimmed.
#include <memory>
#include <random>
#include <string>

#include "attune/storage/v1/event.pb.h"
#include "gtest/gtest.h"
#include "lib/evidence/evidence_fold.h"
#include "tests/unit/storage/store_fixture.h"

namespace attune::evidence {
namespace {

class EvidenceOnRocksDbTest : public storage::StoreFixture {
 protected:
  static constexpr uint32_t kTreatment = 4;

  EvidenceOnRocksDbTest() {
    catalog_.treatments.emplace_back().number = kTreatment;
    catalog_.treatments[0].ramp = 0;
    catalog_.ramps.emplace_back().full_at = 1'000'000;
    catalog_.ramps[0].counts_decided = true;
  }
  void SetUp() override {
    StoreFixture::SetUp();
    Load();
  }
  void TearDown() override { fold_.reset(); }

  void Load() { fold_ = EvidenceFold::Load(store_.get(), &catalog_).value(); }
  // As a process that ends without storing what it has counted, and starts again.
  void Restart() {
    fold_.reset();
    Reopen();
    Load();
  }
  // Puts the treatment on top so many times, each with an event of more than half a KiB.
  void Decide(int times) {
    storage::v1::DecisionEvent event;
    event.add_scored(kTreatment);
    event.add_ranking(0);
    for (int i = 0; i < times; ++i) {
      std::string features(500, '\0');  // at random: what compresses well isn't trimmed to a size
      for (char& c : features) c = static_cast<char>(random_());
      event.set_features(features);
      Put("ann", "r", {event.SerializeAsString()});
    }
  }
  int64_t Counted() {
    EXPECT_TRUE(fold_->Step().ok());
    return fold_->shares()->evidence(0);
  }

  catalog::Catalog catalog_;
  std::mt19937 random_{1};
  std::unique_ptr<EvidenceFold> fold_;
};

TEST_F(EvidenceOnRocksDbTest, WhatWasNotStoredIsCountedAgain) {
  Decide(10);
  EXPECT_EQ(Counted(), 10);
  Restart();
  EXPECT_EQ(fold_->shares()->evidence(0), 0);
  EXPECT_EQ(Counted(), 10);
  ASSERT_TRUE(fold_->Save().ok());
  Decide(5);
  EXPECT_EQ(Counted(), 15);
  Restart();
  EXPECT_EQ(fold_->shares()->evidence(0), 10);
  EXPECT_EQ(Counted(), 15);
}

TEST_F(EvidenceOnRocksDbTest, WhatWasCountedCanLeaveTheLog) {
  Decide(50);
  EXPECT_EQ(Counted(), 50);
  ASSERT_TRUE(fold_->Save().ok());
  ASSERT_TRUE(store_->TrimLog(0).ok());
  Restart();
  EXPECT_EQ(Counted(), 50);
  Decide(3);
  EXPECT_EQ(Counted(), 53);
  EXPECT_EQ(fold_->gaps(), 0u);
}

TEST_F(EvidenceOnRocksDbTest, WhatLeftTheLogBeforeIsAGap) {
  Decide(100);
  EXPECT_EQ(Counted(), 100);
  Decide(2'000);
  ASSERT_TRUE(store_->TrimLog(300'000).ok());
  const auto left = static_cast<int64_t>(ReadAll().size());
  ASSERT_GT(left, 0);
  ASSERT_LT(left, 2'000);
  EXPECT_EQ(Counted(), 100 + left);
  EXPECT_EQ(fold_->gaps(), 1u);
  Decide(1);
  EXPECT_EQ(Counted(), 101 + left);
  EXPECT_EQ(fold_->gaps(), 1u);
}

}  // namespace
}  // namespace attune::evidence
