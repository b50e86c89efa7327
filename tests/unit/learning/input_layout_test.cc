#include "lib/learning/input_layout.h"

#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace attune::learning {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::shared_ptr<const InputLayout> SomeLayout() {
  InputLimits limits;
  limits.knots = 4;
  limits.category_weights = 8;
  limits.cross_weights = 16;
  return *InputLayout::Create(
      {{"age", InputKind::kNumber}, {"vip", InputKind::kBool}, {"plan", InputKind::kCategory}},
      {{"plan", "age"}}, limits);
}

// The parts by weight, all of them.
std::vector<double> PartsOf(const InputEncoder& encoder, const std::vector<InputValue>& values) {
  EncodedInputs encoded;
  encoder.Encode(values, encoded);
  std::vector<double> parts(encoder.layout().weights());
  for (const EncodedInputs::Active& active : encoded.active) parts[active.weight] += active.part;
  EXPECT_LE(encoded.active.size(), encoder.layout().max_active());
  return parts;
}

TEST(InputLayoutTest, GivesEveryInputWeightsOfItsOwn) {
  const auto layout = SomeLayout();
  ASSERT_EQ(layout->inputs().size(), 3);
  EXPECT_EQ(layout->inputs()[0].first, 1);  // behind the intercept
  EXPECT_EQ(layout->inputs()[1].first, 1 + 5);
  EXPECT_EQ(layout->inputs()[2].first, 1 + 5 + 3);
  EXPECT_EQ(layout->crosses()[0].first, 1 + 5 + 3 + 9);
  EXPECT_EQ(layout->weights(), 1 + 5 + 3 + 9 + 16);
  EXPECT_EQ(layout->columns(), 1);
}

