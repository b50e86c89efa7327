#include "lib/registry/model_registry.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/hash.h"
#include "tests/testing/fake_state_store.h"

namespace attune::registry {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

ModelVersion VersionOf(const std::string& name, const std::string& content) {
  ModelVersion version;
  version.name = name;
  version.hash = ContentHash(content, 64);
  version.file = name + ".json";
  version.kind = "trees";
  version.bytes = content.size();
  version.time_us = 1'772'366'400'000'000;
  version.by = "ann";
  version.comment = "trained on " + content;
  return version;
}

class ModelRegistryTest : public ::testing::Test {
 protected:
  ModelRegistryTest() { Reload(); }

  // As a process that is started again.
  void Reload() {
    store_.SetFaults({});
    auto registry = ModelRegistry::Load(&store_, limits_);
    ASSERT_TRUE(registry.ok()) << registry.status();
    registry_ = *std::move(registry);
  }
  absl::Status Put(const std::string& name, const std::string& content, bool activate = true,
                   std::optional<registry::Run> run = std::nullopt) {
    return registry_->Put(VersionOf(name, content), content, {activate, std::move(run)}).status();
  }
  absl::StatusOr<std::string> ReadActive(const std::string& name) const {
    const auto state = registry_->state();
    const auto version = state->Find(name, "");
    if (!version.ok()) return version.status();
    return registry_->Read(**version);
  }
  // The contents of a model's versions, oldest first.
  std::vector<std::string> Contents(const std::string& name) const {
    std::vector<std::string> contents;
    const auto state = registry_->state();
    for (const ModelVersion* version : state->VersionsOf(name)) {
      contents.push_back(registry_->Read(*version).value_or("damaged"));
    }
    return contents;
  }
  registry::Run RunWith(const std::string& file, const std::string& name,
                        const std::string& content) const {
    return {"telecom", ContentHash(file, 64), {{name, ContentHash(content, 64), false}}};
  }

