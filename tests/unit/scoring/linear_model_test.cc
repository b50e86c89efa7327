#include "lib/scoring/linear_model.h"

#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/strategy_builder.h"

namespace attune::scoring {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

namespace pb = attune::strategy::v1;

constexpr double kDay = 86'400e6;  // in microseconds

double Logistic(double sum) { return 1 / (1 + std::exp(-sum)); }

// Models on the inputs of testing::kSmallStrategy. Treatments: 0 fast_callback (resolution),
// 1 goodwill_credit (care), 2 upgrade (offer), 3 accessory (offer).
class LinearModelTest : public ::testing::Test {
 protected:
  LinearModelTest()
      : strategy_(builder_.BuildFromText(testing::kSmallStrategy, {})),
        names_{strategy_->features, strategy_->context, strategy_->catalog},
        features_(strategy_->features.defaults().begin(), strategy_->features.defaults().end()) {
    context_.attributes.assign(strategy_->context.attributes.defaults().begin(),
                               strategy_->context.attributes.defaults().end());
    context_.time_us = 1'772'323'200'000'000;
  }

  std::unique_ptr<const Model> Create(const std::string& text) {
    issues_.clear();
    return CreateModel(testing::FromText<pb::Model>(text), names_, inputs_,
                       [this](std::string_view path, std::string message) {
                         issues_.emplace_back(std::string(path), std::move(message));
                       });
  }
  // An identity model of these terms, so that a prediction is the plain sum.
  std::unique_ptr<const Model> Identity(const std::string& terms) {
    std::unique_ptr<const Model> model = Create("linear { link: LINK_IDENTITY " + terms + "}");
    EXPECT_THAT(issues_, IsEmpty());
    return model;
  }
  // The issues of a model of one term.
  std::vector<std::pair<std::string, std::string>> IssuesOf(const std::string& term) {
    EXPECT_EQ(Create("linear { link: LINK_LOGISTIC terms { " + term + "} }"), nullptr) << term;
    return issues_;
  }

  double Predict(const Model& model, int treatment = 0) {
    inputs_.Fill(strategy_->context, context_, features_, frame_);
    double propensity = -1;
    model.Predict(frame_, absl::MakeConstSpan(&treatment, 1), absl::MakeSpan(&propensity, 1),
                  scratch_);
    return propensity;
  }

  ValueRef& Feature(std::string_view name) {
    return features_[static_cast<size_t>(strategy_->features.SlotOf(name))];
  }
  ValueRef& Attribute(std::string_view name) {
    return context_.attributes[static_cast<size_t>(strategy_->context.attributes.SlotOf(name))];
  }

