#include "lib/customer/profile_writer.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/context/value_codec.h"
#include "tests/testing/fake_state_store.h"

namespace attune::customer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = ProfileResult::Kind;
using Entry = std::pair<uint32_t, std::string>;

const absl::Time kNow = absl::FromUnixSeconds(1'772'323'200);

class ProfileWriterTest : public ::testing::Test {
 protected:
  static ProfileChange Change(std::string_view id, std::vector<FeatureEdit> edits,
                              bool replace = false) {
    return {id, std::move(edits), replace};
  }
  static FeatureEdit Set(uint32_t number, int64_t value) { return {number, ValueRef::Int(value)}; }
  static FeatureEdit Remove(uint32_t number) { return {number, std::nullopt}; }

  std::vector<Entry> Features(std::string_view id) const {
    const storage::Record record = store_.RecordOf(id);
    const auto state = CustomerState::Parse(record, id);
    EXPECT_TRUE(state.ok()) << state.status();
    std::vector<Entry> entries;
    if (!state.ok()) return entries;
    ValueReader reader(state->features());
    ValueEntry entry;
    while (reader.Next(entry)) entries.emplace_back(entry.number, entry.value.ToString());
    return entries;
  }

  // Somebody else decides for the customer.
  void DecideElsewhere(std::string_view id) {
    const storage::Record record = store_.RecordOf(id);
    RecordChange change;
    const Interaction decided;
    change.interactions = absl::MakeConstSpan(&decided, 1);
    change.decisions = 1;
    std::string bytes;
    EncodeRecord(*CustomerState::Parse(record, id), id, change, bytes);
    store_.SetRecord(id, bytes);
  }

  testing::FakeStateStore store_;
  ManualClock clock_{kNow};
  ProfileWriter writer_{&store_, &clock_, HashKeyFromSeed(3)};
};

TEST_F(ProfileWriterTest, CreatesACustomer) {
  const auto result = writer_.Upsert(Change("a", {Set(1, 5), Set(2, 6)}), "");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->kind, Kind::kCreated);
  EXPECT_EQ(result->version, store_.RecordOf("a").version.number);
  EXPECT_THAT(Features("a"), ElementsAre(Entry(1, "5"), Entry(2, "6")));
  EXPECT_EQ(store_.last_durability(), storage::Durability::kPower);
  const storage::Record record = store_.RecordOf("a");
  EXPECT_EQ(CustomerState::Parse(record, "a")->features_time_us(), absl::ToUnixMicros(kNow));
}

TEST_F(ProfileWriterTest, ChangesOnlyWhatIsEdited) {
  ASSERT_TRUE(writer_.Upsert(Change("a", {Set(1, 5), Set(2, 6), Set(3, 7)}), "").ok());
  const uint64_t before = store_.RecordOf("a").version.number;
  const auto result = writer_.Upsert(Change("a", {Set(2, 60), Remove(3), Remove(4)}), "");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->kind, Kind::kUpdated);
  EXPECT_GT(result->version, before);
  EXPECT_THAT(Features("a"), ElementsAre(Entry(1, "5"), Entry(2, "60")));
}

TEST_F(ProfileWriterTest, WritesNothingWhenNothingChanges) {
  ASSERT_TRUE(writer_.Upsert(Change("a", {Set(1, 5)}), "").ok());
  const uint64_t before = store_.RecordOf("a").version.number;
  clock_.Advance(absl::Hours(1));
  for (const ProfileChange& change :
       {Change("a", {Set(1, 5)}), Change("a", {}), Change("a", {Set(1, 5)}, true)}) {
    const auto result = writer_.Upsert(change, "");
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->kind, Kind::kUnchanged);
    EXPECT_EQ(result->version, before);
  }
  EXPECT_EQ(store_.commits(), 1);
}

TEST_F(ProfileWriterTest, CreatesACustomerWithoutFeatures) {
  const auto result = writer_.Upsert(Change("a", {}), "");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->kind, Kind::kCreated);
  EXPECT_TRUE(store_.RecordOf("a").found);
  EXPECT_EQ(writer_.Upsert(Change("a", {}), "")->kind, Kind::kUnchanged);
}

TEST_F(ProfileWriterTest, ReplacesAllFeatures) {
  ASSERT_TRUE(writer_.Upsert(Change("a", {Set(1, 5), Set(2, 6)}), "").ok());
  ASSERT_TRUE(writer_.Upsert(Change("a", {Set(2, 7)}, true), "").ok());
  EXPECT_THAT(Features("a"), ElementsAre(Entry(2, "7")));
  ASSERT_TRUE(writer_.Upsert(Change("a", {}, true), "").ok());
  EXPECT_THAT(Features("a"), IsEmpty());
}

