#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/expression/rule_set.h"
#include "lib/strategy/engagement_compiler.h"
#include "tests/unit/strategy/strategy_files.h"

namespace attune::strategy {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct ErrorCase {
  std::string name;
  std::string yaml;  // appended to the small strategy, whose last line is 34
  std::vector<std::string> issues;
};

void PrintTo(const ErrorCase& c, std::ostream* out) { *out << c.name; }

class EngagementErrors : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(EngagementErrors, AreReportedWhereTheyStand) {
  const Loaded loaded = LoadText(std::string(kSmallStrategy) + GetParam().yaml);
  EXPECT_EQ(loaded.strategy, nullptr);
  EXPECT_THAT(loaded.Issues(), ElementsAreArray(GetParam().issues));
}

std::string When(const std::string& when) {
  return "eligibility:\n  - name: r\n    when: " + when + "\n";
}
constexpr char kOutcomes[] = "outcomes: [{name: shown}]\n";
constexpr char kRetention[] = "outcomes: [{name: shown}]\nhistory: {retention: 90d}\n";

INSTANTIATE_TEST_SUITE_P(
    All, EngagementErrors,
    ::testing::Values(
        ErrorCase{"UnknownFeature",
                  When("customer.age > 3 && customer.paln == 'big'"),
                  {"s.yaml:37:31: error: unknown name \"customer.paln\"; did you mean "
                   "\"customer.plan\"?"}},
        ErrorCase{"AllAtOnce",
                  When("customer.agee > 3 && customer.paln == 'big'"),
                  {"s.yaml:37:11: error: unknown name \"customer.agee\"; did you mean "
                   "\"customer.age\"?",
                   "s.yaml:37:32: error: unknown name \"customer.paln\"; did you mean "
                   "\"customer.plan\"?"}},
        ErrorCase{"WrongTypes",
                  When("customer.age == 'x'"),
                  {"s.yaml:37:24: error: \"==\" is not defined for (int, string)"}},
        ErrorCase{"NoCondition",
                  When("customer.age + 1"),
                  {"s.yaml:37:11: error: this must be of type bool, but is int"}},
        ErrorCase{"InDoubleQuotes",
                  When("\"'\\\"' == 'x' || customer.agee > 3\""),
                  {"s.yaml:37:27: error: unknown name \"customer.agee\"; did you mean "
                   "\"customer.age\"?"}},
        ErrorCase{"InSingleQuotes",
                  When("'''a'' == ''b'' || customer.agee > 3'"),
                  {"s.yaml:37:30: error: unknown name \"customer.agee\"; did you mean "
                   "\"customer.age\"?"}},
        ErrorCase{"BehindAnEscapeThatCanNotBeFollowed",
                  When("\"'\\u00e4' == 'x' || customer.agee > 3\""),
                  {"s.yaml:37:11: error: unknown name \"customer.agee\"; did you mean "
                   "\"customer.age\"?"}},
        ErrorCase{"InALiteralBlock",
                  When("|\n      customer.age > 3 &&\n        customer.agee < 9"),
                  {"s.yaml:39:9: error: unknown name \"customer.agee\"; did you mean "
                   "\"customer.age\"?"}},
        ErrorCase{"InAFoldedBlock",
                  When(">-\n      customer.age > 3\n      && customer.agee < 9"),
                  {"s.yaml:39:10: error: unknown name \"customer.agee\"; did you mean "
                   "\"customer.age\"?"}},
        ErrorCase{"OverSeveralPlainLines",
                  When("customer.age > 3\n      && customer.agee < 9"),
                  {"s.yaml:38:10: error: unknown name \"customer.agee\"; did you mean "
                   "\"customer.age\"?"}},
        ErrorCase{"EndsTooEarly",
                  When("customer.age >"),
                  {"s.yaml:37:25: error: expected a value, found the end of the expression"}},
        ErrorCase{"DurationInDays",
                  When("context.time - timestamp('2026-01-01T00:00:00Z') > duration('7d')"),
                  {"s.yaml:37:62: error: this fails always: duration(): can't be read: 7d"}},
        ErrorCase{"UnknownOutcome",
                  kOutcomes + When("history.all.count(['shown', 'shwn'], duration('24h')) < 1"),
                  {"s.yaml:38:39: error: unknown outcome \"shwn\"; did you mean \"shown\"?"}},
        ErrorCase{"WindowLongerThanTheHistory",
                  kRetention + When("history.all.count(['shown'], duration('2161h')) < 1"),
                  {"s.yaml:39:40: error: the history keeps 90d (history.retention), so nothing can "
                   "be counted within 90d1h"}},
        ErrorCase{"ChosenWindowLongerThanTheHistory",
                  kRetention + When("\"history.all.count(['shown'], customer.age > 3 ? "
                                    "duration('1h') : duration('2161h')) < 1\""),
                  {"s.yaml:39:41: error: the history keeps 90d (history.retention), so nothing can "
                   "be counted within 90d1h"}},
        ErrorCase{"WindowLongerThanAnyMayBe",
                  kOutcomes + When("history.all.count(['shown'], duration('87601h')) < 1"),
                  {"s.yaml:38:40: error: the window must be at most 3650d"}},
        ErrorCase{"WindowOfNothing",
                  kOutcomes + When("history.all.count(['shown'], duration('0s')) < 1"),
                  {"s.yaml:38:40: error: the window must be longer than 0"}},
        ErrorCase{"NoOutcome",
                  When("history.all.count([], duration('1s')) < 1"),
                  {"s.yaml:37:29: error: names no outcome; nothing would be counted"}},
        ErrorCase{"DuplicateRule",
                  "eligibility: [{name: r, when: customer.age > 3}]\nsuitability: [{name: r, when: "
                  "customer.age > 3}]\n",
                  {"s.yaml:36:22: error: duplicate name \"r\" of a rule; it stands on line 35 "
                   "already"}},
        ErrorCase{"RuleWithTheNameOfAContactPolicy",
                  "contact: [{name: r, quiet_hours: {from: \"21:00\", until: \"08:00\"}}]\n"
                  "suitability: [{name: r, when: customer.age > 3}]\n",
                  {"s.yaml:36:22: error: duplicate name \"r\" of a rule; it stands on line 35 "
                   "already"}},
        ErrorCase{"RuleWithoutACondition",
                  "eligibility: [{name: r}]\n",
                  {"s.yaml:35:15: error: a rule needs the key \"when\""}},
        ErrorCase{"SentenceTooLong",
                  "eligibility: [{name: r, when: customer.age > 3, because: " +
                      std::string(1025, 'x') + "}]\n",
                  {"s.yaml:35:58: error: because has 1025 bytes; at most 1024 are allowed"}},
        ErrorCase{"SentenceOfAContactPolicyTooLong",
                  "contact: [{name: r, because: " + std::string(1025, 'x') +
                      ", quiet_hours: {from: \"21:00\", until: \"08:00\"}}]\n",
                  {"s.yaml:35:30: error: because has 1025 bytes; at most 1024 are allowed"}},
        ErrorCase{"TheMapThatItWas",
                  "applicability: {channels: [web]}\n",
                  {"s.yaml:35:16: error: applicability must be a list, not a map of keys"}},
        ErrorCase{"Cycle",
                  "derived:\n  - {name: a, value: derived.b + 1}\n"
                  "  - {name: b, value: 1 + derived.c}\n  - {name: c, value: derived.a * 2}\n" +
                      When("derived.a > 1"),
                  {"s.yaml:38:22: error: a derived value can't depend on itself: derived.a -> "
                   "derived.b -> derived.c -> derived.a"}},
        ErrorCase{"CycleOfOne",
                  "derived:\n  - {name: a, value: derived.a + 1}\n",
                  {"s.yaml:36:22: error: a derived value can't depend on itself: derived.a -> "
                   "derived.a"}},
        ErrorCase{"BrokenFormulaIsReportedOnce",
                  "derived:\n  - {name: a, value: customer.agee + 1}\n"
                  "  - {name: b, value: derived.a * 2}\n" +
                      When("derived.b > 1"),
                  {"s.yaml:36:22: error: unknown name \"customer.agee\"; did you mean "
                   "\"customer.age\"?"}},
        ErrorCase{"UnknownDerivedValue",
                  "derived: [{name: spend, value: '1.0'}]\n" + When("derived.spent > 1.0"),
                  {"s.yaml:38:11: error: unknown name \"derived.spent\"; did you mean "
                   "\"derived.spend\"?"}},
        ErrorCase{"DuplicateDerivedValue",
                  "derived:\n  - {name: a, value: '1'}\n  - {name: a, value: '2'}\n",
                  {"s.yaml:37:12: error: duplicate derived value \"a\"; it is declared on line 36 "
                   "already"}},
        ErrorCase{"ReservedTreatmentAttribute",
                  "treatment_attributes: [{name: group, type: int}]\n",
                  {"s.yaml:35:31: error: treatment.group is there without being declared"}}),
    [](const auto& test) { return test.param.name; });

constexpr int64_t kDayMs = 86'400'000;

// How long a strategy with these rules keeps what happens, in milliseconds; without errors.
int64_t RetentionWith(const std::string& yaml) {
  const Loaded loaded = LoadText(std::string(kSmallStrategy) + kOutcomes + yaml);
  EXPECT_NE(loaded.strategy, nullptr) << loaded.issues.ToString();
  return loaded.strategy == nullptr ? 0 : loaded.strategy->history.retention_ms;
}

TEST(HistoryWindowsTest, TheLongestWindowOfARuleIsKept) {
  const std::string days_200 = "history.treatment.count(['shown'], duration('4800h'))";
  EXPECT_EQ(RetentionWith(When("history.all.count(['shown'], duration('24h')) < 1")), 90 * kDayMs);
  EXPECT_EQ(RetentionWith(When(days_200 + " < 1")), 200 * kDayMs);
  EXPECT_EQ(RetentionWith(When("customer.age < 9 || (" + days_200 + " < 1 && " + days_200 +
                               " < customer.age)")),
            200 * kDayMs)
      << "also where it is counted once for several";
  EXPECT_EQ(RetentionWith("derived: [{name: often, value: \"" + days_200 + " > 3\"}]\n" +
                          When("'!derived.often'")),
            200 * kDayMs);
  EXPECT_EQ(RetentionWith("derived: [{name: window, value: \"duration('4800h')\"}]\n" +
                          When("history.all.count(['shown'], derived.window) < 1")),
            200 * kDayMs);
  EXPECT_EQ(RetentionWith("derived:\n  - name: window\n    value: "
                          "\"customer.age < 9 ? duration('24h') : duration('4800h')\"\n" +
                          When("history.all.count(['shown'], derived.window) < derived.window."
                               "getHours() && customer.age < 9")),
            200 * kDayMs)
      << "also one of several that may be chosen";
  EXPECT_EQ(RetentionWith("contact:\n  - {name: cap, cap: {at_most: 2, outcomes: [shown], window: "
                          "300d}}\n" +
                          When(days_200 + " < 1")),
            300 * kDayMs);
  EXPECT_EQ(RetentionWith("history: {retention: 250d}\n" + When(days_200 + " < 1")), 250 * kDayMs);
}

TEST(HistoryWindowsTest, AWindowThatIsComputedLeavesTheRetentionAsItIs) {
  EXPECT_EQ(RetentionWith(When("history.all.count(['shown'], duration(string(customer.age) + 'h')) "
                               "< 1")),
            90 * kDayMs);
}

TEST(EngagementErrorsTest, AConditionThatNeverChangesIsDoubtful) {
  const auto issues_of = [](const std::string& when) {
    const Loaded loaded = LoadText(std::string(kSmallStrategy) + When(when));
    EXPECT_NE(loaded.strategy, nullptr);
    return loaded.Issues();
  };
  EXPECT_THAT(issues_of("1 > 2"),
              ElementsAreArray({"s.yaml:37:11: warning: always false, whatever the values are"}));
  EXPECT_THAT(issues_of("customer.age > 3 || true"),
              ElementsAreArray({"s.yaml:37:11: warning: always true, whatever the values are"}));
  EXPECT_THAT(
      issues_of("\"[1, 2].exists(x, x > 1)\""),
      ElementsAreArray({"s.yaml:37:12: warning: always the same, whatever the values are"}));
  EXPECT_THAT(issues_of("customer.age > 3 || false"), IsEmpty());
}

TEST(HistoryWindowsTest, TheCheckNamesWhatTheBoundCanNotHold) {
  const std::string suffix =
      ": warning: the 512 interactions that are kept hold 128 days of a customer with 4 a day; "
      "where the history doesn't reach back far enough counting fails, and a rule does not hold "
      "(history.max_interactions, history.interactions_per_day)";
  const auto issues_of = [](const std::string& yaml) {
    const Loaded loaded = LoadText(std::string(kSmallStrategy) + kOutcomes + yaml);
    EXPECT_NE(loaded.strategy, nullptr);
    return loaded.Issues();
  };
  const std::string count = "history.all.count(['shown'], duration('3073h'))";
  EXPECT_THAT(issues_of(When("history.all.count(['shown'], duration('3072h')) < 1")), IsEmpty());
  EXPECT_THAT(issues_of(When(count + " < 1")), ElementsAreArray({"s.yaml:38:40" + suffix}));
  EXPECT_THAT(issues_of("history: {max_interactions: 513}\n" + When(count + " < 1")), IsEmpty());
  EXPECT_THAT(
      issues_of("derived: [{name: shown, value: \"" + count + "\"}]\n" + When("derived.shown < 1")),
      ElementsAreArray({"s.yaml:36:62" + suffix}));
}

TEST(EngagementErrorsTest, AttributesMustBeDeclaredAndOfTheirType) {
  const std::string declared = "treatment_attributes: [{name: margin, type: double}]\n";
  const auto with = [&](const std::string& attributes) {
    return LoadText(Replaced(kSmallStrategy, "cost: 1", "attributes: " + attributes) + declared)
        .Issues();
  };
  EXPECT_THAT(with("{margin: 3}"), IsEmpty());
  EXPECT_THAT(with("{margn: 3}"),
              ElementsAreArray({"s.yaml:21:18: error: unknown treatment attribute \"margn\"; did "
                                "you mean \"margin\"?"}));
  EXPECT_THAT(with("{margin: high}"),
              ElementsAreArray({"s.yaml:21:26: error: the value must be a number for the type "
                                "double, not the text \"high\""}));
}

TEST(EngagementErrorsTest, LimitsHaveNames) {
  std::string rules = "eligibility:\n";
  for (int i = 0; i < 33; ++i) rules += "  - {name: r" + std::to_string(i) + ", when: 'true'}\n";
  EXPECT_THAT(LoadText(std::string(kSmallStrategy) + rules).Issues(),
              ElementsAreArray({"s.yaml:36:3: error: the list has 33 rules; at most 32 are "
                                "allowed"}));
  const std::string longest =
      "eligibility: [{name: r, when: \"customer.plan != '" + std::string(8192, 'x') + "'\"}]\n";
  const Loaded loaded = LoadText(std::string(kSmallStrategy) + longest);
  ASSERT_EQ(loaded.issues.errors(), 1u);
  EXPECT_THAT(loaded.Issues()[0], HasSubstr("8192"));
}

TEST(EngagementErrorsTest, TheEnvironmentTypesExpressionsAgainstAStrategy) {
  const Loaded loaded = LoadText(std::string(kSmallStrategy) +
                                 "outcomes: [{name: shown}]\n"
                                 "derived: [{name: halves, value: '[customer.age / 2]'}]\n");
  ASSERT_NE(loaded.strategy, nullptr) << loaded.issues.ToString();
  const auto type_of = [&](std::string_view text) {
    IssueList issues;
    expression::CompileOptions options;
    options.check_constants = true;
    const auto rules = expression::CompileOne(MakeEnvironment(*loaded.strategy), "expression", text,
                                              options, issues);
    return rules == nullptr ? issues.ToString() : rules->type(0);
  };
  EXPECT_EQ(type_of("derived.halves[0] + customer.age"), "int");
  EXPECT_EQ(type_of("history.all.last(['shown'])"), "timestamp");
  EXPECT_EQ(type_of("context.attributes.mood"), "double");
  EXPECT_THAT(type_of("history.all.last(['show'])"), HasSubstr("did you mean \"shown\"?"));
  EXPECT_EQ(type_of("history.all.count(['shown'], duration('4800h'))"), "int");
}

}  // namespace
}  // namespace attune::strategy
