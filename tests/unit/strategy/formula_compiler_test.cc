#include "lib/strategy/formula_compiler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lib/base/hash.h"
#include "tests/unit/strategy/strategy_files.h"

namespace attune::strategy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// The small strategy with this in place of what stands behind the model's name.
Loaded LoadModelAs(const std::string& source) {
  return LoadText(Replaced(kSmallStrategy, "file: taste.yaml", source));
}
// The small strategy with a formula of the priority, and what stands below it.
Loaded LoadPriority(const std::string& lines) {
  return LoadText(Replaced(kSmallStrategy, "max_treatments: 2", lines));
}
// The small strategy with this as the content of the gift on the web.
Loaded LoadContent(const std::string& content) {
  return LoadText(Replaced(kSmallStrategy, "{title: A gift}", content));
}

TEST(FormulaCompilerTest, AModelMayBeAFormula) {
  const Loaded loaded = LoadModelAs("formula: double(customer.age) / 100.0");
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  const Strategy& strategy = *loaded.strategy;
  ASSERT_THAT(strategy.models.models, SizeIs(1));
  const std::string hash = ContentHash("double(customer.age) / 100.0", 64);
  EXPECT_EQ(strategy.models.models[0].version, "taste@" + hash.substr(0, 12));
  EXPECT_EQ(strategy.models.models[0].formula, 0);
  ASSERT_THAT(strategy.model_origins, SizeIs(1));
  EXPECT_EQ(strategy.model_origins[0].kind, "formula");
  EXPECT_EQ(strategy.model_origins[0].version, strategy.models.models[0].version);
  EXPECT_EQ(strategy.model_origins[0].hash, hash);
  EXPECT_EQ(strategy.model_origins[0].stored, "");
  EXPECT_FALSE(strategy.engagement.empty());
  EXPECT_EQ(strategy.engagement.size(), 0);
  EXPECT_NE(strategy.version,
            LoadModelAs("formula: double(customer.age) / 99.0").strategy->version);
}

TEST(FormulaCompilerTest, ReportsWhatIsWrongWithTheFormulaOfAModel) {
  EXPECT_THAT(LoadModelAs("formula: double(customer.agee) / 100.0").Issues(),
              ElementsAre(HasSubstr("s.yaml:15:")));
  EXPECT_THAT(LoadModelAs("formula: customer.plan").Issues(),
              ElementsAre("s.yaml:15:28: error: this must be of type double or int, but is "
                          "string"));
  EXPECT_THAT(LoadModelAs("formula: customer.age > 3").Issues(),
              ElementsAre(HasSubstr("must be of type double or int, but is bool")));
  EXPECT_THAT(LoadModelAs("formula: propensity").Issues(), SizeIs(1));
  EXPECT_THAT(LoadModelAs("formula: 1 / 0").Issues(), ElementsAre(HasSubstr("division by zero")));
  EXPECT_THAT(LoadModelAs("formula: 0.5, output: 1").Issues(),
              ElementsAre(HasSubstr("is for models of trees")));
  EXPECT_THAT(LoadModelAs("formula: \"" + std::string(8193, ' ') + "\"").Issues(), SizeIs(1));
}

TEST(FormulaCompilerTest, AModelIsExactlyOneOfItsKinds) {
  EXPECT_THAT(LoadModelAs("file: taste.yaml, formula: 0.5").Issues(),
              ElementsAre(HasSubstr("error: a model has either file or formula")));
  EXPECT_THAT(LoadModelAs("stored: taste, formula: 0.5").Issues(),
              ElementsAre(HasSubstr("error: a model has either stored or formula")));
  EXPECT_THAT(LoadModelAs("formula: ''").Issues(), ElementsAre(HasSubstr("\"file\"")));
  EXPECT_THAT(LoadModelAs("formula: [0.5]").Issues(),
              ElementsAre(HasSubstr("formula must be text, not a list")));
}

TEST(FormulaCompilerTest, ThePriorityMayBeAFormula) {
  const Loaded loaded =
      LoadPriority("priority: 'propensity * value * (customer.age > 60 ? 1.5 : 1.0) - cost'");
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  EXPECT_EQ(loaded.strategy->engagement.formulas().priority, 0);
  EXPECT_EQ(LoadText(kSmallStrategy).strategy->engagement.formulas().priority, -1);
  EXPECT_TRUE(LoadText(kSmallStrategy).strategy->engagement.empty());
}

TEST(FormulaCompilerTest, ReportsWhatIsWrongWithThePriority) {
  EXPECT_THAT(LoadPriority("priority: propensity * worth").Issues(),
              ElementsAre(HasSubstr("s.yaml:32:")));
  EXPECT_THAT(LoadPriority("priority: propensity > 0.5").Issues(),
              ElementsAre("s.yaml:32:13: error: this must be of type double or int, but is bool"));
  EXPECT_THAT(LoadPriority("priority: ''").Issues(),
              ElementsAre("s.yaml:32:13: error: priority needs a formula"));
  EXPECT_THAT(LoadPriority("priority: propensity\n  without: [value]").Issues(),
              ElementsAre(HasSubstr("with a formula of the priority (line 32) no factor is "
                                    "switched off")));
}

TEST(FormulaCompilerTest, OnlyThePriorityKnowsItsTerms) {
  for (const char* term : {"propensity", "context_weight", "value", "lever", "cost"}) {
    EXPECT_THAT(LoadPriority(std::string("priority: ") + term).Issues(), IsEmpty()) << term;
    EXPECT_THAT(LoadModelAs(std::string("formula: ") + term).Issues(), SizeIs(1)) << term;
    EXPECT_THAT(LoadContent("{title: {computed: " + std::string(term) + "}}").Issues(), SizeIs(1))
        << term;
  }
}

