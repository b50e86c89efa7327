#include "lib/stops/stop_list.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/fake_state_store.h"

namespace attune::stops {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;
using Done = StopList::Done;

class StopListTest : public ::testing::Test {
 protected:
  StopListTest() {
    catalog_.groups = {{"care", 0}, {"offer", 1}};
    for (const char* name : {"credit", "upgrade", "cable"}) {
      catalog_.index[name] = static_cast<int>(catalog_.treatments.size());
      catalog_.treatments.emplace_back().name = name;
    }
    catalog_.treatments[1].group = catalog_.treatments[2].group = 1;
    Load();
  }

  void Load() { list_ = StopList::Load(&store_, &catalog_).value(); }
  static Change Switch(Target::Kind kind, std::string name, bool stopped,
                       std::string request_id = "") {
    return {.number = 0,
            .target = {kind, std::move(name)},
            .stopped = stopped,
            .by = "ann",
            .because = "The price is wrong.",
            .time_us = 7,
            .request_id = std::move(request_id),
            .without_effect = false};
  }
  absl::StatusOr<Done> Stop(const std::string& name, const std::string& request_id = "") {
    return list_->Set(Switch(Target::Kind::kTreatment, name, true, request_id));
  }
  absl::StatusOr<Done> Lift(const std::string& name) {
    return list_->Set(Switch(Target::Kind::kTreatment, name, false));
  }
  std::vector<bool> Stopped() const {
    std::vector<bool> stopped;
    for (int t = 0; t < 3; ++t) stopped.push_back(list_->state()->set.IsStopped(t));
    return stopped;
  }

  catalog::Catalog catalog_;
  testing::FakeStateStore store_;
  std::unique_ptr<StopList> list_;
};

TEST_F(StopListTest, StopsAndLiftsATreatment) {
  EXPECT_THAT(Stopped(), ElementsAre(false, false, false));
  EXPECT_EQ(Stop("upgrade").value(), Done::kChanged);
  EXPECT_THAT(Stopped(), ElementsAre(false, true, false));
  EXPECT_EQ(Stop("upgrade").value(), Done::kUnchanged);
  EXPECT_EQ(Lift("upgrade").value(), Done::kChanged);
  EXPECT_EQ(Lift("upgrade").value(), Done::kUnchanged);
  EXPECT_THAT(Stopped(), ElementsAre(false, false, false));
  EXPECT_THAT(list_->state()->changes, SizeIs(2)) << "what changes nothing is not listed";
}

TEST_F(StopListTest, ALateRetryOfWhatChangedNothingStopsNothing) {
  EXPECT_EQ(Stop("upgrade").value(), Done::kChanged);
  EXPECT_EQ(Stop("upgrade", "r1").value(), Done::kUnchanged);
  EXPECT_EQ(Lift("upgrade").value(), Done::kChanged);
  Load();
  EXPECT_EQ(Stop("upgrade", "r1").value(), Done::kUnchanged);
  EXPECT_THAT(Stopped(), ElementsAre(false, false, false));
}

TEST_F(StopListTest, AGroupAndItsTreatmentAreStoppedApart) {
  ASSERT_TRUE(list_->Set(Switch(Target::Kind::kGroup, "offer", true)).ok());
  EXPECT_THAT(Stopped(), ElementsAre(false, true, true));
  ASSERT_TRUE(Stop("cable").ok());
  EXPECT_EQ(list_->state()->set.StopOf(1)->target.name, "offer");
  EXPECT_EQ(list_->state()->set.StopOf(2)->target.name, "cable") << "its own comes first";
  ASSERT_TRUE(list_->Set(Switch(Target::Kind::kGroup, "offer", false)).ok());
  EXPECT_THAT(Stopped(), ElementsAre(false, false, true));
}

TEST_F(StopListTest, OutlivesTheProcessWithEverythingAboutIt) {
  Stop("upgrade", "r1").value();
  Stop("cable").value();
  Lift("upgrade").value();
  Load();
  EXPECT_THAT(Stopped(), ElementsAre(false, false, true));
  const auto state = list_->state();
  ASSERT_THAT(state->current, SizeIs(1));
  EXPECT_EQ(state->current[0].by, "ann");
  EXPECT_EQ(state->current[0].because, "The price is wrong.");
  EXPECT_EQ(state->current[0].time_us, 7);
  ASSERT_THAT(state->changes, SizeIs(3));
  EXPECT_EQ(state->changes[2].number, 3u);
  EXPECT_FALSE(state->changes[2].stopped);
  EXPECT_EQ(Stop("upgrade", "r1").value(), Done::kRepeated) << "lifted since, and not stopped anew";
  EXPECT_THAT(Stopped(), ElementsAre(false, false, true));
  EXPECT_TRUE(absl::IsAlreadyExists(Stop("credit", "r1").status()));
}

TEST_F(StopListTest, AStopOfANameThatIsGoneStaysAndStopsNothing) {
  Stop("upgrade").value();
  catalog_.treatments[1].name = "renamed";
  catalog_.index.erase("upgrade");
  catalog_.index["renamed"] = 1;
  Load();
  EXPECT_THAT(Stopped(), ElementsAre(false, false, false));
  EXPECT_THAT(list_->state()->current, SizeIs(1));
  EXPECT_EQ(list_->state()->set.size(), 0);
  EXPECT_EQ(Lift("upgrade").value(), Done::kChanged);
}

TEST_F(StopListTest, KeepsTheLastChanges) {
  for (size_t i = 0; i < kMaxChanges / 2 + 1; ++i) {
    Stop("upgrade").value();
    Lift("upgrade").value();
  }
  EXPECT_THAT(list_->state()->changes, SizeIs(kMaxChanges));
  EXPECT_EQ(list_->state()->changes.front().number, 3u);
}

TEST_F(StopListTest, WhatCanNotBeReadIsNotTakenForNothing) {
  ASSERT_TRUE(store_.PutBlob("stops", "\xff").ok());
  EXPECT_TRUE(absl::IsDataLoss(StopList::Load(&store_, &catalog_).status()));
}

TEST_F(StopListTest, AReaderSeesEveryChangeAtOnce) {
  StopReader reader;
  EXPECT_FALSE(reader.Read(*list_).IsStopped(1));
  Stop("upgrade").value();
  EXPECT_TRUE(reader.Read(*list_).IsStopped(1));
  const StopSet* before = &reader.Read(*list_);
  EXPECT_EQ(&reader.Read(*list_), before) << "nothing is fetched while nothing changes";
}

TEST_F(StopListTest, AReaderOnAnotherThreadSeesWhatWasAcknowledged) {
  constexpr int kChanges = 200;
  std::atomic<int> acknowledged{0};
  std::atomic<int> seen{0};
  std::thread thread([&] {
    StopReader reader;
    for (int i = 1; i <= kChanges; ++i) {
      while (acknowledged != i) std::this_thread::yield();
      EXPECT_EQ(reader.Read(*list_).IsStopped(1), i % 2 == 1) << i;
      seen = i;
    }
  });
  for (int i = 1; i <= kChanges; ++i) {
    EXPECT_TRUE((i % 2 == 1 ? Stop("upgrade") : Lift("upgrade")).ok());
    acknowledged = i;
    while (seen != i) std::this_thread::yield();
  }
  thread.join();
}

}  // namespace
}  // namespace attune::stops
