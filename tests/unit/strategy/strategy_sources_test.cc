#include "lib/strategy/strategy_sources.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/hash.h"
#include "lib/strategy/strategy_loader.h"
#include "tests/unit/strategy/strategy_files.h"
#include "tests/unit/trees/model_texts.h"

namespace attune::strategy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A registry in memory.
class Stored {
 public:
  void Put(const std::string& name, const std::string& file, const std::string& bytes) {
    auto content = ReadContent(file, bytes);
    ASSERT_TRUE(content.ok()) << content.status();
    models_[name] = {name + "@" + (*content)->hash.substr(0, 12), *std::move(content)};
  }
  StrategySources::FindStored Finder() const {
    return [this](const std::string& stored) -> absl::StatusOr<StoredModel> {
      const auto found = models_.find(stored);
      if (found == models_.end()) return absl::NotFoundError("it is not there");
      return found->second;
    };
  }

 private:
  std::map<std::string, StoredModel> models_;
};

std::string WithStored(const std::string& more = "") {
  return Replaced(kSmallStrategy, "{name: taste, file: taste.yaml}",
                  "{name: taste, stored: tastes" + more + "}");
}

Loaded Load(const TemporaryFolder& folder, StrategySources& sources) {
  Loaded loaded;
  loaded.strategy = LoadStrategy(folder.Path("s.yaml"), sources, loaded.dictionary, loaded.issues);
  return loaded;
}

TEST(StrategySources, AStoredModelIsMadeLikeAFile) {
  const TemporaryFolder folder;
  folder.Write("s.yaml", WithStored());
  Stored stored;
  stored.Put("tastes", "tastes.yaml", std::string(kSmallModel));
  StrategySources sources(stored.Finder());
  const Loaded loaded = Load(folder, sources);
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  ASSERT_THAT(loaded.strategy->models.models, SizeIs(1));
  EXPECT_EQ(loaded.strategy->models.models[0].version, "tastes@" + ContentHash(kSmallModel))
      << "as the registry calls it";
  ASSERT_THAT(loaded.strategy->model_origins, SizeIs(1));
  EXPECT_EQ(loaded.strategy->model_origins[0].name, "taste");
  EXPECT_EQ(loaded.strategy->model_origins[0].stored, "tastes");
  EXPECT_EQ(loaded.strategy->model_origins[0].kind, "linear");
  EXPECT_EQ(loaded.strategy->model_origins[0].hash, ContentHash(kSmallModel, 64));
}

TEST(StrategySources, AModelOfTreesMayBeStored) {
  const TemporaryFolder folder;
  folder.Write("s.yaml", WithStored(", inputs: [{feature: f0, input: customer.age}, {feature: f1, "
                                    "input: customer.age}, {feature: f2, input: customer.age}]"));
  Stored stored;
  stored.Put("tastes", "tastes.json", trees::XgboostText().ToString());
  StrategySources sources(stored.Finder());
  const Loaded loaded = Load(folder, sources);
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  EXPECT_EQ(loaded.strategy->model_origins[0].kind, "trees");
}

TEST(StrategySources, TheVersionOfAStrategyIsThatOfItsModels) {
  const TemporaryFolder folder;
  folder.Write("s.yaml", WithStored());
  Stored stored;
  stored.Put("tastes", "tastes.yaml", std::string(kSmallModel));
  StrategySources sources(stored.Finder());
  const std::string first = Load(folder, sources).strategy->version;
  EXPECT_EQ(Load(folder, sources).strategy->version, first);
  stored.Put("tastes", "tastes.yaml", Replaced(kSmallModel, "intercept: -1", "intercept: -2"));
  EXPECT_NE(Load(folder, sources).strategy->version, first);
  stored.Put("tastes", "tastes.yaml", std::string(kSmallModel));
  EXPECT_EQ(Load(folder, sources).strategy->version, first) << "what ran before runs again";
}

TEST(StrategySources, ReadsEachFileOnce) {
  const TemporaryFolder folder;
  folder.Write("s.yaml", kSmallStrategy);
  folder.Write("taste.yaml", kSmallModel);
  StrategySources sources;
  const Loaded first = Load(folder, sources);
  ASSERT_NE(first.strategy, nullptr);
  folder.Write("s.yaml", "name: [broken");
  folder.Write("taste.yaml", "broken");
  const Loaded second = Load(folder, sources);
  ASSERT_NE(second.strategy, nullptr) << "whatever has become of the files";
  EXPECT_EQ(second.strategy->version, first.strategy->version);
}

TEST(StrategySources, WhatIsWrongWithAStoredModelIsToldWhereItIsNamed) {
  const TemporaryFolder folder;
  folder.Write("s.yaml", WithStored());
  Stored stored;
  StrategySources sources(stored.Finder());
  EXPECT_THAT(Load(folder, sources).Issues(),
              ElementsAre("s.yaml:15:27: error: the stored model \"tastes\": it is not there"));
  stored.Put("tastes", "tastes.json", trees::XgboostText().ToString());
  EXPECT_THAT(Load(folder, sources).Issues(),
              ElementsAre(HasSubstr("s.yaml:15:27: error: the model's feature \"f0\"")));
  stored.Put("tastes", "tastes.yaml", Replaced(kSmallModel, "customer.age", "customer.agee"));
  EXPECT_THAT(Load(folder, sources).Issues(),
              ElementsAre(HasSubstr("tastes.yaml:6:14: error: unknown feature \"agee\"")));
}

TEST(StrategySources, WithoutARegistryItSaysHowToCheck) {
  EXPECT_THAT(LoadText(WithStored()).Issues(),
              ElementsAre(HasSubstr("attunectl strategy check takes a file for it with --stored "
                                    "NAME=FILE")));
}

TEST(StrategySources, AModelIsGivenInOneWay) {
  EXPECT_THAT(
      LoadText(Replaced(kSmallStrategy, "file: taste.yaml", "file: taste.yaml, stored: taste"))
          .Issues(),
      ElementsAre("s.yaml:15:45: error: a model has either file or stored"));
  EXPECT_THAT(LoadText(Replaced(kSmallStrategy, ", file: taste.yaml", ", stored: ''")).Issues(),
              ElementsAre("s.yaml:15:5: error: a model needs the key \"file\""));
}

TEST(ReadContent, RefusesWhatIsDamagedOrTooLarge) {
  EXPECT_TRUE(absl::IsInvalidArgument(ReadContent("m.json", "{\"version\": ").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadContent("m.json", "").status()));
  const std::string large(kMaxStrategyFileBytes + 1, ' ');
  EXPECT_THAT(std::string(ReadContent("m.yaml", large).status().message()),
              HasSubstr("at most 16777216 are allowed"));
}

TEST(KindOf, TellsWhatAModelIs) {
  const auto kind = [](const std::string& file, const std::string& bytes, IssueList& issues) {
    return KindOf(**ReadContent(file, bytes), issues);
  };
  IssueList issues;
  EXPECT_EQ(kind("m.yaml", std::string(kSmallModel), issues), "linear");
  EXPECT_EQ(kind("m.json", trees::XgboostText().ToString(), issues), "trees");
  EXPECT_FALSE(issues.has_errors());
  EXPECT_EQ(kind("m.yaml", "linear: {intercept: x}", issues), "");
  EXPECT_EQ(kind("m.yaml", "description: nothing", issues), "");
  EXPECT_EQ(issues.errors(), 2u);
}

}  // namespace
}  // namespace attune::strategy
