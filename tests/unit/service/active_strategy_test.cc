#include "service/active_strategy.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/hash.h"
#include "tests/testing/fake_state_store.h"
#include "tests/unit/strategy/strategy_files.h"

namespace attune::service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Model(double intercept) {
  return strategy::Replaced(strategy::kSmallModel, "intercept: -1",
                            absl::StrCat("intercept: ", intercept));
}

std::string Strategy(const std::string& stored) {
  return strategy::Replaced(strategy::kSmallStrategy, "file: taste.yaml", "stored: " + stored);
}

class ActiveStrategyTest : public ::testing::Test {
 protected:
  // As a process that is started (again) with the strategy.
  absl::Status Start(const std::string& strategy) {
    folder_.Write("s.yaml", strategy);
    store_.SetFaults({});
    names_ = storage::NameDictionary();
    registry_ = registry::ModelRegistry::Load(&store_).value();
    active_ = std::make_unique<ActiveStrategy>(folder_.Path("s.yaml"), &names_, registry_.get());
    active_->SetPrepare([this](std::shared_ptr<const strategy::Strategy> strategy) {
      prepared_.push_back(strategy->version);
      return [this, version = strategy->version] { published_.push_back(version); };
    });
    active_->OnRefusal(
        [this](ModelRefusal refusal) { refusals_.emplace_back(ModelRefusalName(refusal)); });
    active_->OnSwap([this] { ++swaps_; });
    return active_->Load();
  }
  absl::StatusOr<ActiveStrategy::Change> Put(const std::string& content, bool store_only = false,
                                             const std::string& file = "taste.yaml") {
    registry::ModelVersion version;
    version.name = "taste";
    version.file = file;
    violations_ = Violations();
    return active_->Put(version, content, store_only, violations_);
  }
  std::string ModelOf() const { return active_->strategy()->models.models[0].version; }
  static std::string VersionOf(double intercept) {
    return "taste@" + ContentHash(Model(intercept));
  }
  // Puts a first model, so that a strategy can name it, and starts with such a strategy.
  void StartFollowing() {
    ASSERT_TRUE(Start(std::string(strategy::Replaced(strategy::kSmallStrategy, "models:\n",
                                                     "# no registry\nmodels:\n")))
                    .ok());
    ASSERT_TRUE(Put(Model(1)).ok());
    ASSERT_TRUE(Start(Strategy("taste")).ok());
    EXPECT_THAT(published_, IsEmpty());
  }

  void SetUp() override { folder_.Write("taste.yaml", strategy::kSmallModel); }

  strategy::TemporaryFolder folder_;
  testing::FakeStateStore store_;
  storage::NameDictionary names_;
  std::unique_ptr<registry::ModelRegistry> registry_;
  std::unique_ptr<ActiveStrategy> active_;
  Violations violations_;
  std::vector<std::string> prepared_;
  std::vector<std::string> published_;
  std::vector<std::string> refusals_;
  int swaps_ = 0;
};

TEST_F(ActiveStrategyTest, AnotherVersionOfAModelMakesAnotherStrategy) {
  StartFollowing();
  const auto before = active_->strategy();
  const auto change = Put(Model(2));
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_TRUE(change->changed);
  EXPECT_TRUE(change->swapped);
  EXPECT_EQ(ModelOf(), VersionOf(2));
  EXPECT_NE(active_->strategy()->version, before->version);
  EXPECT_EQ(change->strategy_version, active_->strategy()->version);
  EXPECT_THAT(published_, ElementsAre(active_->strategy()->version));
  EXPECT_EQ(before->models.models[0].version, VersionOf(1)) << "who decides with it goes on";
  EXPECT_EQ(swaps_, 1);
  const auto again = Put(Model(2));
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->changed);
  EXPECT_FALSE(again->swapped);
  EXPECT_EQ(swaps_, 1);
}

TEST_F(ActiveStrategyTest, ARollbackBringsBackWhatRanBefore) {
  StartFollowing();
  const std::string first = active_->strategy()->version;
  ASSERT_TRUE(Put(Model(2)).ok());
  const auto change = active_->Activate("taste", ContentHash(Model(1)), violations_);
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_TRUE(change->swapped);
  EXPECT_EQ(active_->strategy()->version, first);
  EXPECT_EQ(ModelOf(), VersionOf(1));
  ASSERT_TRUE(Start(Strategy("taste")).ok());
  EXPECT_EQ(active_->strategy()->version, first) << "also after a restart";
}

TEST_F(ActiveStrategyTest, WhatDoesNotFitChangesNothing) {
  StartFollowing();
  const std::string before = active_->strategy()->version;
  const auto refused = Put(strategy::Replaced(Model(2), "customer.age", "customer.agee"));
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  ASSERT_EQ(violations_.count(), 1u);
  EXPECT_EQ(violations_.kept()[0].field, "taste.yaml:6:14");
  EXPECT_THAT(violations_.kept()[0].description, HasSubstr("unknown feature \"agee\""));
  EXPECT_TRUE(absl::IsInvalidArgument(Put("linear: [").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Put("{\"version\": ", false, "taste.json").status()));
  EXPECT_THAT(refusals_, ElementsAre("unfit", "invalid", "invalid"));
  EXPECT_EQ(active_->strategy()->version, before);
  EXPECT_EQ(registry_->state()->versions.size(), 1u);
  EXPECT_THAT(prepared_, IsEmpty());
}