TEST(FormulaCompilerTest, AFormulaOfThePriorityIsNotTakenForHopeless) {
  // Without a value no default priority is above 0, and a min_priority of 100 would never be met.
  const std::string worthless = Replaced(kSmallStrategy, "    value: 20\n", "");
  EXPECT_THAT(LoadText(worthless).Issues(), SizeIs(1));
  EXPECT_THAT(LoadText(Replaced(worthless, "max_treatments: 2",
                                "min_priority: 100\n  priority: 200.0 * propensity"))
                  .Issues(),
              IsEmpty());
}

TEST(FormulaCompilerTest, WarnsOfThompsonSamplingWhereTheFormulaIsCertain) {
  const std::string thompson = "\n  exploration: {thompson_sampling: {evidence: 9}}";
  EXPECT_THAT(LoadPriority("priority: value - cost" + thompson).Issues(),
              ElementsAre(HasSubstr("warning: without the propensity no priority is uncertain")));
  EXPECT_THAT(LoadPriority("priority: propensity * value - cost" + thompson).Issues(), IsEmpty());
}

TEST(FormulaCompilerTest, ContentIsWrittenOrComputedFieldByField) {
  const Loaded loaded =
      LoadContent("{z: {computed: customer.plan}, title: A gift, n: {computed: customer.age * 2}}");
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  const Strategy& strategy = *loaded.strategy;
  EXPECT_THAT(strategy.catalog.treatments[0].content[0].value(),
              ElementsAre(::testing::Pair("title", "A gift")));
  std::vector<std::string> names;
  for (const policy::ComputedField& field : strategy.engagement.formulas().FieldsOf(0, 0)) {
    names.push_back(field.name);
  }
  EXPECT_THAT(names, ElementsAre("n", "z"));
  EXPECT_THAT(strategy.engagement.formulas().FieldsOf(0, 1), IsEmpty());
}

TEST(FormulaCompilerTest, AllOfAContentMayBeComputed) {
  const Loaded loaded = LoadContent("{title: {computed: customer.plan}}");
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  EXPECT_THAT(loaded.strategy->catalog.treatments[0].content[0].value(), IsEmpty());
}

TEST(FormulaCompilerTest, ReportsWhatIsWrongWithComputedContent) {
  EXPECT_THAT(LoadContent("{title: {computed: customer.plann}}").Issues(),
              ElementsAre(HasSubstr("s.yaml:23:")));
  EXPECT_THAT(LoadContent("{title: {computed: context.time}}").Issues(),
              ElementsAre(HasSubstr("s.yaml:23:31: error: this must be of type string or int or "
                                    "double or bool, but is ")));
  EXPECT_THAT(LoadContent("{title: {computed: ''}}").Issues(),
              ElementsAre("s.yaml:23:31: error: computed needs an expression"));
  EXPECT_THAT(
      LoadContent("{title: {compute: customer.plan}}").Issues(),
      ElementsAre("s.yaml:23:21: error: unknown key \"compute\"; content[\"web\"][\"title\"] "
                  "is a text, or {computed: EXPRESSION}"));
  EXPECT_THAT(LoadContent("{title: {}}").Issues(),
              ElementsAre(HasSubstr("must be a text, or {computed: EXPRESSION}, not a map")));
  EXPECT_THAT(LoadContent("{title: {computed: [1]}}").Issues(),
              ElementsAre(HasSubstr("computed must be text, not a list")));
  EXPECT_THAT(LoadContent("{title: [A gift]}").Issues(),
              ElementsAre(HasSubstr("must be text, not a list")));
  EXPECT_THAT(LoadContent("{Title: {computed: customer.plan}}").Issues(),
              ElementsAre(HasSubstr("s.yaml:23:13: error: the name of the field \"Title\"")));
  EXPECT_THAT(LoadContent("{title: A gift, title: {computed: customer.plan}}").Issues(),
              ElementsAre(HasSubstr("duplicate key \"title\"")));
}

TEST(FormulaCompilerTest, WarnsOfContentThatShowsAProtectedValue) {
  const Loaded loaded = LoadText(
      Replaced(Replaced(kSmallStrategy, "{title: A gift}", "{title: {computed: customer.plan}}"),
               "- {name: plan, type: string}", "- {name: plan, type: string, protected: true}"));
  EXPECT_THAT(loaded.Issues(), ElementsAre(HasSubstr("s.yaml:23:31: warning: this looks at "
                                                     "something protected")));
  EXPECT_NE(loaded.strategy, nullptr);
}

TEST(FormulaCompilerTest, ComputedFieldsCountToo) {
  std::string fields = "{";
  for (int i = 0; i < 33; ++i) {
    fields += (i > 0 ? ", f" : "f") + std::to_string(i) +
              (i % 2 == 0 ? ": x" : ": {computed: customer.plan}");
  }
  EXPECT_THAT(LoadContent(fields + "}").Issues(),
              ElementsAre(HasSubstr("a content may have at most 32 fields, not 33")));
}

TEST(FormulaCompilerTest, ReportsEverythingAtOnce) {
  std::string text = Replaced(kSmallStrategy, "file: taste.yaml", "formula: customer.a");
  text = Replaced(text, "{title: A gift}", "{title: {computed: customer.b}}");
  text = Replaced(text, "max_treatments: 2", "priority: customer.c");
  EXPECT_THAT(LoadText(text).Issues(),
              UnorderedElementsAre(HasSubstr("s.yaml:15:"), HasSubstr("s.yaml:23:"),
                                   HasSubstr("s.yaml:32:")));
}

}  // namespace
}  // namespace attune::strategy