  testing::FakeStateStore store_;
  ModelRegistry::Limits limits_;
  std::unique_ptr<ModelRegistry> registry_;
};

TEST_F(ModelRegistryTest, KeepsVersionsOverRestarts) {
  ASSERT_TRUE(Put("churn", "one").ok());
  ASSERT_TRUE(Put("churn", "two").ok());
  ASSERT_TRUE(Put("sale", "other").ok());
  for (int start = 0; start < 2; ++start) {
    EXPECT_EQ(*ReadActive("churn"), "two");
    EXPECT_THAT(Contents("churn"), ElementsAre("one", "two"));
    EXPECT_THAT(registry_->state()->Names(), ElementsAre("churn", "sale"));
    const auto state = registry_->state();
    const ModelVersion& version = *state->VersionsOf("churn").front();
    EXPECT_EQ(version.version(), "churn@" + ContentHash("one"));
    EXPECT_EQ(version.by, "ann");
    EXPECT_EQ(version.comment, "trained on one");
    EXPECT_EQ(version.time_us, 1'772'366'400'000'000);
    EXPECT_EQ(version.kind, "trees");
    EXPECT_EQ(version.file, "churn.json");
    EXPECT_EQ(registry_->state()->bytes(), 11u);
    Reload();
  }
}

TEST_F(ModelRegistryTest, TheSameContentIsTheSameVersion) {
  ASSERT_TRUE(Put("churn", "one").ok());
  EXPECT_FALSE(*registry_->Put(VersionOf("churn", "one"), "one", {true, std::nullopt}));
  EXPECT_THAT(Contents("churn"), ElementsAre("one"));
  ASSERT_TRUE(Put("churn", "two").ok());
  EXPECT_TRUE(*registry_->Put(VersionOf("churn", "one"), "one", {true, std::nullopt}))
      << "it is active again";
  EXPECT_EQ(*ReadActive("churn"), "one");
  EXPECT_THAT(store_.BlobNames(), ElementsAre("model/1", "model/2", "models"));
}

TEST_F(ModelRegistryTest, ActivatesEarlierVersions) {
  ASSERT_TRUE(Put("churn", "one").ok());
  ASSERT_TRUE(Put("churn", "two", /*activate=*/false).ok());
  EXPECT_EQ(*ReadActive("churn"), "one");
  EXPECT_TRUE(*registry_->Activate({{"churn", ContentHash("two")}}, std::nullopt));
  EXPECT_FALSE(*registry_->Activate({{"churn", ContentHash("two")}}, std::nullopt));
  Reload();
  EXPECT_EQ(*ReadActive("churn"), "two");
}

TEST_F(ModelRegistryTest, SaysWhatThereIs) {
  ASSERT_TRUE(Put("churn", "one").ok());
  const auto find = [&](const std::string& name, const std::string& hash) {
    return std::string(registry_->state()->Find(name, hash).status().message());
  };
  EXPECT_THAT(find("chrun", ""), HasSubstr("no model \"chrun\"; did you mean \"churn\"?"));
  EXPECT_THAT(find("weather", ""), HasSubstr("no model \"weather\"; known are: churn"));
  EXPECT_THAT(find("churn", "000000000000"),
              AllOf(HasSubstr("no version \"churn@000000000000\""),
                    HasSubstr("it has: churn@" + ContentHash("one"))));
}

TEST_F(ModelRegistryTest, EveryFlippedBitIsDataLoss) {
  const std::string content = "a model of some length, long enough to flip bits in";
  ASSERT_TRUE(Put("churn", content).ok());
  for (size_t bit = 0; bit < content.size() * 8; ++bit) {
    const auto flip = [&](std::string& bytes) {
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    };
    store_.ChangeBlob("model/1", flip);
    const absl::Status status = ReadActive("churn").status();
    ASSERT_TRUE(absl::IsDataLoss(status)) << bit << " " << status;
    store_.ChangeBlob("model/1", flip);
  }
  EXPECT_EQ(*ReadActive("churn"), content);
  store_.ChangeBlob("model/1", [](std::string& bytes) { bytes.pop_back(); });
  EXPECT_TRUE(absl::IsDataLoss(ReadActive("churn").status()));
  ASSERT_TRUE(Put("churn", content).ok()) << "putting it again mends it";
  EXPECT_EQ(*ReadActive("churn"), content);
}

TEST_F(ModelRegistryTest, ADamagedIndexIsDataLoss) {
  ASSERT_TRUE(Put("churn", "one").ok());
  size_t size = 0;
  store_.ChangeBlob("models", [&](std::string& bytes) { size = bytes.size(); });
  for (size_t byte = 0; byte < size; ++byte) {
    const auto flip = [&](std::string& bytes) { bytes[byte] = static_cast<char>(bytes[byte] ^ 4); };
    store_.ChangeBlob("models", flip);
    EXPECT_TRUE(absl::IsDataLoss(ModelRegistry::Load(&store_).status())) << byte;
    store_.ChangeBlob("models", flip);
  }
}

// Whichever write a put, a rollback or a removal is cut off before, what was there before is there
// after the restart, nothing else, and the next put works.
TEST_F(ModelRegistryTest, WhatIsCutOffLeavesWhatWasThereBefore) {
  limits_.max_model_versions = 2;
  Reload();
  ASSERT_TRUE(Put("churn", "one").ok());
  ASSERT_TRUE(Put("churn", "two").ok());
  for (int writes = 0; writes < 2; ++writes) {
    testing::FakeStateStore::Faults faults;
    faults.blob_writes = writes;
    store_.SetFaults(faults);
    EXPECT_FALSE(Put("churn", "three").ok());
    EXPECT_EQ(*ReadActive("churn"), "two") << "the process goes on with what it had";
    EXPECT_THAT(Contents("churn"), ElementsAre("one", "two"));
    Reload();
    EXPECT_EQ(*ReadActive("churn"), "two");
    EXPECT_THAT(Contents("churn"), ElementsAre("one", "two"));
    EXPECT_THAT(store_.BlobNames(), SizeIs(3)) << "nothing is left over";
  }
  // Blob and index are written, the oldest version is not removed any more.
  testing::FakeStateStore::Faults faults;
  faults.blob_writes = 2;
  store_.SetFaults(faults);
  EXPECT_TRUE(Put("churn", "three").ok());
  EXPECT_THAT(store_.BlobNames(), SizeIs(4));
  Reload();
  EXPECT_THAT(Contents("churn"), ElementsAre("two", "three"));
  EXPECT_THAT(store_.BlobNames(), SizeIs(3)) << "removed with the next start";
}

TEST_F(ModelRegistryTest, AFailedPutLeavesNoBlobBehindForLong) {
  ASSERT_TRUE(Put("churn", "one").ok());
  testing::FakeStateStore::Faults faults;
  faults.blob_writes = 1;  // the blob, not the index
  store_.SetFaults(faults);
  EXPECT_FALSE(Put("churn", "two").ok());
  store_.SetFaults({});
  ASSERT_TRUE(Put("churn", "three").ok());
  EXPECT_THAT(Contents("churn"), ElementsAre("one", "three"));
  EXPECT_THAT(store_.BlobNames(), SizeIs(3));
  Reload();
  EXPECT_THAT(Contents("churn"), ElementsAre("one", "three"));
}

TEST_F(ModelRegistryTest, OldVersionsMakeRoomUnlessTheyAreUsed) {
  limits_.max_model_versions = 3;
  Reload();
  ASSERT_TRUE(Put("churn", "one", true, RunWith("a.yaml", "churn", "one")).ok());
  for (const char* content : {"two", "three", "four", "five"}) {
    ASSERT_TRUE(Put("churn", content, true, RunWith("b.yaml", "churn", content)).ok());
  }
  EXPECT_THAT(Contents("churn"), ElementsAre("one", "four", "five"))
      << "a strategy that may come back ran with one, the one that runs with five";
  ASSERT_TRUE(registry_->Activate({{"churn", ContentHash("four")}}, std::nullopt).ok());
  const absl::Status status = Put("churn", "six", /*activate=*/false);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << "active, and used by two strategies";
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("max_model_versions"), HasSubstr("attunectl model delete")));
  EXPECT_THAT(Contents("churn"), ElementsAre("one", "four", "five"));
  EXPECT_THAT(store_.BlobNames(), SizeIs(4));
}