  testing::StrategyBuilder builder_;
  const std::shared_ptr<strategy::Strategy> strategy_;
  const InputNames names_;
  InputTable inputs_;
  context::DecisionContext context_;
  std::vector<ValueRef> features_;
  InputFrame frame_;
  ModelScratch scratch_;
  std::vector<std::pair<std::string, std::string>> issues_;
};

TEST_F(LinearModelTest, LogisticLinkMakesAProbability) {
  const auto model = Create("linear { link: LINK_LOGISTIC intercept: 0.7 }");
  ASSERT_NE(model, nullptr);
  EXPECT_DOUBLE_EQ(Predict(*model), Logistic(0.7));
}

TEST_F(LinearModelTest, IdentityLinkCutsToZeroAndOne) {
  EXPECT_EQ(Predict(*Identity("intercept: 0.25")), 0.25);
  EXPECT_EQ(Predict(*Identity("intercept: -0.25")), 0.0);
  EXPECT_EQ(Predict(*Identity("intercept: 1.25")), 1.0);
}

TEST_F(LinearModelTest, NumericTermIsCentredAndScaled) {
  const auto model = Identity(
      R"(terms { input: "customer.monthly_charges" numeric { weight: 0.5 mean: 20 scale: 100 } })");
  Feature("monthly_charges") = ValueRef::Double(70);
  EXPECT_DOUBLE_EQ(Predict(*model), 0.25);
  Feature("monthly_charges") = ValueRef::Double(20);
  EXPECT_EQ(Predict(*model), 0.0);
}

TEST_F(LinearModelTest, NumericTermTakesIntsBoolsAndAttributes) {
  const auto model = Identity(R"(
      terms { input: "customer.tenure_months" numeric { weight: 0.001 } }
      terms { input: "customer.vip" numeric { weight: 0.25 } }
      terms { input: "context.attributes.wait_s" numeric { weight: 0.01 } })");
  Feature("tenure_months") = ValueRef::Int(24);
  Feature("vip") = ValueRef::Bool(true);
  Attribute("wait_s") = ValueRef::Double(30);
  EXPECT_DOUBLE_EQ(Predict(*model), 0.024 + 0.25 + 0.3);
}

TEST_F(LinearModelTest, TimestampsCountDaysUntilTheDecision) {
  const auto model = Identity(R"(terms { input: "customer.since" numeric { weight: 0.01 } })");
  Feature("since") = ValueRef::Timestamp(context_.time_us - static_cast<int64_t>(36 * kDay));
  EXPECT_DOUBLE_EQ(Predict(*model), 0.36);
  // The future counts backwards.
  Feature("since") = ValueRef::Timestamp(context_.time_us + static_cast<int64_t>(1 * kDay));
  EXPECT_EQ(Predict(*Identity(
                R"(intercept: 0.5 terms { input: "customer.since" numeric { weight: 0.25 } })")),
            0.25);
  for (const int64_t extreme : {INT64_MIN, INT64_MAX}) {
    Feature("since") = ValueRef::Timestamp(extreme);
    EXPECT_TRUE(std::isfinite(Predict(*model)));
  }
}

struct BucketCase {
  double x;
  double expected;
};

TEST_F(LinearModelTest, ABucketHoldsItsLowerBound) {
  const auto model = Identity(R"(
      terms {
        input: "customer.monthly_charges"
        buckets { bounds: [ 10, 20 ] weights: [ 0.1, 0.2, 0.3 ] }
      })");
  const BucketCase cases[] = {{-1e300, 0.1}, {9.999, 0.1}, {10, 0.2},  {19.999, 0.2},
                              {20, 0.3},     {1e300, 0.3}, {-0.0, 0.1}};
  for (const BucketCase& c : cases) {
    Feature("monthly_charges") = ValueRef::Double(c.x);
    EXPECT_EQ(Predict(*model), c.expected) << c.x;
  }
}

TEST_F(LinearModelTest, OneBucketWithoutBoundsIsAConstant) {
  EXPECT_EQ(
      Predict(*Identity(R"(terms { input: "customer.tenure_months" buckets { weights: 0.4 } })")),
      0.4);
}

TEST_F(LinearModelTest, OneHotKnowsListedAndOtherCategories) {
  const auto model = Identity(R"(
      terms {
        input: "customer.plan"
        one_hot {
          weights { key: "basic" value: 0.1 } weights { key: "premium" value: 0.2 } other: 0.05
        }
      })");
  const std::pair<const char*, double> cases[] = {
      {"basic", 0.1}, {"premium", 0.2}, {"gold", 0.05}, {"", 0.05}, {"Basic", 0.05}};
  for (const auto& [plan, expected] : cases) {
    Feature("plan") = ValueRef::String(plan);
    EXPECT_EQ(Predict(*model), expected) << plan;
  }
}

// Models share the numbering of categories: what another model lists is "other" here.
TEST_F(LinearModelTest, CategoriesThatOnlyAnotherModelListsAreOther) {
  const auto first = Identity(R"(
      terms { input: "customer.plan" one_hot { weights { key: "b" value: 0.1 } other: 0.7 } })");
  const auto second = Identity(R"(
      terms {
        input: "customer.plan"
        one_hot { weights { key: "a" value: 0.2 } weights { key: "c" value: 0.3 } other: 0.8 }
      })");
  const std::tuple<const char*, double, double> cases[] = {
      {"a", 0.7, 0.2}, {"b", 0.1, 0.8}, {"c", 0.7, 0.3}, {"d", 0.7, 0.8}};
  for (const auto& [plan, of_first, of_second] : cases) {
    Feature("plan") = ValueRef::String(plan);
    EXPECT_EQ(Predict(*first), of_first) << plan;
    EXPECT_EQ(Predict(*second), of_second) << plan;
  }
}

TEST_F(LinearModelTest, OneHotTakesBoolsAndInts) {
  const auto model = Identity(R"(
      terms {
        input: "customer.vip"
        one_hot { weights { key: "true" value: 0.1 } other: 0.2 }
      }
      terms {
        input: "customer.tenure_months"
        one_hot { weights { key: "12" value: 0.01 } weights { key: "-3" value: 0.02 } other: 0.03 }
      })");
  Feature("vip") = ValueRef::Bool(true);
  Feature("tenure_months") = ValueRef::Int(12);
  EXPECT_DOUBLE_EQ(Predict(*model), 0.11);
  Feature("vip") = ValueRef::Bool(false);
  Feature("tenure_months") = ValueRef::Int(-3);
  EXPECT_DOUBLE_EQ(Predict(*model), 0.22);
  Feature("tenure_months") = ValueRef::Int(13);
  EXPECT_DOUBLE_EQ(Predict(*model), 0.23);
}

TEST_F(LinearModelTest, EveryElementOfAListCounts) {
  const auto model = Identity(R"(
      terms {
        input: "customer.interests"
        one_hot { weights { key: "tv" value: 0.1 } weights { key: "phone" value: 0.2 } other: 0.01 }
      })");
  const std::pair<std::vector<std::string>, double> cases[] = {
      {{}, 0}, {{"tv"}, 0.1}, {{"tv", "phone"}, 0.3}, {{"garden", "phone", "cars"}, 0.22}};
  for (const auto& [interests, expected] : cases) {
    std::string encoded;
    for (const std::string& interest : interests) AppendListElement(encoded, interest);
    Feature("interests") = ValueRef::StringList(encoded);
    EXPECT_DOUBLE_EQ(Predict(*model), expected) << interests.size();
  }
}

TEST_F(LinearModelTest, LooksAtChannelAndIntent) {
  const auto model = Identity(R"(
      terms { input: "context.channel" one_hot { weights { key: "ivr" value: 0.5 } } }
      terms {
        input: "context.intent"
        one_hot { weights { key: "browse_plans" value: 0.25 } other: 0.125 }
      })");
  context_.channel = 0;
  context_.intent = context::kUnknownIntent;
  EXPECT_EQ(Predict(*model), 0.125);
  context_.channel = 1;
  context_.intent = 2;
  EXPECT_EQ(Predict(*model), 0.75);
}

TEST_F(LinearModelTest, AnUnknownIntentIsTheEmptyString) {
  const auto model = Identity(R"(
      terms { input: "context.intent" one_hot { weights { key: "" value: 0.5 } other: 0.25 } })");
  context_.intent = context::kUnknownIntent;
  EXPECT_EQ(Predict(*model), 0.5);
  context_.intent = 1;
  EXPECT_EQ(Predict(*model), 0.25);
}

TEST_F(LinearModelTest, TreatmentTermsTellTreatmentsApart) {
  const auto model = Identity(R"(
      intercept: 0.1
      terms {
        input: "treatment.name" one_hot { weights { key: "upgrade" value: 0.2 } other: 0.01 }
      }
      terms { input: "treatment.group" one_hot { weights { key: "offer" value: 0.4 } } })");
  inputs_.Fill(strategy_->context, context_, features_, frame_);
  const int treatments[] = {3, 0, 2};
  double propensity[3];
  model->Predict(frame_, treatments, absl::MakeSpan(propensity), scratch_);
  EXPECT_DOUBLE_EQ(propensity[0], 0.51);
  EXPECT_DOUBLE_EQ(propensity[1], 0.11);
  EXPECT_DOUBLE_EQ(propensity[2], 0.7);
}

TEST_F(LinearModelTest, LetsThroughWhatIsNotANumber) {
  const auto logistic = Create(
      R"(linear { link: LINK_LOGISTIC
           terms { input: "customer.monthly_charges" numeric { weight: 1 } } })");
  const auto identity =
      Identity(R"(terms { input: "customer.monthly_charges" numeric { weight: 1 } })");
  Feature("monthly_charges") = ValueRef::Double(std::numeric_limits<double>::quiet_NaN());
  EXPECT_TRUE(std::isnan(Predict(*logistic)));
  EXPECT_TRUE(std::isnan(Predict(*identity)));
}