TEST_F(ProfileWriterTest, AnswersARepeatedRequestAlike) {
  const auto created = writer_.Upsert(Change("a", {Set(1, 5)}), "request-1");
  ASSERT_TRUE(created.ok());
  ASSERT_TRUE(writer_.Upsert(Change("a", {Set(1, 6)}), "request-2").ok());
  DecideElsewhere("a");
  const auto again = writer_.Upsert(Change("a", {Set(1, 5)}), "request-1");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->kind, Kind::kCreated);
  EXPECT_EQ(again->version, created->version);
  EXPECT_THAT(Features("a"), ElementsAre(Entry(1, "6")));
  EXPECT_EQ(writer_.Upsert(Change("a", {Set(1, 6)}), "request-2")->kind, Kind::kUpdated);
  EXPECT_EQ(store_.commits(), 2);
}

TEST_F(ProfileWriterTest, ARepeatedOrNeedlessWriteIsAcknowledgedOnlyWhenItIsDurable) {
  ASSERT_TRUE(writer_.Upsert(Change("a", {Set(1, 5)}), "request-1").ok());
  store_.SetFaults({.sync = absl::UnavailableError("disk")});
  EXPECT_TRUE(absl::IsUnavailable(writer_.Upsert(Change("a", {Set(1, 5)}), "request-1").status()));
  EXPECT_TRUE(absl::IsUnavailable(writer_.Upsert(Change("a", {Set(1, 5)}), "").status()));
  store_.SetFaults({});
  EXPECT_EQ(writer_.Upsert(Change("a", {Set(1, 5)}), "request-1")->kind, Kind::kCreated);
  EXPECT_EQ(writer_.Upsert(Change("a", {Set(1, 5)}), "")->kind, Kind::kUnchanged);
}

TEST_F(ProfileWriterTest, WhoWasOnlyDecidedForIsCreated) {
  DecideElsewhere("a");
  EXPECT_EQ(writer_.Upsert(Change("a", {Set(1, 5)}), "")->kind, Kind::kCreated);
  DecideElsewhere("b");
  const ProfileChange change = Change("b", {});
  EXPECT_EQ(writer_.UpsertMany({change, change})[0]->kind, Kind::kCreated);
  EXPECT_EQ(writer_.UpsertMany({change})[0]->kind, Kind::kUnchanged);
}

TEST_F(ProfileWriterTest, KnowsWhatWasWrittenWhenTimeBegan) {
  clock_.Set(absl::UnixEpoch());
  EXPECT_EQ(writer_.Upsert(Change("a", {Set(1, 5)}), "")->kind, Kind::kCreated);
  EXPECT_EQ(writer_.Upsert(Change("a", {Set(1, 5)}), "")->kind, Kind::kUnchanged);
}

TEST_F(ProfileWriterTest, RefusesARequestIdWithAnotherContent) {
  ASSERT_TRUE(writer_.Upsert(Change("a", {Set(1, 5)}), "request-1").ok());
  for (const ProfileChange& other :
       {Change("a", {Set(1, 6)}), Change("a", {Set(2, 5)}), Change("a", {Remove(1)}),
        Change("a", {Set(1, 5)}, true), Change("a", {})}) {
    EXPECT_TRUE(absl::IsAlreadyExists(writer_.Upsert(other, "request-1").status()));
  }
  EXPECT_THAT(Features("a"), ElementsAre(Entry(1, "5")));
}

TEST_F(ProfileWriterTest, RequestIdsBelongToOneCustomer) {
  ASSERT_TRUE(writer_.Upsert(Change("a", {Set(1, 5)}), "request-1").ok());
  EXPECT_EQ(writer_.Upsert(Change("b", {Set(1, 5)}), "request-1")->kind, Kind::kCreated);
}

TEST_F(ProfileWriterTest, TriesAgainAfterAConflictFromAFreshRead) {
  ASSERT_TRUE(writer_.Upsert(Change("a", {Set(1, 5)}), "").ok());
  bool raced = false;
  store_.BeforeCommit([&] {
    if (!std::exchange(raced, true)) DecideElsewhere("a");
  });
  ASSERT_TRUE(writer_.Upsert(Change("a", {Set(2, 6)}), "").ok());
  const storage::Record record = store_.RecordOf("a");
  EXPECT_EQ(CustomerState::Parse(record, "a")->decision_count(), 1u);
  EXPECT_THAT(Features("a"), ElementsAre(Entry(1, "5"), Entry(2, "6")));
  EXPECT_EQ(store_.Stats().conflicts, 1u);
}