TEST_F(ActiveStrategyTest, WhatCanNotBeStoredDoesNotDecide) {
  StartFollowing();
  const std::string before = active_->strategy()->version;
  for (int writes = 0; writes < 2; ++writes) {
    testing::FakeStateStore::Faults faults;
    faults.blob_writes = writes;
    store_.SetFaults(faults);
    EXPECT_TRUE(absl::IsUnavailable(Put(Model(2)).status()));
    EXPECT_EQ(active_->strategy()->version, before);
    EXPECT_THAT(published_, IsEmpty());
  }
  EXPECT_THAT(refusals_, ElementsAre("store", "store"));
  ASSERT_TRUE(Start(Strategy("taste")).ok());
  EXPECT_EQ(active_->strategy()->version, before);
  EXPECT_TRUE(Put(Model(2)).ok());
}

TEST_F(ActiveStrategyTest, ADamagedVersionIsNotActivated) {
  StartFollowing();
  ASSERT_TRUE(Put(Model(2)).ok());
  store_.ChangeBlob("model/1",
                    [](std::string& bytes) { bytes[20] = static_cast<char>(bytes[20] ^ 1); });
  const auto refused = active_->Activate("taste", ContentHash(Model(1)), violations_);
  EXPECT_TRUE(absl::IsDataLoss(refused.status())) << refused.status();
  EXPECT_EQ(ModelOf(), VersionOf(2));
  ASSERT_TRUE(Put(Model(1)).ok()) << "putting it again mends it";
  EXPECT_EQ(ModelOf(), VersionOf(1));
}

TEST_F(ActiveStrategyTest, WhatIsStoredOnlyWaits) {
  StartFollowing();
  const auto change = Put(Model(2), /*store_only=*/true);
  ASSERT_TRUE(change.ok());
  EXPECT_TRUE(change->changed);
  EXPECT_FALSE(change->swapped);
  EXPECT_EQ(ModelOf(), VersionOf(1));
  ASSERT_TRUE(active_->Activate("taste", ContentHash(Model(2)), violations_).ok());
  EXPECT_EQ(ModelOf(), VersionOf(2));
}

TEST_F(ActiveStrategyTest, APinnedVersionStays) {
  StartFollowing();
  ASSERT_TRUE(Start(Strategy(VersionOf(1))).ok());
  const auto change = Put(Model(2));
  ASSERT_TRUE(change.ok());
  EXPECT_FALSE(change->swapped);
  EXPECT_EQ(ModelOf(), VersionOf(1));
  EXPECT_TRUE(absl::IsFailedPrecondition(active_->Delete("taste", ContentHash(Model(1)))));
}

TEST_F(ActiveStrategyTest, AStrategyThatComesBackGetsTheModelsItRanWith) {
  StartFollowing();
  ASSERT_TRUE(Put(Model(2)).ok());
  const std::string first = active_->strategy()->version;
  const std::string newer = strategy::Replaced(Strategy("taste"), "value: 10", "value: 11");
  ASSERT_TRUE(Start(newer).ok());
  EXPECT_EQ(ModelOf(), VersionOf(2)) << "a new strategy follows what is active";
  ASSERT_TRUE(Put(Model(3)).ok());
  ASSERT_TRUE(Start(newer).ok());
  EXPECT_EQ(ModelOf(), VersionOf(3)) << "a restart changes nothing";
  ASSERT_TRUE(Start(Strategy("taste")).ok());
  EXPECT_EQ(active_->strategy()->version, first);
  EXPECT_EQ(ModelOf(), VersionOf(2));
  ASSERT_TRUE(Start(Strategy("taste")).ok());
  EXPECT_EQ(active_->strategy()->version, first);
  ASSERT_TRUE(Start(newer).ok());
  EXPECT_EQ(ModelOf(), VersionOf(3)) << "and forward again";
}

TEST_F(ActiveStrategyTest, AModelThatIsNotThereIsAnErrorOfTheStrategy) {
  StartFollowing();
  const absl::Status status = Start(Strategy("tast"));
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("s.yaml:15:27: error: the stored model \"tast\": the registry has no model "
                        "\"tast\"; did you mean \"taste\"?"));
}

TEST_F(ActiveStrategyTest, AModelThatTheStrategyDoesNotUseIsStoredAllTheSame) {
  ASSERT_TRUE(Start(std::string(strategy::kSmallStrategy)).ok());
  const auto change = Put(Model(2));
  ASSERT_TRUE(change.ok());
  EXPECT_TRUE(change->changed);
  EXPECT_FALSE(change->swapped);
  EXPECT_THAT(published_, IsEmpty());
  EXPECT_EQ(ModelOf(), "taste@" + ContentHash(strategy::kSmallModel)) << "the file";
}

TEST_F(ActiveStrategyTest, FilesThatChangeMeanwhileChangeNothing) {
  StartFollowing();
  folder_.Write("s.yaml", "name: [broken");
  ASSERT_TRUE(Put(Model(2)).ok());
  EXPECT_EQ(ModelOf(), VersionOf(2));
}

}  // namespace
}  // namespace attune::service