TEST_F(LinearModelTest, ExplainsByTheSameTermsThatItSums) {
  const auto model = Create(R"(linear {
      link: LINK_LOGISTIC intercept: -0.3
      terms { input: "customer.monthly_charges" numeric { weight: 0.5 mean: 20 scale: 10 } }
      terms { input: "customer.tenure_months" buckets { bounds: 12 weights: [ 0.1, 0.2 ] } }
      terms { input: "customer.plan" one_hot { weights { key: "basic" value: 0.3 } } }
      terms { input: "customer.interests" one_hot { other: 0.05 } }
      terms { input: "treatment.name" one_hot { weights { key: "accessory" value: -1 } } } })");
  ASSERT_NE(model, nullptr);
  Feature("monthly_charges") = ValueRef::Double(80);
  std::string interests;
  for (const char* interest : {"a", "b"}) AppendListElement(interests, interest);
  Feature("interests") = ValueRef::StringList(interests);
  const double propensity = Predict(*model, 3);
  double sum = -0.3;
  std::vector<std::pair<std::string, double>> explained;
  const std::optional<ScoreParts> parts = model->Parts(frame_, 3);
  ASSERT_TRUE(parts.has_value());
  for (const Contribution& contribution : parts->contributions) {
    sum += contribution.amount;
    explained.emplace_back(names_.NameOf(contribution.input), contribution.amount);
  }
  EXPECT_DOUBLE_EQ(propensity, Logistic(sum));
  EXPECT_THAT(explained,
              UnorderedElementsAre(Pair("customer.monthly_charges", 3.0),
                                   Pair("customer.tenure_months", 0.2), Pair("customer.plan", 0.3),
                                   Pair("customer.interests", 0.1), Pair("treatment.name", -1.0)));
}