TEST_F(ModelRegistryTest, LimitsAreErrorsWithTheirName) {
  limits_.max_models = 2;
  limits_.max_registry_bytes = 10;
  Reload();
  ASSERT_TRUE(Put("a", "1234").ok());
  ASSERT_TRUE(Put("b", "1234").ok());
  absl::Status status = Put("c", "1");
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("max_models"), HasSubstr("attunectl model delete")));
  status = Put("a", "123");
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("max_registry_bytes"), HasSubstr("have 8 bytes and this one 3")));
  EXPECT_EQ(*ReadActive("a"), "1234");
  EXPECT_TRUE(Put("a", "12").ok());
}

TEST_F(ModelRegistryTest, RemovesWhatIsNotUsed) {
  ASSERT_TRUE(Put("churn", "one").ok());
  ASSERT_TRUE(Put("churn", "two", true, RunWith("a.yaml", "churn", "two")).ok());
  absl::Status status = registry_->Delete("churn", ContentHash("two"));
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("the strategy that decides uses churn@"));
  EXPECT_TRUE(absl::IsFailedPrecondition(registry_->Delete("churn", "")));
  EXPECT_TRUE(absl::IsNotFound(registry_->Delete("weather", "")));
  EXPECT_TRUE(registry_->Delete("churn", ContentHash("one")).ok());
  EXPECT_THAT(Contents("churn"), ElementsAre("two"));
  ASSERT_TRUE(Put("sale", "x").ok());
  ASSERT_TRUE(Put("sale", "y").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(registry_->Delete("sale", ContentHash("y"))))
      << "active, and not the only one";
  EXPECT_TRUE(registry_->Delete("sale", "").ok());
  EXPECT_THAT(registry_->state()->Names(), ElementsAre("churn"));
  Reload();
  EXPECT_THAT(registry_->state()->Names(), ElementsAre("churn"));
  EXPECT_THAT(store_.BlobNames(), ElementsAre("model/2", "models"));
}

TEST_F(ModelRegistryTest, RemembersHowStrategiesRan) {
  limits_.max_runs = 2;
  Reload();
  ASSERT_TRUE(Put("churn", "one", true, RunWith("a.yaml", "churn", "one")).ok());
  ASSERT_TRUE(Put("churn", "two", true, RunWith("b.yaml", "churn", "two")).ok());
  Reload();
  const auto state = registry_->state();
  ASSERT_NE(state->FindRun(ContentHash("a.yaml", 64)), nullptr);
  EXPECT_EQ(*state->FindRun(ContentHash("a.yaml", 64)), RunWith("a.yaml", "churn", "one"));
  EXPECT_EQ(state->runs.back(), RunWith("b.yaml", "churn", "two"));
  ASSERT_TRUE(registry_->Activate({}, RunWith("c.yaml", "churn", "two")).ok());
  EXPECT_EQ(registry_->state()->FindRun(ContentHash("a.yaml", 64)), nullptr)
      << "the one that ran longest ago is forgotten";
}

TEST_F(ModelRegistryTest, ReadsParts) {
  ASSERT_TRUE(Put("churn", "0123456789").ok());
  const auto state = registry_->state();
  const ModelVersion& version = **state->Find("churn", "");
  EXPECT_EQ(*registry_->ReadPart(version, 0, 4), "0123");
  EXPECT_EQ(*registry_->ReadPart(version, 8, 4), "89");
  EXPECT_EQ(*registry_->ReadPart(version, 10, 4), "");
}

TEST(ParseModelNameTest, TakesNamesWithAndWithoutAHash) {
  EXPECT_EQ(ParseModelName("churn")->name, "churn");
  EXPECT_EQ(ParseModelName("churn")->hash, "");
  EXPECT_EQ(ParseModelName("churn@0123456789ab")->hash, "0123456789ab");
  for (const char* wrong :
       {"", "Churn", "churn@", "churn@0123", "churn@0123456789AB", "@", "a b"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseModelName(wrong).status())) << wrong;
  }
}

}  // namespace
}  // namespace attune::registry
