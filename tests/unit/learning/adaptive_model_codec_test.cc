#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "lib/base/codec.h"
#include "lib/learning/adaptive_model.h"
#include "lib/storage/crc32c.h"
#include "tests/testing/mutations.h"

namespace attune::learning {
namespace {

const absl::Time kStoredStart = absl::FromUnixSeconds(1'700'000'000);

std::shared_ptr<const InputLayout> StoredLayout() {
  InputLimits limits;
  limits.knots = 4;
  limits.category_weights = 8;
  limits.cross_weights = 8;
  return *InputLayout::Create({{"age", InputKind::kNumber}, {"plan", InputKind::kCategory}},
                              {{"age", "plan"}}, limits);
}

AdaptiveOptions StoredOptions() {
  AdaptiveOptions options;
  options.half_life = absl::Hours(1);
  return options;
}

AdaptiveModel EmptyModel() { return *AdaptiveModel::Create(StoredLayout(), StoredOptions()); }

// The examples with the numbers from `from` up to `to`: 2000 of them take 1000 half-lives.
void LearnExamples(uint64_t from, uint64_t to, AdaptiveModel& model) {
  const std::string plans[] = {"basic", "plus", "family", ""};
  for (uint64_t i = from; i < to; ++i) {
    const InputValue values[] = {InputValue::Number(static_cast<double>(i * i % 97)),
                                 InputValue::Category(plans[i % 4])};
    Example example;
    example.id = i;
    example.time = kStoredStart + static_cast<int64_t>(i) * absl::Minutes(30);
    example.treatment = static_cast<uint32_t>(i % 5);
    example.group = example.treatment % 2;
    example.label = i % 7 < 2 ? 1 : 0;
    example.weight = 1 + static_cast<double>(i % 3);
    example.inputs = values;
    ASSERT_TRUE(model.Learn(example).ok());
  }
}

std::string WithChecksum(std::string body) {
  PutFixed(body, storage::Crc32c(body));
  return body;
}

TEST(AdaptiveModelCodecTest, TheSameExamplesGiveTheSameBytes) {
  AdaptiveModel one = EmptyModel();
  AdaptiveModel other = EmptyModel();
  LearnExamples(0, 2000, one);
  LearnExamples(0, 900, other);
  (void)other.MakeSnapshot();
  LearnExamples(900, 2000, other);
  EXPECT_EQ(one.Serialize(), other.Serialize());
}

TEST(AdaptiveModelCodecTest, GoesOnToTheBitFromWhereItWasStored) {
  AdaptiveModel uninterrupted = EmptyModel();
  LearnExamples(0, 2000, uninterrupted);
  // Before the first example, before and after there are knots, and where they are set anew.
  for (const uint64_t at : {0, 1, 63, 64, 65, 1023, 1024, 1025, 1999}) {
    AdaptiveModel model = EmptyModel();
    LearnExamples(0, at, model);
    const std::string bytes = model.Serialize();
    auto read = AdaptiveModel::Parse(bytes, StoredLayout(), StoredOptions());
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->Serialize(), bytes);
    LearnExamples(at, 2000, *read);
    EXPECT_EQ(read->Serialize(), uninterrupted.Serialize()) << at;
  }
}

TEST(AdaptiveModelCodecTest, TheSignOfZeroMakesNoDifference) {
  const auto learn = [](uint64_t from, uint64_t to, AdaptiveModel& model) {
    for (uint64_t i = from; i < to; ++i) {
      const InputValue values[] = {InputValue::Number(i % 2 == 0 ? 0.0 : -0.0),
                                   InputValue::Category("plus")};
      ASSERT_TRUE(model.Learn({i, kStoredStart, 1, 1, i % 3 == 0 ? 1.0 : 0.0, 1, values}).ok());
    }
  };
  AdaptiveModel uninterrupted = EmptyModel();
  learn(0, 200, uninterrupted);
  for (const uint64_t at : {1, 63, 64, 65, 128, 199}) {
    AdaptiveModel model = EmptyModel();
    learn(0, at, model);
    auto read = AdaptiveModel::Parse(model.Serialize(), StoredLayout(), StoredOptions());
    ASSERT_TRUE(read.ok());
    learn(at, 200, *read);
    EXPECT_EQ(read->Serialize(), uninterrupted.Serialize()) << at;
  }
}

TEST(AdaptiveModelCodecTest, NumbersNoExamplesCanAddUpToAreDamage) {
  const auto layout = *InputLayout::Create({}, {}, {});
  const auto parse = [&](double precision, double shift) {
    std::string bytes;
    PutFixed(bytes, uint8_t{1});
    PutFixed(bytes, layout->fingerprint());
    ForwardDecay(absl::Hours(1)).Encode(bytes);
    PutVarint(bytes, 0);  // sample
    PutVarint(bytes, 0);  // examples
    PutVarint(bytes, 1);  // weights of the effect of all
    PutVarint(bytes, 0);
    PutFixed(bytes, precision);
    PutFixed(bytes, shift);
    PutVarint(bytes, 0);  // groups
    PutVarint(bytes, 0);  // treatments
    return AdaptiveModel::Parse(WithChecksum(bytes), layout, StoredOptions());
  };
  for (const double bad : {1.1e100, 1e308, std::nan("")}) {
    EXPECT_EQ(parse(bad, 0).status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(parse(1, bad).status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(parse(1, -bad).status().code(), absl::StatusCode::kDataLoss);
  }
  // What is just read goes on with numbers.
  for (const double shift : {-1e100, 1e100}) {
    for (const double precision : {0.0, 1e100}) {
      auto model = parse(precision, shift);
      ASSERT_TRUE(model.ok()) << model.status();
      for (uint64_t i = 0; i < 10; ++i) {
        const absl::Time time = kStoredStart + static_cast<int64_t>(i) * absl::Hours(7);
        const auto before = model->Learn({i, time, 1, 1, static_cast<double>(i % 2), 1000, {}});
        ASSERT_TRUE(before.ok());
        EXPECT_TRUE(std::isfinite(before->mean) && std::isfinite(before->variance) &&
                    std::isfinite(before->propensity) && std::isfinite(before->deviation));
      }
    }
  }
}

TEST(AdaptiveModelCodecTest, PriorsMayChangeWithoutLosingWhatWasLearned) {
  AdaptiveModel model = EmptyModel();
  LearnExamples(0, 500, model);
  AdaptiveOptions options = StoredOptions();
  options.weight = {0.5, 0.1, 0.1};
  const auto read = AdaptiveModel::Parse(model.Serialize(), StoredLayout(), options);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->Serialize(), model.Serialize());
}

TEST(AdaptiveModelCodecTest, SaysWhyAStateDoesntFit) {
  AdaptiveModel model = EmptyModel();
  LearnExamples(0, 500, model);
  const std::string bytes = model.Serialize();
  const auto code = [&](const std::shared_ptr<const InputLayout>& layout,
                        const AdaptiveOptions& options) {
    return AdaptiveModel::Parse(bytes, layout, options).status().code();
  };
  EXPECT_EQ(code(*InputLayout::Create({{"age", InputKind::kNumber}}, {}, {}), StoredOptions()),
            absl::StatusCode::kFailedPrecondition);
  AdaptiveOptions options = StoredOptions();
  options.half_life = absl::Hours(2);
  EXPECT_EQ(code(StoredLayout(), options), absl::StatusCode::kFailedPrecondition);
  options = StoredOptions();
  options.max_treatments = 4;
  EXPECT_EQ(code(StoredLayout(), options), absl::StatusCode::kResourceExhausted);
  options = StoredOptions();
  options.max_groups = 1;
  EXPECT_EQ(code(StoredLayout(), options), absl::StatusCode::kResourceExhausted);
  options.max_groups = 0;
  EXPECT_EQ(code(StoredLayout(), options), absl::StatusCode::kInvalidArgument);
}

TEST(AdaptiveModelCodecTest, DamagedBytesAreDataLoss) {
  AdaptiveModel model = EmptyModel();
  LearnExamples(0, 20, model);
  const std::string bytes = model.Serialize();
  testing::ForEachMutation(bytes, 2000, [&](const std::string& mutated) {
    if (mutated == bytes) return;
    EXPECT_EQ(AdaptiveModel::Parse(mutated, StoredLayout(), StoredOptions()).status().code(),
              absl::StatusCode::kDataLoss);
  });
}

TEST(AdaptiveModelCodecTest, ForgedBytesWithARightChecksumDontBreakIt) {
  AdaptiveModel model = EmptyModel();
  LearnExamples(0, 70, model);
  const std::string bytes = model.Serialize();
  const std::string body = bytes.substr(0, bytes.size() - sizeof(uint32_t));
  int read_ones = 0;
  testing::ForEachMutation(body, 2000, [&](const std::string& mutated) {
    auto read = AdaptiveModel::Parse(WithChecksum(mutated), StoredLayout(), StoredOptions());
    if (!read.ok()) return;  // whatever it says
    ++read_ones;
    // What was read is a model: it learns, and comes back from its bytes.
    LearnExamples(70, 72, *read);
    EXPECT_TRUE(AdaptiveModel::Parse(read->Serialize(), StoredLayout(), StoredOptions()).ok());
  });
  EXPECT_GT(read_ones, 0);
}

}  // namespace
}  // namespace attune::learning