struct IssueCase {
  const char* name;
  std::string term;
  std::string path;
  std::string message;  // a part of it
};

TEST_F(LinearModelTest, NamesThePathOfWhatIsWrongWithATerm) {
  const std::string term = "linear.terms[0]";
  const IssueCase cases[] = {
      {"no input", "numeric { weight: 1 }", term, "a term needs an input"},
      {"unknown feature", R"(input: "customer.tenure_month" numeric {})", term + ".input",
       "did you mean \"customer.tenure_months\"?"},
      {"undeclared feature", R"(input: "customer.shoe_size" numeric {})", term + ".input",
       "declare it under features"},
      {"unknown attribute", R"(input: "context.attributes.mood" numeric {})", term + ".input",
       "unknown attribute \"mood\"; declare it under attributes"},
      {"unknown input", R"(input: "weather" numeric {})", term + ".input",
       "an input is customer.<feature>"},
      {"no kind", R"(input: "customer.plan")", term, "one of numeric, one_hot or buckets"},
      {"numeric of a string", R"(input: "customer.plan" numeric { weight: 1 })", term + ".numeric",
       "customer.plan is of type string"},
      {"numeric of a list", R"(input: "customer.interests" numeric { weight: 1 })",
       term + ".numeric", "is of type string_list"},
      {"numeric of the treatment", R"(input: "treatment.name" numeric { weight: 1 })",
       term + ".numeric", "treatment.name is of type string"},
      {"infinite weight", R"(input: "customer.vip" numeric { weight: inf })",
       term + ".numeric.weight", "must be finite"},
      {"NaN mean", R"(input: "customer.vip" numeric { mean: nan })", term + ".numeric.mean",
       "must be finite"},
      {"scale of zero", R"(input: "customer.vip" numeric { scale: 0 })", term + ".numeric.scale",
       "must be above 0"},
      {"NaN scale", R"(input: "customer.vip" numeric { scale: nan })", term + ".numeric.scale",
       "must be above 0 and finite"},
      {"buckets of a bool", R"(input: "customer.vip" buckets { weights: 1 })", term + ".buckets",
       "is of type bool"},
      {"too few weights",
       R"(input: "customer.tenure_months" buckets { bounds: [ 1, 2 ] weights: [ 1, 2 ] })",
       term + ".buckets.weights", "one weight more than bounds: 3, not 2"},
      {"no weights", R"(input: "customer.tenure_months" buckets {})", term + ".buckets.weights",
       "1, not 0"},
      {"bounds that don't grow",
       R"(input: "customer.tenure_months" buckets { bounds: [ 1, 1 ] weights: [ 1, 2, 3 ] })",
       term + ".buckets.bounds[1]", "larger than the bound before"},
      {"infinite bound",
       R"(input: "customer.tenure_months" buckets { bounds: inf weights: [ 1, 2 ] })",
       term + ".buckets.bounds[0]", "must be finite"},
      {"NaN bucket weight",
       R"(input: "customer.tenure_months" buckets { bounds: 1 weights: [ 1, nan ] })",
       term + ".buckets.weights[1]", "must be finite"},
      {"one_hot of a double", R"(input: "customer.income" one_hot { other: 1 })", term + ".one_hot",
       "is of type double"},
      {"one_hot of a timestamp", R"(input: "customer.since" one_hot { other: 1 })",
       term + ".one_hot", "is of type timestamp"},
      {"infinite other", R"(input: "customer.plan" one_hot { other: -inf })",
       term + ".one_hot.other", "must be finite"},
      {"NaN category weight",
       R"(input: "customer.plan" one_hot { weights { key: "a" value: nan } })",
       term + ".one_hot.weights[\"a\"]", "must be finite"},
      {"category that is no bool",
       R"(input: "customer.vip" one_hot { weights { key: "yes" value: 1 } })",
       term + ".one_hot.weights[\"yes\"]", "\"yes\" can't be a value of customer.vip"},
      {"category that is no int",
       R"(input: "customer.tenure_months" one_hot { weights { key: "12.5" value: 1 } })",
       term + ".one_hot.weights[\"12.5\"]", "which is of type int"},
      {"int category twice",
       R"(input: "customer.tenure_months"
          one_hot { weights { key: "12" value: 1 } weights { key: "012" value: 2 } })",
       term + ".one_hot.weights[\"12\"]", "the same value"},
      {"unknown channel", R"(input: "context.channel" one_hot { weights { key: "ap" value: 1 } })",
       term + ".one_hot.weights[\"ap\"]", "unknown channel \"ap\"; did you mean \"app\"?"},
      {"unknown intent", R"(input: "context.intent" one_hot { weights { key: "nap" value: 1 } })",
       term + ".one_hot.weights[\"nap\"]",
       "unknown intent \"nap\"; known are: report_outage, browse_plans"},
      {"unknown treatment",
       R"(input: "treatment.name" one_hot { weights { key: "upgrad" value: 1 } })",
       term + ".one_hot.weights[\"upgrad\"]", "did you mean \"upgrade\"?"},
      {"unknown group", R"(input: "treatment.group" one_hot { weights { key: "of" value: 1 } })",
       term + ".one_hot.weights[\"of\"]", "unknown group \"of\""},
  };
  for (const IssueCase& c : cases) {
    EXPECT_THAT(IssuesOf(c.term), ElementsAre(Pair(c.path, HasSubstr(c.message)))) << c.name;
  }
}