TEST(InputLayoutTest, TellsAllThatIsWrong) {
  InputLimits limits;
  limits.knots = 1;
  limits.category_weights = 70'000;
  const auto layout = InputLayout::Create(
      {{"a", InputKind::kNumber}, {"a", InputKind::kBool}, {"", InputKind::kBool}, {"b", {}}},
      {{"a", "c"}, {"b", "b"}, {"a", "b"}, {"b", "a"}}, limits);
  EXPECT_EQ(layout.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message(layout.status().message());
  for (const char* problem :
       {"knots is 1; it must be 2 to 64", "category_weights is 70000; it must be 2 to 65536",
        "input 'a' is there twice", "an input has no name", "'c' is no input",
        "'b' is crossed with itself", "'b' and 'a' are crossed twice"}) {
    EXPECT_THAT(message, HasSubstr(problem));
  }
}

TEST(InputLayoutTest, HasALimitOfInputs) {
  std::vector<InputSpec> inputs;
  for (size_t i = 0; i <= InputLayout::kMaxInputs; ++i) {
    inputs.push_back({absl::StrCat("i", i), InputKind::kBool});
  }
  EXPECT_THAT(std::string(InputLayout::Create(inputs, {}, {}).status().message()),
              HasSubstr("there are 257 inputs; 256 are allowed"));
  inputs.pop_back();
  EXPECT_TRUE(InputLayout::Create(inputs, {}, {}).ok());
}

TEST(InputLayoutTest, FingerprintsTellLayoutsApart) {
  const auto print = [](const std::vector<InputSpec>& inputs, uint32_t knots) {
    InputLimits limits;
    limits.knots = knots;
    return (*InputLayout::Create(inputs, {}, limits))->fingerprint();
  };
  EXPECT_EQ(print({{"a", InputKind::kNumber}}, 8), print({{"a", InputKind::kNumber}}, 8));
  EXPECT_NE(print({{"a", InputKind::kNumber}}, 8), print({{"b", InputKind::kNumber}}, 8));
  EXPECT_NE(print({{"a", InputKind::kNumber}}, 8), print({{"a", InputKind::kBool}}, 8));
  EXPECT_NE(print({{"a", InputKind::kNumber}}, 8), print({{"a", InputKind::kNumber}}, 9));
}

TEST(InputEncoderTest, ANumberHasPartsOfBothKnotsAroundIt) {
  const InputEncoder encoder(SomeLayout(), {{10, 20, 40}});
  const auto knots = [&](double age) {
    const std::vector<double> parts =
        PartsOf(encoder, {InputValue::Number(age), InputValue::Missing(), InputValue::Missing()});
    return std::vector<double>(parts.begin() + 1, parts.begin() + 6);
  };
  // Of a missing value, of three knots, of one that isn't there.
  EXPECT_THAT(knots(10), ElementsAre(0, 1, 0, 0, 0));
  EXPECT_THAT(knots(12.5), ElementsAre(0, 0.75, 0.25, 0, 0));
  EXPECT_THAT(knots(35), ElementsAre(0, 0, 0.25, 0.75, 0));
  EXPECT_THAT(knots(40), ElementsAre(0, 0, 0, 1, 0));
  EXPECT_THAT(knots(-1e308), ElementsAre(0, 1, 0, 0, 0));
  EXPECT_THAT(knots(1e308), ElementsAre(0, 0, 0, 1, 0));
  EXPECT_THAT(knots(kInfinity), ElementsAre(0, 0, 0, 1, 0));
  EXPECT_THAT(knots(-kInfinity), ElementsAre(0, 1, 0, 0, 0));
  EXPECT_THAT(knots(std::nan("")), ElementsAre(1, 0, 0, 0, 0));
}

TEST(InputEncoderTest, KnotsMayBeAsFarApartAsNumbersCan) {
  const KnotPosition middle = PositionAmong({-1.7e308, 1.7e308}, 0);
  EXPECT_EQ(middle.at, 0);
  EXPECT_DOUBLE_EQ(middle.part, 0.5);
}

TEST(InputEncoderTest, WithoutKnotsANumberHasNoPart) {
  const InputEncoder encoder(SomeLayout());
  const std::vector<double> parts =
      PartsOf(encoder, {InputValue::Number(3), InputValue::Missing(), InputValue::Missing()});
  EXPECT_EQ(std::accumulate(parts.begin() + 1, parts.begin() + 6, 0.0), 0);
}

TEST(InputEncoderTest, BoolsAndCategoriesHaveOneWeightPerValue) {
  const InputEncoder encoder(SomeLayout());
  const auto parts = [&](InputValue vip, InputValue plan) {
    return PartsOf(encoder, {InputValue::Missing(), vip, plan});
  };
  EXPECT_EQ(parts(InputValue::Missing(), InputValue::Missing())[6], 1);
  EXPECT_EQ(parts(InputValue::Bool(false), InputValue::Missing())[7], 1);
  EXPECT_EQ(parts(InputValue::Bool(true), InputValue::Missing())[8], 1);
  EXPECT_EQ(parts(InputValue::Missing(), InputValue::Missing())[9], 1);
  // A text hits one of the eight weights behind that of a missing value; an empty one is a text
  // too.
  for (const char* plan : {"", "basic", "plus"}) {
    const std::vector<double> hashed = parts(InputValue::Missing(), InputValue::Category(plan));
    EXPECT_EQ(hashed[9], 0);
    EXPECT_EQ(std::accumulate(hashed.begin() + 10, hashed.begin() + 18, 0.0), 1);
  }
  // Of the wrong kind: missing.
  EXPECT_EQ(parts(InputValue::Category("yes"), InputValue::Number(3))[6], 1);
  EXPECT_EQ(parts(InputValue::Category("yes"), InputValue::Number(3))[9], 1);
}

TEST(InputEncoderTest, ACrossHasAWeightPerPair) {
  const InputEncoder encoder(SomeLayout());
  const auto cross = [&](double age, const char* plan) {
    const std::vector<double> parts = PartsOf(
        encoder, {InputValue::Number(age), InputValue::Missing(), InputValue::Category(plan)});
    EXPECT_EQ(std::accumulate(parts.begin() + 18, parts.end(), 0.0), 1);
    return std::vector<double>(parts.begin() + 18, parts.end());
  };
  // 4 and 5 agree in their first two binary digits, 4 and 6 don't.
  EXPECT_EQ(cross(4, "a"), cross(5, "a"));
  EXPECT_NE(cross(4, "a"), cross(6, "a"));
  EXPECT_NE(cross(4, "a"), cross(4, "b"));
  EXPECT_EQ(cross(0.0, "a"), cross(-0.0, "a"));
}

TEST(InputEncoderTest, KnotsAreAllOfAFewNumbersAndQuantilesOfMany) {
  EXPECT_THAT(InputEncoder::KnotsOf({1, 1, 2, 5, 5, 5}, 4), ElementsAre(1, 2, 5));
  EXPECT_THAT(InputEncoder::KnotsOf({}, 4), ElementsAre());
  std::vector<double> hundred(100);
  std::iota(hundred.begin(), hundred.end(), 0.0);
  EXPECT_THAT(InputEncoder::KnotsOf(hundred, 4), ElementsAre(12, 37, 62, 87));
  // One that is most of them is one knot.
  std::vector<double> zeros(90, 0.0);
  for (int i = 1; i <= 10; ++i) zeros.push_back(i);
  EXPECT_THAT(InputEncoder::KnotsOf(zeros, 4), ElementsAre(0));
}

TEST(MoveKnotsTest, NothingMovesWhereKnotsStay) {
  for (const KnotShare& share : MoveKnots({1, 2, 3}, {1, 2, 3})) {
    EXPECT_EQ(share.from, share.to);
    EXPECT_EQ(share.share, 1);
  }
}

TEST(MoveKnotsTest, SharesOfEveryKnotAddUpToOne) {
  struct Case {
    std::vector<double> from;
    std::vector<double> to;
  };
  for (const Case& c : {Case{{5}, {1, 2, 3}}, Case{{1, 2, 3}, {5}}, Case{{0, 10, 20}, {0, 11, 20}},
                        Case{{0, 1, 2, 3, 4}, {-7, 1.5, 90}}, Case{{0, 1}, {0.2, 0.4, 0.6, 0.8}}}) {
    std::vector<double> sums(c.from.size());
    for (const KnotShare& share : MoveKnots(c.from, c.to)) {
      EXPECT_GE(share.share, 0);
      ASSERT_LT(share.to, c.to.size());
      sums[share.from] += share.share;
    }
    for (const double sum : sums) EXPECT_NEAR(sum, 1, 1e-12);
  }
}

}  // namespace
}  // namespace attune::learning