TEST_F(ProfileWriterTest, GivesUpAfterEndlessConflicts) {
  store_.SetFaults({.conflicts = 1'000'000});
  EXPECT_TRUE(absl::IsAborted(writer_.Upsert(Change("a", {Set(1, 5)}), "").status()));
  EXPECT_LE(store_.writes(), 1'000);
}

TEST_F(ProfileWriterTest, HandsOnTheErrorsOfTheStore) {
  store_.SetFaults({.load = absl::UnavailableError("down")});
  EXPECT_TRUE(absl::IsUnavailable(writer_.Upsert(Change("a", {Set(1, 5)}), "").status()));
  store_.SetFaults({.commit = absl::ResourceExhaustedError("disk full")});
  EXPECT_TRUE(absl::IsResourceExhausted(writer_.Upsert(Change("a", {Set(1, 5)}), "").status()));
  store_.SetFaults({});
  store_.SetRecord("a", "\x01 damaged");
  EXPECT_TRUE(absl::IsDataLoss(writer_.Upsert(Change("a", {Set(1, 5)}), "").status()));
}

std::vector<Kind> Kinds(const std::vector<absl::StatusOr<ProfileResult>>& results) {
  std::vector<Kind> kinds;
  for (const auto& result : results) {
    EXPECT_TRUE(result.ok()) << result.status();
    if (result.ok()) kinds.push_back(result->kind);
  }
  return kinds;
}

TEST_F(ProfileWriterTest, WritesManyCustomersAtOnce) {
  ASSERT_TRUE(writer_.Upsert(Change("b", {Set(1, 1)}), "").ok());
  ASSERT_TRUE(writer_.Upsert(Change("c", {Set(1, 1)}), "").ok());
  const int writes_before = store_.writes();
  const std::vector<ProfileChange> changes = {Change("a", {Set(1, 5)}), Change("b", {Set(1, 2)}),
                                              Change("c", {Set(1, 1)})};
  const auto results = writer_.UpsertMany(changes);
  EXPECT_THAT(Kinds(results), ElementsAre(Kind::kCreated, Kind::kUpdated, Kind::kUnchanged));
  for (size_t i = 0; i < changes.size(); ++i) {
    EXPECT_EQ(results[i]->version, store_.RecordOf(changes[i].customer_id).version.number);
  }
  EXPECT_EQ(store_.writes(), writes_before + 1);
  EXPECT_EQ(store_.last_durability(), storage::Durability::kProcess);
}

TEST_F(ProfileWriterTest, ChangesOfOneCustomerFollowEachOther) {
  const std::vector<ProfileChange> changes = {
      Change("a", {Set(1, 1)}),       Change("b", {Set(1, 9)}), Change("a", {Set(1, 2)}),
      Change("a", {Set(2, 3)}),       Change("c", {Set(1, 8)}), Change("a", {Set(2, 3)}),
      Change("a", {Set(7, 7)}, true),
  };
  EXPECT_THAT(Kinds(writer_.UpsertMany(changes)),
              ElementsAre(Kind::kCreated, Kind::kCreated, Kind::kUpdated, Kind::kUpdated,
                          Kind::kCreated, Kind::kUnchanged, Kind::kUpdated));
  EXPECT_THAT(Features("a"), ElementsAre(Entry(7, "7")));
  EXPECT_THAT(Features("b"), ElementsAre(Entry(1, "9")));
}

TEST_F(ProfileWriterTest, WritesLargeBatchesInBoundedGroups) {
  std::vector<std::string> ids;
  for (int i = 0; i < 2'500; ++i) ids.push_back("customer-" + std::to_string(i));
  std::vector<ProfileChange> changes;
  for (const std::string& id : ids) changes.push_back(Change(id, {Set(1, 1)}));
  for (const Kind kind : Kinds(writer_.UpsertMany(changes))) EXPECT_EQ(kind, Kind::kCreated);
  EXPECT_EQ(store_.writes(), 3);
  EXPECT_EQ(store_.commits(), 2'500);
  EXPECT_THAT(writer_.UpsertMany({}), IsEmpty());
}

TEST_F(ProfileWriterTest, OneBadCustomerOfManyDoesNotStopTheOthers) {
  store_.SetRecord("b", "\x01 damaged");
  const auto results = writer_.UpsertMany(
      {Change("a", {Set(1, 5)}), Change("b", {Set(1, 5)}), Change("c", {Set(1, 5)})});
  EXPECT_TRUE(results[0].ok());
  EXPECT_TRUE(absl::IsDataLoss(results[1].status()));
  EXPECT_TRUE(results[2].ok());
}

TEST_F(ProfileWriterTest, RetriesTheConflictsAmongMany) {
  store_.SetFaults({.conflicts = 2});
  EXPECT_THAT(Kinds(writer_.UpsertMany(
                  {Change("a", {Set(1, 5)}), Change("b", {Set(1, 6)}), Change("c", {Set(1, 7)})})),
              ElementsAre(Kind::kCreated, Kind::kCreated, Kind::kCreated));
  EXPECT_THAT(Features("a"), ElementsAre(Entry(1, "5")));
  EXPECT_EQ(store_.Stats().conflicts, 2u);
}

TEST_F(ProfileWriterTest, AStoreThatIsDownFailsAllOfMany) {
  const std::vector<ProfileChange> changes = {Change("a", {Set(1, 5)}), Change("b", {Set(1, 5)})};
  store_.SetFaults({.load = absl::UnavailableError("down")});
  for (const auto& result : writer_.UpsertMany(changes)) {
    EXPECT_TRUE(absl::IsUnavailable(result.status()));
  }
  store_.SetFaults({.commit = absl::UnavailableError("down")});
  for (const auto& result : writer_.UpsertMany(changes)) {
    EXPECT_TRUE(absl::IsUnavailable(result.status()));
  }
}

// Remembers what it is told, as "was -> is @version" with features as "number=value".
class RememberingObserver : public ProfileObserver {
 public:
  int WriteBegins() override {
    ++begun;
    return 7;
  }
  void WriteEnds(int begun_as) override {
    EXPECT_EQ(begun_as, 7);
    ++ended;
  }
  void FeaturesChanged(const ProfileNotice& notice) override {
    EXPECT_GT(begun, ended) << "within a write";
    EXPECT_FALSE(notice.erased);
    EXPECT_GT(notice.version, 0u);
    notices.push_back((notice.was_known ? Text(notice.before) : "nobody") + " -> " +
                      Text(notice.after));
  }
  void ChangeUncertain() override { ++uncertain; }

  int begun = 0;
  int ended = 0;
  int uncertain = 0;
  std::vector<std::string> notices;

 private:
  static std::string Text(std::string_view features) {
    std::string text;
    ValueReader reader(features);
    ValueEntry entry;
    while (reader.Next(entry)) {
      text +=
          (text.empty() ? "" : " ") + std::to_string(entry.number) + "=" + entry.value.ToString();
    }
    return text;
  }
};

TEST_F(ProfileWriterTest, TellsEveryChangeAndNothingElse) {
  RememberingObserver observer;
  const ProfileWriter writer(&store_, &clock_, HashKeyFromSeed(3), &observer);
  ASSERT_TRUE(writer.Upsert(Change("a", {Set(1, 5)}), "").ok());
  ASSERT_TRUE(writer.Upsert(Change("a", {Set(1, 5)}), "").ok());  // nothing new
  store_.SetFaults({.conflicts = 1});
  ASSERT_TRUE(writer.Upsert(Change("a", {Set(2, 6)}), "id").ok());
  ASSERT_TRUE(writer.Upsert(Change("a", {Set(2, 6)}), "id").ok());  // answered before
  EXPECT_THAT(observer.notices, ElementsAre("nobody -> 1=5", "1=5 -> 1=5 2=6"));
  observer.notices.clear();
  store_.SetFaults({.conflicts = 1});
  writer.UpsertMany({Change("a", {Set(1, 7)}), Change("b", {Set(1, 8)}), Change("b", {Set(1, 9)}),
                     Change("b", {Set(1, 9)})});
  EXPECT_THAT(observer.notices,
              ::testing::UnorderedElementsAre("1=5 2=6 -> 1=7 2=6", "nobody -> 1=8", "1=8 -> 1=9"));
  EXPECT_EQ(observer.uncertain, 0);
  EXPECT_EQ(observer.begun, observer.ended);
}

TEST_F(ProfileWriterTest, TellsThatAChangeMayHaveBeenMade) {
  RememberingObserver observer;
  const ProfileWriter writer(&store_, &clock_, HashKeyFromSeed(3), &observer);
  store_.SetFaults({.commit = absl::UnavailableError("down")});
  EXPECT_FALSE(writer.Upsert(Change("a", {Set(1, 5)}), "").ok());
  EXPECT_EQ(observer.uncertain, 1);
  writer.UpsertMany({Change("a", {Set(1, 7)}), Change("b", {Set(1, 8)})});
  EXPECT_EQ(observer.uncertain, 3);
  // What the store refused was not made.
  store_.SetFaults({.commit = storage::AsUnwritten(absl::ResourceExhaustedError("too large"))});
  EXPECT_FALSE(writer.Upsert(Change("a", {Set(1, 5)}), "").ok());
  writer.UpsertMany({Change("a", {Set(1, 7)}), Change("b", {Set(1, 8)})});
  EXPECT_EQ(observer.uncertain, 3);
  EXPECT_THAT(observer.notices, IsEmpty());
  EXPECT_EQ(observer.begun, observer.ended);
}

}  // namespace
}  // namespace attune::customer