TEST_F(LinearModelTest, ReportsEverythingAtOnce) {
  EXPECT_EQ(Create(R"(linear {
      intercept: nan
      terms { input: "customer.plan" }
      terms { input: "customer.vip" numeric { weight: inf mean: nan scale: -1 } } })"),
            nullptr);
  std::vector<std::string> paths;
  for (const auto& [path, message] : issues_) paths.push_back(path);
  EXPECT_THAT(paths, ElementsAre("linear.link", "linear.intercept", "linear.terms[0]",
                                 "linear.terms[1].numeric.weight", "linear.terms[1].numeric.mean",
                                 "linear.terms[1].numeric.scale"));
}

TEST_F(LinearModelTest, BoundsTermsBucketsAndCategories) {
  pb::Model file;
  file.mutable_linear()->set_link(pb::LINK_LOGISTIC);
  for (int i = 0; i <= 10'000; ++i) file.mutable_linear()->add_terms();
  const auto create = [&] {
    issues_.clear();
    return CreateModel(file, names_, inputs_, [this](std::string_view path, std::string message) {
      issues_.emplace_back(std::string(path), std::move(message));
    });
  };
  EXPECT_EQ(create(), nullptr);
  EXPECT_THAT(issues_, ElementsAre(Pair("linear.terms", HasSubstr("at most 10000"))));

  file.mutable_linear()->clear_terms();
  pb::LinearTerm* term = file.mutable_linear()->add_terms();
  term->set_input("customer.plan");
  for (int i = 0; i <= 10'000; ++i) {
    (*term->mutable_one_hot()->mutable_weights())[std::to_string(i)] = 1;
  }
  EXPECT_EQ(create(), nullptr);
  EXPECT_THAT(issues_, ElementsAre(Pair("linear.terms[0].one_hot.weights", HasSubstr("10000"))));

  term->set_input("customer.tenure_months");
  for (int i = 0; i <= 1'001; ++i) {
    if (i <= 1'000) term->mutable_buckets()->add_bounds(i);
    term->mutable_buckets()->add_weights(i);
  }
  EXPECT_EQ(create(), nullptr);
  EXPECT_THAT(issues_, ElementsAre(Pair("linear.terms[0].buckets.bounds", HasSubstr("1000"))));
}

TEST_F(LinearModelTest, AModelFileNeedsAKind) {
  EXPECT_EQ(Create("description: 'nothing inside'"), nullptr);
  EXPECT_THAT(issues_, ElementsAre(Pair("", HasSubstr("linear"))));
}

TEST_F(LinearModelTest, InputsGoByTheNamesThatTheyAreFoundUnder) {
  for (const char* name : {"customer.plan", "context.attributes.wait_s", "context.channel",
                           "context.intent", "treatment.name", "treatment.group"}) {
    std::string problem;
    const std::optional<Input> input = names_.Find(name, problem);
    ASSERT_TRUE(input) << problem;
    EXPECT_EQ(names_.NameOf(*input), name);
  }
}

TEST_F(LinearModelTest, NumbersOfCategoriesDoNotDependOnTheOrderOfTheMap) {
  const Input input{Input::Source::kCustomer, strategy_->features.SlotOf("plan"),
                    ValueType::kString};
  const auto numbers = [&](const std::string& weights) {
    InputTable inputs;
    CreateModel(testing::FromText<pb::Model>("linear { link: LINK_LOGISTIC terms { input: "
                                             "\"customer.plan\" one_hot { " +
                                             weights + " } } }"),
                names_, inputs, [](std::string_view, std::string) {});
    std::vector<int32_t> found;
    for (const char* category : {"a", "b", "c"}) {
      inputs.AddCategory(input, inputs.AddCategorical(input), category, found.emplace_back());
    }
    return found;
  };
  EXPECT_THAT(numbers("weights { key: 'c' value: 1 } weights { key: 'a' value: 1 } "
                      "weights { key: 'b' value: 1 }"),
              ElementsAre(1, 2, 3));
}

}  // namespace
}  // namespace attune::scoring
