#include <cmath>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/policy/customer_scores.h"
#include "tests/unit/strategy/strategy_files.h"

namespace attune::strategy {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

struct ScoreErrorCase {
  std::string name;
  std::string yaml;  // appended to the small strategy, whose last line is 34
  int line = 0;
  std::string message;
};

void PrintTo(const ScoreErrorCase& c, std::ostream* out) { *out << c.name; }

class ScoreErrors : public ::testing::TestWithParam<ScoreErrorCase> {};

TEST_P(ScoreErrors, AreReportedWhereTheyStand) {
  const Loaded loaded = LoadText(std::string(kSmallStrategy) + GetParam().yaml);
  EXPECT_EQ(loaded.strategy, nullptr);
  EXPECT_THAT(loaded.Issues(),
              Contains(AllOf(StartsWith(absl::StrCat("s.yaml:", GetParam().line, ":")),
                             HasSubstr(": error: "), HasSubstr(GetParam().message))));
}

constexpr char kAgeScore[] = "scores:\n  - name: worth\n    value: double(customer.age)\n";

INSTANTIATE_TEST_SUITE_P(
    All, ScoreErrors,
    ::testing::Values(
        ScoreErrorCase{"LooksAtTheContext",
                       "scores:\n  - name: worth\n    value: \"context.channel == 'web' ? 1.0 : "
                       "2.0\"\n",
                       37, "a score depends on the customer alone, but context.channel does not"},
        ScoreErrorCase{"LooksAtATreatment",
                       "scores:\n  - name: worth\n    value: double(size(treatment.name))\n", 37,
                       "a score depends on the customer alone, but treatment.name does not"},
        ScoreErrorCase{"LooksAtTheContextByADerivedValue",
                       "scores:\n  - name: worth\n    value: derived.d * 2.0\n"
                       "derived:\n  - name: d\n    value: double(size(context.intent))\n",
                       37, "a score depends on the customer alone, but derived.d does not"},
        ScoreErrorCase{"LooksAtWhereTheCustomerStands",
                       "scores:\n  - {name: a, value: double(customer.age)}\n"
                       "  - {name: b, value: score.a.percentile}\n",
                       37, "but score.a.percentile does not"},
        ScoreErrorCase{"AsksTheFunctionWhereTheCustomerStands",
                       "scores:\n  - name: worth\n    value: percentile_of_score(1.0, 0)\n", 37,
                       "but percentile_of_score does not"},
        ScoreErrorCase{"IsNoDouble", "scores:\n  - name: worth\n    value: customer.age + 1\n", 37,
                       "must be of type double, but is int"},
        ScoreErrorCase{"HasAnUnknownName",
                       "scores:\n  - name: worth\n    value: double(customer.agee)\n", 37,
                       "unknown name \"customer.agee\"; did you mean \"customer.age\"?"},
        ScoreErrorCase{"IsACycle",
                       "scores:\n  - {name: a, value: score.b.value}\n"
                       "  - {name: b, value: score.a.value}\n",
                       37,
                       "a score can't depend on itself: score.a.value -> score.b.value -> "
                       "score.a.value"},
        ScoreErrorCase{"HasNoFormula", "scores:\n  - name: worth\n    value: \"\"\n", 37,
                       "value needs a formula"},
        ScoreErrorCase{"IsThereTwice",
                       "scores:\n  - {name: a, value: double(customer.age)}\n"
                       "  - {name: a, value: double(customer.age)}\n",
                       37, "duplicate score \"a\"; it is declared on line 36 already"},
        ScoreErrorCase{"HasATierThatNobodyIsIn",
                       absl::StrCat(kAgeScore,
                                    "    tiers:\n      - {name: low, from_percentile: "
                                    "10}\n"),
                       39, "the first tier must begin at 0"},
        ScoreErrorCase{"HasTiersInTheWrongOrder",
                       absl::StrCat(kAgeScore,
                                    "    tiers:\n      - {name: low}\n"
                                    "      - {name: high, from_percentile: 90}\n"
                                    "      - {name: middle, from_percentile: 50}\n"),
                       41, "must be higher than the 90 of the tier before it"},
        ScoreErrorCase{"HasATierBeyondAHundred",
                       absl::StrCat(kAgeScore,
                                    "    tiers:\n      - {name: low}\n"
                                    "      - {name: high, from_percentile: 101}\n"),
                       40, "100"},
        ScoreErrorCase{"HasNoTiers",
                       absl::StrCat(kAgeScore,
                                    "eligibility:\n  - name: r\n"
                                    "    when: score.worth.tier == 'high'\n"),
                       40, "unknown name \"score.worth.tier\""}),
    [](const auto& instance) { return instance.param.name; });

TEST(CustomerScoresTest, ManyAreRefused) {
  std::string yaml = "scores:\n";
  for (int i = 0; i <= policy::kMaxScores; ++i) {
    absl::StrAppend(&yaml, "  - {name: s", i, ", value: double(customer.age)}\n");
  }
  EXPECT_THAT(LoadText(std::string(kSmallStrategy) + yaml).Issues(),
              Contains(HasSubstr("scores has 17 entries; at most 16 are allowed")));
}

TEST(CustomerScoresTest, AreComputedFromTheCustomerAlone) {
  const Loaded loaded = LoadText(std::string(kSmallStrategy) + R"(scores:
  - {name: total, value: score.base.value + derived.bonus}
  - {name: base, value: double(customer.age) * 2.0, tiers: [{name: all}]}
  - {name: broken, value: 1.0 / (double(customer.age) - 50.0)}
derived:
  - {name: bonus, value: "customer.plan == 'big' ? 100.0 : 0.0"}
  - {name: place, value: score.base.percentile / 2.0}
eligibility:
  - {name: r, when: derived.place >= 0.0 && score.base.tier == 'all'}
)");
  ASSERT_NE(loaded.strategy, nullptr) << loaded.Issues().front();
  EXPECT_THAT(loaded.Issues(), IsEmpty());
  const policy::CustomerScores& scores = loaded.strategy->engagement.scores();
  ASSERT_THAT(scores.scores, SizeIs(3));
  policy::ScoreEvaluator evaluator(scores);
  const auto value = [&](const std::string& score, absl::Span<const ValueRef> features) {
    return evaluator.Evaluate(features)[static_cast<size_t>(scores.IndexOf(score))];
  };
  const std::vector<ValueRef> big = {ValueRef::Int(41), ValueRef::String("big")};
  EXPECT_EQ(value("base", big), 82);
  EXPECT_EQ(value("total", big), 182);
  const auto defaults = loaded.strategy->features.defaults();
  EXPECT_EQ(value("total", defaults), 60) << "the declared default of the age is 30";
  const std::vector<ValueRef> fifty = {ValueRef::Int(50), ValueRef::String("")};
  EXPECT_TRUE(std::isnan(value("broken", fifty))) << "infinite is no score";
  EXPECT_EQ(value("base", fifty), 100) << "the others have nothing to do with it";
  EXPECT_EQ(scores.IndexOf("none"), -1);
}

TEST(CustomerScoresTest, TheFingerprintTellsWhetherScoresMayDiffer) {
  const auto fingerprint = [](const std::string& scores) {
    const Loaded loaded = LoadText(std::string(kSmallStrategy) + scores);
    EXPECT_NE(loaded.strategy, nullptr);
    return loaded.strategy == nullptr ? "" : loaded.strategy->engagement.scores().fingerprint;
  };
  const std::string first = fingerprint(kAgeScore);
  EXPECT_THAT(first, SizeIs(12));
  EXPECT_EQ(fingerprint(absl::StrCat(kAgeScore, "    description: other words\n")), first);
  EXPECT_EQ(fingerprint(absl::StrCat(kAgeScore, "    tiers: [{name: all}]\n")), first);
  EXPECT_NE(fingerprint("scores:\n  - {name: worth, value: double(customer.age) + 1.0}\n"), first);
}

TEST(CustomerScoresTest, TheFingerprintOfAScoreIsOfWhatItNames) {
  const auto scores = [](const std::string& base) {
    const Loaded loaded = LoadText(absl::StrCat(
        std::string(kSmallStrategy), "scores:\n  - {name: base, value: ", base,
        "}\n  - {name: total, value: score.base.value + 1.0}\n  - {name: other, value: 2.0}\n"));
    EXPECT_NE(loaded.strategy, nullptr);
    return loaded.strategy->engagement.scores().scores;
  };
  const auto first = scores("double(customer.age)");
  const auto second = scores("2.0 * double(customer.age)");
  ASSERT_THAT(first, SizeIs(3));
  ASSERT_THAT(second, SizeIs(3));
  EXPECT_NE(second[0].fingerprint, first[0].fingerprint);
  EXPECT_NE(second[1].fingerprint, first[1].fingerprint) << "total names base";
  EXPECT_EQ(second[2].fingerprint, first[2].fingerprint);
}

}  // namespace
}  // namespace attune::strategy
