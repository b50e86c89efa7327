#include "lib/strategy/strategy_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_replace.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "lib/base/hash.h"
#include "tests/testing/effort.h"
#include "tests/unit/strategy/strategy_files.h"
#include "tests/unit/trees/model_texts.h"

namespace attune::strategy {
namespace {

using storage::NameKind;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

int64_t Micros(int year, int month, int day, int hour = 0) {
  return absl::ToUnixMicros(
      absl::FromCivil(absl::CivilHour(year, month, day, hour), absl::UTCTimeZone()));
}

TEST(StrategyLoader, CompilesDeclarations) {
  const Loaded loaded = LoadText(Replaced(
      kSmallStrategy, "  - {name: plan, type: string}",
      "  - {name: plan, type: string, default: \"12\", protected: true, description: What}\n"
      "  - {name: since, type: timestamp, default: 2020-02-03}\n"
      "  - {name: until, type: timestamp, default: 2020-02-03T04:00:00+01:00}\n"
      "  - {name: score, type: double, default: 7}\n"
      "  - {name: tags, type: string_list, default: [a, 2, \"c\"]}\n"
      "  - {name: vip, type: bool, default: true}\n"
      "  - {name: rest, type: timestamp}"));
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  const ValueSchema& features = loaded.strategy->features;
  ASSERT_EQ(features.size(), 8);
  EXPECT_EQ(features[0].default_value.ref().int_value(), 30);
  EXPECT_FALSE(features[0].default_value.ref().known());
  EXPECT_EQ(features[1].default_value.ref().string_value(), "12");
  EXPECT_TRUE(features[1].is_protected);
  EXPECT_EQ(features[1].description, "What");
  EXPECT_EQ(features[2].default_value.ref().timestamp_us(), Micros(2020, 2, 3));
  EXPECT_EQ(features[3].default_value.ref().timestamp_us(), Micros(2020, 2, 3, 3));
  EXPECT_EQ(features[4].default_value.ref().double_value(), 7.0);
  EXPECT_EQ(features[5].default_value.ref().ToString(), R"(["a", "2", "c"])");
  EXPECT_TRUE(features[6].default_value.ref().bool_value());
  EXPECT_EQ(features[7].default_value.ref().timestamp_us(), 0);
  EXPECT_EQ(loaded.strategy->context.attributes[0].default_value.ref().double_value(), 1.0);
}

TEST(StrategyLoader, CompilesTreatments) {
  const Loaded loaded =
      LoadText(Replaced(Replaced(kSmallStrategy, "cost: 1",
                                 "valid_from: 2026-03-01\n    valid_until: 2026-04-01T12:00:00Z"),
                        "value: 20", "value: 20\n    channels: [web]\n    intents: [leave]"));
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  const catalog::Catalog& catalog = loaded.strategy->catalog;
  ASSERT_THAT(catalog.treatments, SizeIs(2));

  const catalog::Treatment& gift = catalog.treatments[0];
  EXPECT_EQ(gift.name, "gift");
  EXPECT_EQ(catalog.groups[static_cast<size_t>(gift.group)].name, "care");
  EXPECT_EQ(gift.model, 0);
  EXPECT_EQ(gift.value, 10);
  EXPECT_EQ(gift.cost, 0);
  EXPECT_EQ(gift.valid_from_us, Micros(2026, 3, 1));
  EXPECT_EQ(gift.valid_until_us, Micros(2026, 4, 1, 12));
  EXPECT_EQ(gift.name_rank, 1);
  EXPECT_EQ(gift.channels.to_ullong(), 0b11U);
  EXPECT_TRUE(gift.intents.all());
  ASSERT_THAT(gift.content, SizeIs(2));
  EXPECT_THAT(gift.content[1].value(), ElementsAre(Pair("prompt", "Hello")));

  const catalog::Treatment& deal = catalog.treatments[1];
  EXPECT_EQ(deal.name_rank, 0);
  EXPECT_EQ(deal.valid_from_us, std::numeric_limits<int64_t>::min());
  EXPECT_EQ(deal.valid_until_us, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(deal.channels.to_ullong(), 0b01U);
  EXPECT_FALSE(deal.intents[context::kUnknownIntent]);
  EXPECT_FALSE(deal.intents[1]);
  EXPECT_TRUE(deal.intents[2]);
  EXPECT_FALSE(deal.content[1].has_value());

  EXPECT_EQ(catalog.Find("deal"), 1);
  EXPECT_EQ(catalog.Find("del"), -1);
}

TEST(StrategyLoader, CompilesContentInTheOrderOfItsFields) {
  const Loaded loaded =
      LoadText(Replaced(kSmallStrategy, "{title: A gift}", "{z: 1, a: \"two\\nlines\", m: yes}"));
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  EXPECT_THAT(loaded.strategy->catalog.treatments[0].content[0].value(),
              ElementsAre(Pair("a", "two\nlines"), Pair("m", "yes"), Pair("z", "1")));
}

TEST(StrategyLoader, CompilesArbitration) {
  const Loaded loaded =
      LoadText(Replaced(Replaced(kSmallStrategy, "max_treatments: 2",
                                 "max_per_group: 7\n  min_propensity: 0.25\n  min_priority: -1.5"),
                        "{group: care, intents: [leave], percent: 50}",
                        "{group: care, intents: [leave], percent: 50}\n"
                        "    - {group: offer, channels: [web], percent: -90}"));
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  const arbitration::Settings& settings = loaded.strategy->arbitration;
  EXPECT_EQ(settings.max_treatments, 3);
  EXPECT_EQ(settings.max_per_group, 7);
  EXPECT_EQ(settings.min_propensity, 0.25);
  EXPECT_EQ(settings.min_priority, -1.5);
  ASSERT_THAT(settings.context_weights, SizeIs(2));
  EXPECT_EQ(settings.context_weights[0].group, 1);
  EXPECT_TRUE(settings.context_weights[0].channels.all());
  EXPECT_EQ(settings.context_weights[0].intents.count(), 1U);
  EXPECT_TRUE(settings.context_weights[0].intents[2]);
  EXPECT_EQ(settings.context_weights[0].percent, 50);
  EXPECT_EQ(settings.context_weights[1].group, 0);
  EXPECT_EQ(settings.context_weights[1].channels.count(), 1U);
  EXPECT_TRUE(settings.context_weights[1].intents.all());
}

TEST(StrategyLoader, LeversAddUpInPercentAndNeverFallBelowZero) {
  struct Case {
    const char* group;
    const char* treatment;
    double expected;
  };
  const Case cases[] = {{"50", "-20", 1.3}, {"0", "0", 1}, {"-60", "-60", 0}, {"1000", "5", 11.05}};
  for (const Case& c : cases) {
    std::string text = Replaced(kSmallStrategy, "  - name: care",
                                absl::StrCat("  - {name: care, lever: ", c.group, "}"));
    text = Replaced(text, "    cost: 1", absl::StrCat("    lever: ", c.treatment));
    const Loaded loaded = LoadText(text);
    ASSERT_NE(loaded.strategy, nullptr) << ::testing::PrintToString(loaded.Issues());
    EXPECT_DOUBLE_EQ(loaded.strategy->catalog.treatments[0].lever, c.expected);
    EXPECT_EQ(loaded.strategy->catalog.treatments[1].lever, 1);
  }
}

TEST(StrategyLoader, CompilesFactorsThatAreSwitchedOffAndWhatMustBeShown) {
  const Loaded loaded = LoadText(
      Replaced(Replaced(kSmallStrategy, "max_treatments: 2", "without: [context_weight, lever]"),
               "    cost: 1", "    must_show: true"));
  ASSERT_NE(loaded.strategy, nullptr) << ::testing::PrintToString(loaded.Issues());
  const arbitration::FactorSet& without = loaded.strategy->arbitration.without;
  EXPECT_EQ(without.count(), 2u);
  EXPECT_TRUE(without[static_cast<size_t>(arbitration::Factor::kContextWeight)]);
  EXPECT_TRUE(without[static_cast<size_t>(arbitration::Factor::kLever)]);
  EXPECT_TRUE(loaded.strategy->catalog.treatments[0].must_show);
  EXPECT_FALSE(loaded.strategy->catalog.treatments[1].must_show);
}

// What is said of the group care: a gift of 10 EUR that costs 1, raised by 50 % who leaves.
TEST(StrategyLoader, WarnsOfAGroupThatCanNeverWin) {
  struct Case {
    const char* name;
    std::vector<std::pair<const char*, const char*>> changes;
    const char* warning;  // "": none
  };
  const char kStart[] =
      "s.yaml:13:5: warning: no treatment of the group \"care\" can ever win: the highest priority "
      "that one can have is ";
  const char kEnd[] = "; look at its values, costs, levers and context weights";
  const std::pair<const char*, const char*> deal_everywhere = {
      "web: {title: A deal}", "web: {title: A deal}\n      ivr: {prompt: A deal}"};
  const Case cases[] = {
      {"as it is", {}, ""},
      {"just reaches the threshold", {{"max_treatments: 2", "min_priority: 14"}}, ""},
      {"misses it",
       {{"max_treatments: 2", "min_priority: 14.5"}},
       "14, below the min_priority of 14.5"},
      {"lowered altogether", {{"cost: 1", "lever: -100"}}, "0, so nothing of it is worth showing"},
      {"costs what it brings", {{"cost: 1", "cost: 15"}}, "0, so nothing of it is worth showing"},
      {"without propensity another is always better",
       {{"max_treatments: 2", "without: [propensity]"}, deal_everywhere},
       "14, and \"deal\" is always there, with at least 20"},
      {"but not where that one has no content",
       {{"max_treatments: 2", "without: [propensity]"}},
       ""},
      {"nor when it has a date",
       {{"max_treatments: 2", "without: [propensity]"},
        deal_everywhere,
        {"value: 20", "value: 20\n    valid_from: 2026-01-01"}},
       ""},
      {"nor when it has a rule",
       {{"max_treatments: 2", "without: [propensity]"},
        deal_everywhere,
        {"value: 20", "value: 20\n    eligibility: [{name: old, when: customer.age > 60}]"}},
       ""},
      {"nor when it has a ramp",
       {{"max_treatments: 2", "without: [propensity]"},
        deal_everywhere,
        {"value: 20", "value: 20\n    ramp: {full_at: 9, outcomes: [decided]}"}},
       ""},
      {"nor when its content is computed",
       {{"max_treatments: 2", "without: [propensity]"},
        {"web: {title: A deal}",
         "web: {title: {computed: customer.plan}}\n      ivr: {prompt: A deal}"}},
       ""},
      {"nor when a formula may give it no score",
       {{"max_treatments: 2", "without: [propensity]"},
        deal_everywhere,
        {"file: taste.yaml", "formula: 1.0 / double(customer.age)"}},
       ""},
      {"unless there is another one",
       {{"max_treatments: 2", "without: [propensity]"},
        deal_everywhere,
        {"file: taste.yaml",
         "formula: 1.0 / double(customer.age), on_error: {default_propensity: 0.1}"}},
       "14, and \"deal\" is always there, with at least 20"},
      {"nor where a placement takes the group alone",
       {{"max_treatments: 2", "without: [propensity]"},
        deal_everywhere,
        {"arbitration:", "placements: [{name: top, groups: [care]}]\narbitration:"}},
       ""},
      {"but where it takes both",
       {{"max_treatments: 2", "without: [propensity]"},
        deal_everywhere,
        {"arbitration:", "placements: [{name: top}]\narbitration:"}},
       "14, and \"deal\" is always there, with at least 20"},
      {"nor when it can be put on top by exploration",
       {{"max_treatments: 2", "without: [propensity]\n  exploration: {softmax: {temperature: 5}}"},
        deal_everywhere},
       ""},
      {"which puts nothing above what is not explored",
       {{"max_treatments: 2", "without: [propensity]\n  exploration: {softmax: {temperature: 5}}"},
        deal_everywhere,
        {"value: 20", "value: 20\n    no_exploration: true"}},
       "14, and \"deal\" is always there, with at least 20"},
      {"nor what is not explored",
       {{"max_treatments: 2", "without: [propensity]\n  exploration: {softmax: {temperature: 5}}"},
        deal_everywhere,
        {"cost: 1", "cost: 1\n    no_exploration: true"}},
       "14, and \"deal\" is always there, with at least 20"},
      {"nor another group with an exploration of its own",
       {{"max_treatments: 2", "without: [propensity]"},
        {"  - name: care", "  - {name: care, exploration: {softmax: {temperature: 5}}}"},
        deal_everywhere},
       "14, and \"deal\" is always there, with at least 20"},
      {"it must be shown itself",
       {{"cost: 1", "cost: 15\n    must_show: true\n    valid_from: 2026-01-01"}},
       ""},
  };
  for (const Case& c : cases) {
    std::string text(kSmallStrategy);
    for (const auto& [from, to] : c.changes) text = Replaced(text, from, to);
    const Loaded loaded = LoadText(text);
    ASSERT_NE(loaded.strategy, nullptr) << c.name << ::testing::PrintToString(loaded.Issues());
    const std::string warning(c.warning);
    if (warning.empty()) {
      EXPECT_THAT(loaded.Issues(), IsEmpty()) << c.name;
    } else {
      EXPECT_THAT(loaded.Issues(), ElementsAre(kStart + warning + kEnd)) << c.name;
    }
  }
}

TEST(StrategyLoader, WarnsOnceOfWhatIsAlwaysThereAndMustBeShown) {
  std::string text =
      Replaced(kSmallStrategy, "web: {title: A deal}",
               "web: {title: A deal}\n      ivr: {prompt: A deal}\n    must_show: true");
  const char kDeal[] = "\"deal\" must be shown and is always there, so nothing of the ";
  EXPECT_THAT(LoadText(text).Issues(),
              ElementsAre(AllOf(HasSubstr("s.yaml:25:5: warning: "), HasSubstr(kDeal),
                                HasSubstr("group \"care\" is ever on top"))));
  // Exploration puts nothing above it.
  EXPECT_THAT(LoadText(Replaced(text, "max_treatments: 2", "exploration: {square_cb: {gamma: 1}}"))
                  .Issues(),
              Contains(HasSubstr(kDeal)));
  // What it shows, or its score, may be missing.
  for (const auto& [from, to] :
       {std::pair("{title: A deal}", "{title: {computed: customer.plan}}"),
        std::pair("file: taste.yaml", "formula: 1.0 / double(customer.age)"),
        std::pair("arbitration:",
                  "placements: [{name: top, groups: [care]}]\n"
                  "arbitration:")}) {
    EXPECT_THAT(LoadText(Replaced(text, from, to)).Issues(), IsEmpty()) << to;
  }
  text = Replaced(text, "treatments:\n", R"(treatments:
  - {name: tip, group: more, model: taste, value: 5, content: {web: {title: A tip}}}
)");
  text = Replaced(text, "  - name: care", "  - name: care\n  - name: more");
  EXPECT_THAT(
      LoadText(text).Issues(),
      ElementsAre(AllOf(HasSubstr(kDeal), HasSubstr("groups \"care\", \"more\" is ever on top"))));
  EXPECT_THAT(
      LoadText(Replaced(text, "must_show: true", "must_show: true\n    intents: [buy]")).Issues(),
      IsEmpty());
}

TEST(StrategyLoader, WarnsOfALeverThatLooksLikeAFactor) {
  struct Case {
    const char* lever;
    const char* warning;  // "": none
  };
  const Case cases[] = {
      {"1.3", "lever is in percent: 1.3 raises by 1.3 %; to multiply by 1.3 write 30"},
      {"0.8", "lever is in percent: 0.8 raises by 0.8 %; to multiply by 0.8 write -20"},
      {"-0.2", "lever is in percent: -0.2 lowers by 0.2 %; to lower by 20 % write -20"},
      {"0", ""},
      {"5", ""},
      {"-5", ""},
      {"30", ""},
  };
  for (const Case& c : cases) {
    const std::string of_treatment =
        Replaced(kSmallStrategy, "    cost: 1", absl::StrCat("    lever: ", c.lever));
    const std::string of_group = Replaced(kSmallStrategy, "  - name: care",
                                          absl::StrCat("  - {name: care, lever: ", c.lever, "}"));
    if (*c.warning == '\0') {
      EXPECT_THAT(LoadText(of_treatment).Issues(), IsEmpty()) << c.lever;
      EXPECT_THAT(LoadText(of_group).Issues(), IsEmpty()) << c.lever;
    } else {
      EXPECT_THAT(LoadText(of_treatment).Issues(),
                  ElementsAre(absl::StrCat("s.yaml:21:12: warning: ", c.warning)));
      EXPECT_THAT(LoadText(of_group).Issues(),
                  ElementsAre(absl::StrCat("s.yaml:13:25: warning: ", c.warning)));
    }
  }
}

TEST(StrategyLoader, WarnsOfExplorationsThatAreOfNoUse) {
  struct Case {
    const char* name;
    std::vector<std::pair<const char*, const char*>> changes;
    const char* warning;  // "": none
  };
  const char kNobody[] = "warning: no treatment is explored by this: each has no_exploration";
  const char kLevelled[] =
      "warning: where 2 treatments compete, this floor gives all of them the same chance, whatever "
      "they are worth; it should be much less than 0.5";
  const std::pair<const char*, const char*> floor_of_half = {
      "max_treatments: 2", "exploration: {softmax: {temperature: 5}, floor: 0.5}"};
  const Case cases[] = {
      {"a floor that leaves something",
       {{"max_treatments: 2", "exploration: {softmax: {temperature: 5}, floor: 0.49}"}},
       ""},
      {"a floor that leaves nothing", {floor_of_half}, kLevelled},
      {"but they never meet",
       {floor_of_half, {"cost: 1", "intents: [leave]\n    channels: [ivr]"}},
       ""},
      {"one of them does not compete", {floor_of_half, {"cost: 1", "no_exploration: true"}}, ""},
      {"a group of one",
       {{"  - name: care", "  - {name: care, exploration: {softmax: {temperature: 5}, floor: 1}}"}},
       ""},
      {"certain priorities",
       {{"max_treatments: 2",
         "without: [propensity]\n  exploration: {thompson_sampling: {evidence: 9}}"}},
       "warning: without the propensity no priority is uncertain, so thompson_sampling has nothing "
       "to explore"},
      {"nobody in the group",
       {{"  - name: care", "  - {name: care, exploration: {square_cb: {gamma: 5}}}"},
        {"cost: 1", "no_exploration: true"}},
       kNobody},
      {"nobody is left for the strategy",
       {{"max_treatments: 2", "exploration: {square_cb: {gamma: 5}}"},
        {"  - name: care", "  - {name: care, exploration: {none: {}}}"},
        {"value: 20", "value: 20\n    no_exploration: true"}},
       kNobody},
      {"nobody, but nothing is explored",
       {{"max_treatments: 2", "exploration: {none: {}}"}, {"cost: 1", "no_exploration: true"}},
       ""},
  };
  for (const Case& c : cases) {
    std::string text(kSmallStrategy);
    for (const auto& [from, to] : c.changes) text = Replaced(text, from, to);
    const Loaded loaded = LoadText(text);
    ASSERT_NE(loaded.strategy, nullptr) << c.name << ::testing::PrintToString(loaded.Issues());
    if (*c.warning == '\0') {
      EXPECT_THAT(loaded.Issues(), IsEmpty()) << c.name;
    } else {
      EXPECT_THAT(loaded.Issues(), ElementsAre(HasSubstr(c.warning))) << c.name;
    }
  }
}

TEST(StrategyLoader, CompilesExplorations) {
  using Method = arbitration::Exploration::Method;
  std::string text = Replaced(kSmallStrategy, "max_treatments: 2",
                              "exploration: {square_cb: {gamma: 7}, floor: 0.01}");
  text =
      Replaced(text, "  - name: care", "  - {name: care, exploration: {none: {}}}\n  - name: rest");
  text = Replaced(text, "    cost: 1", "    no_exploration: true");
  const Loaded loaded = LoadText(text);
  ASSERT_NE(loaded.strategy, nullptr) << ::testing::PrintToString(loaded.Issues());
  const arbitration::Settings& settings = loaded.strategy->arbitration;
  EXPECT_TRUE(settings.explores());
  ASSERT_THAT(settings.explorations, SizeIs(2));
  EXPECT_EQ(settings.explorations[0].method, Method::kSquareCb);
  EXPECT_EQ(settings.explorations[0].gamma, 7);
  EXPECT_EQ(settings.explorations[0].floor, 0.01);
  EXPECT_EQ(settings.explorations[1].method, Method::kNone);
  EXPECT_THAT(settings.exploration_of_group, ElementsAre(0, 1, 0));
  EXPECT_FALSE(loaded.strategy->catalog.treatments[0].explored);
  EXPECT_TRUE(loaded.strategy->catalog.treatments[1].explored);
}

TEST(StrategyLoader, CompilesEveryMethodOfExploration) {
  using Method = arbitration::Exploration::Method;
  const auto load = [](std::string_view exploration) {
    const Loaded loaded = LoadText(Replaced(kSmallStrategy, "max_treatments: 2",
                                            absl::StrCat("exploration: ", ToAbsl(exploration))));
    EXPECT_THAT(loaded.Issues(), IsEmpty());
    return loaded.strategy->arbitration.explorations;
  };
  const auto epsilon_greedy = load("{epsilon_greedy: {epsilon: 0.25}}");
  EXPECT_EQ(epsilon_greedy.at(0).method, Method::kEpsilonGreedy);
  EXPECT_EQ(epsilon_greedy.at(0).epsilon, 0.25);
  EXPECT_EQ(epsilon_greedy.at(0).floor, 0);
  const auto softmax = load("{softmax: {temperature: 2.5}, floor: 0.125}");
  EXPECT_EQ(softmax.at(0).method, Method::kSoftmax);
  EXPECT_EQ(softmax.at(0).temperature, 2.5);
  EXPECT_EQ(softmax.at(0).floor, 0.125);
  const auto thompson = load("{thompson_sampling: {evidence: 500}}");
  EXPECT_EQ(thompson.at(0).method, Method::kThompson);
  EXPECT_EQ(thompson.at(0).evidence, 500);
  // Where nobody explores there is nothing to look at in a decision.
  EXPECT_THAT(load("{none: {}}"), IsEmpty());
}

TEST(StrategyLoader, LeavesArbitrationAtItsDefaults) {
  const Loaded loaded = LoadText(kSmallStrategy.substr(0, kSmallStrategy.find("arbitration:")));
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  const arbitration::Settings& settings = loaded.strategy->arbitration;
  EXPECT_EQ(settings.max_treatments, 3);
  EXPECT_EQ(settings.max_per_group, arbitration::kMaxRanked);
  EXPECT_EQ(settings.min_propensity, 0);
  EXPECT_EQ(settings.min_priority, -std::numeric_limits<double>::infinity());
  EXPECT_THAT(settings.context_weights, IsEmpty());
  EXPECT_FALSE(settings.explores());
}

TEST(StrategyLoader, NumbersNamesByTheDictionary) {
  const TemporaryFolder folder;
  folder.Write("s.yaml", kSmallStrategy);
  folder.Write("taste.yaml", kSmallModel);
  storage::NameDictionary dictionary;
  ASSERT_TRUE(dictionary.Intern(NameKind::kFeature, "plan").ok());
  ASSERT_TRUE(dictionary.Intern(NameKind::kTreatment, "earlier").ok());
  IssueList issues;
  const auto strategy = LoadStrategy(folder.Path("s.yaml"), dictionary, issues);
  ASSERT_NE(strategy, nullptr);
  EXPECT_EQ(strategy->features[1].number, 0U);
  EXPECT_EQ(strategy->features[0].number, 1U);
  EXPECT_EQ(strategy->features.SlotOfNumber(0), 1);
  for (const catalog::Treatment& treatment : strategy->catalog.treatments) {
    EXPECT_EQ(dictionary.NameOf(NameKind::kTreatment, treatment.number), treatment.name);
  }
  for (const catalog::Group& group : strategy->catalog.groups) {
    EXPECT_EQ(dictionary.NameOf(NameKind::kGroup, group.number), group.name);
  }
  EXPECT_THAT(dictionary.Names(NameKind::kTreatment), ElementsAre("earlier", "gift", "deal"));
  EXPECT_THAT(dictionary.Names(NameKind::kChannel), ElementsAre("web", "ivr"));
  EXPECT_THAT(dictionary.Names(NameKind::kIntent), ElementsAre("buy", "leave"));
  EXPECT_THAT(dictionary.Names(NameKind::kAttribute), ElementsAre("mood"));
}

TEST(StrategyLoader, ARefusedStrategyLeavesNoNamesBehind) {
  const Loaded loaded = LoadText(kSmallStrategy, "linear: {link: logistic, intercept: x}");
  EXPECT_EQ(loaded.strategy, nullptr);
  EXPECT_THAT(loaded.dictionary.Names(NameKind::kFeature), IsEmpty());
}

TEST(StrategyLoader, ReportsEverythingOfEveryFileAtOnce) {
  std::string strategy = Replaced(kSmallStrategy, "name: small", "nmae: small");
  strategy = Replaced(strategy, "type: int", "type: integer");
  strategy = Replaced(strategy, "group: care\n", "group: none\n");
  strategy = Replaced(strategy, "value: 20", "value: -20");
  strategy = Replaced(strategy, "max_treatments: 2", "max_treatments: many");
  const Loaded loaded = LoadText(strategy,
                                 "linear:\n"
                                 "  link: probit\n"
                                 "  terms:\n"
                                 "    - input: customer.plam\n"
                                 "      one_hot: {weights: {big: much}}\n"
                                 "    - input: customer.plan\n"
                                 "      numeric: {weight: 1, scale: 0}\n"
                                 "    - input: context.channel\n"
                                 "      one_hot: {weights: {wep: 1}}\n");
  EXPECT_EQ(loaded.strategy, nullptr);
  EXPECT_THAT(
      loaded.Issues(),
      ElementsAre(
          "s.yaml:1:1: error: unknown key \"nmae\"; did you mean \"name\"?",
          "s.yaml:1:1: error: a strategy needs the key \"name\"",
          "s.yaml:3:23: error: type must be one of bool, int, double, string, timestamp, "
          "string_list, not \"integer\"",
          "s.yaml:18:12: error: unknown group \"none\"; known are: care, offer",
          "s.yaml:28:12: error: value must be between 0 and 1e+12, not -20",
          "s.yaml:32:19: error: max_treatments must be a whole number, not \"many\"",
          "taste.yaml:2:9: error: link must be one of logistic, identity, not \"probit\"",
          "taste.yaml:4:14: error: unknown feature \"plam\"; did you mean \"customer.plan\"?",
          "taste.yaml:5:32: error: weights[\"big\"] must be a number, not \"much\"",
          "taste.yaml:7:16: error: customer.plan is of type string; this kind of term takes bool, "
          "int, double or timestamp; use one_hot",
          "taste.yaml:9:32: error: unknown channel \"wep\"; did you mean \"web\"?"));
}

TEST(StrategyLoader, PrintsTheSourceLineWithACaret) {
  const Loaded loaded = LoadText(Replaced(kSmallStrategy, "    cost: 1", "    cost:  \"größer\" "));
  EXPECT_THAT(loaded.issues.ToString(),
              HasSubstr("s.yaml:21:12: error: cost must be a number, not the text \"größer\"\n"
                        "        cost:  \"größer\" \n"
                        "               ^\n"));
}

TEST(StrategyLoader, CountsColumnsInCharacters) {
  const Loaded loaded =
      LoadText(Replaced(kSmallStrategy, "{title: A gift}", "{titel: \"größer\", titel: x}"));
  EXPECT_THAT(loaded.Issues(),
              ElementsAre("s.yaml:23:30: error: duplicate key \"titel\"; it stands on line 23 "
                          "already"));
}

TEST(StrategyLoader, ReadsWindowsLineEndsAndAByteOrderMark) {
  const std::string windows =
      "\xEF\xBB\xBF" + absl::StrReplaceAll(std::string(kSmallStrategy), {{"\n", "\r\n"}});
  EXPECT_THAT(LoadText(windows).Issues(), IsEmpty());
  const Loaded loaded = LoadText(Replaced(windows, "name: small", "nmae: small"));
  EXPECT_THAT(loaded.Issues()[0], HasSubstr("s.yaml:1:1: error: unknown key \"nmae\""));
  EXPECT_EQ(loaded.issues.issues()[0].source_line, "nmae: small");
}

// The version names the content: every byte of every file, and where one part ends.
TEST(StrategyLoader, TheVersionFollowsTheFiles) {
  const Loaded loaded = LoadText(kSmallStrategy);
  ASSERT_NE(loaded.strategy, nullptr);
  const std::string version = loaded.strategy->version;
  EXPECT_THAT(version, ::testing::MatchesRegex("small@[0-9a-f]+"));
  EXPECT_THAT(version, SizeIs(std::string("small@").size() + 12));
  EXPECT_EQ(loaded.strategy->models.models[0].name, "taste");
  EXPECT_EQ(loaded.strategy->models.models[0].version, "taste@" + ContentHash(kSmallModel));

  EXPECT_EQ(LoadText(kSmallStrategy).strategy->version, version);
  EXPECT_NE(LoadText(std::string(kSmallStrategy) + "# a comment\n").strategy->version, version);
  EXPECT_NE(LoadText(kSmallStrategy, Replaced(kSmallModel, "0.5", "0.6")).strategy->version,
            version);
}

TEST(StrategyLoader, WarnsOfWhatIsDeclaredInVain) {
  std::string strategy(kSmallStrategy);
  strategy = Replaced(strategy, "  - name: ivr", "  - name: ivr\n  - name: fax");
  strategy = Replaced(strategy, "  - name: care", "  - name: care\n  - name: gossip");
  strategy = Replaced(strategy, "treatments:", "  - {name: other, file: taste.yaml}\ntreatments:");
  strategy = Replaced(strategy, "cost: 1", "intents: [buy]");
  strategy = Replaced(strategy, "value: 20", "intents: [buy]");
  strategy = Replaced(strategy, "percent: 50}",
                      "percent: 50}\n    - {group: care, percent: 0}\n"
                      "    - {group: offer, channels: [ivr], percent: 10}");
  const Loaded loaded = LoadText(strategy);
  EXPECT_NE(loaded.strategy, nullptr);
  EXPECT_THAT(
      loaded.Issues(),
      ElementsAre("s.yaml:10:5: warning: no treatment can be used on the channel \"fax\"",
                  "s.yaml:11:24: warning: no treatment is for the intent \"leave\"",
                  "s.yaml:15:5: warning: no treatment belongs to the group \"gossip\"",
                  "s.yaml:18:5: warning: no treatment uses the model \"other\"",
                  "s.yaml:28:5: warning: the treatment \"deal\" has no value, so its priority is "
                  "never above 0; write what its good outcome is worth, such as \"value: 10\"",
                  "s.yaml:37:7: warning: no treatment of the group \"care\" can be used on these "
                  "channels with these intents",
                  "s.yaml:38:7: warning: a context weight of 0 percent has no effect",
                  "s.yaml:39:7: warning: no treatment of the group \"offer\" can be used on these "
                  "channels with these intents"));
}

// A value of 0 that is written is meant.
TEST(StrategyLoader, WarnsOfATreatmentWithoutAValueOnly) {
  EXPECT_THAT(LoadText(Replaced(kSmallStrategy, "    value: 20\n", "")).Issues(),
              ElementsAre("s.yaml:25:5: warning: the treatment \"deal\" has no value, so its "
                          "priority is never above 0; write what its good outcome is worth, such "
                          "as \"value: 10\""));
  EXPECT_THAT(LoadText(Replaced(kSmallStrategy, "value: 20", "value: 0")).Issues(), IsEmpty());
}

// Limits of strategy.proto: the number that is allowed loads, one more does not.
struct LimitCase {
  std::string name;
  int limit;
  std::function<std::string(int)> strategy;  // with so many
  std::string issue;                         // with one more
};

void PrintTo(const LimitCase& c, std::ostream* out) { *out << c.name; }

std::string Repeated(int count, const std::function<std::string(int)>& text) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text(i);
  return all;
}

class StrategyLimit : public ::testing::TestWithParam<LimitCase> {};

TEST_P(StrategyLimit, IsEnforced) {
  const LimitCase& c = GetParam();
  const Loaded full = LoadText(c.strategy(c.limit));
  EXPECT_NE(full.strategy, nullptr) << full.issues.ToString();
  const Loaded too_many = LoadText(c.strategy(c.limit + 1));
  EXPECT_EQ(too_many.strategy, nullptr);
  EXPECT_THAT(too_many.Issues(), ElementsAre(c.issue));
}

std::string WithLines(std::string_view anchor, int count, const std::string& before,
                      const std::string& after) {
  return Replaced(kSmallStrategy, anchor, Repeated(count, [&](int i) {
                                            return absl::StrCat(before, "n", i, after);
                                          }) + std::string(anchor));
}

const LimitCase kLimitCases[] = {
    {"Features", 1000,
     [](int n) { return WithLines("attributes:", n - 2, "  - {name: ", ", type: int}\n"); },
     "s.yaml:3:3: error: features has 1001 entries; at most 1000 are allowed"},
    {"Attributes", 256,
     [](int n) { return WithLines("channels:", n - 1, "  - {name: ", ", type: int}\n"); },
     "s.yaml:6:3: error: attributes has 257 entries; at most 256 are allowed"},
    {"Channels", 64, [](int n) { return WithLines("intents:", n - 2, "  - {name: ", "}\n"); },
     "s.yaml:8:3: error: channels has 65 entries; at most 64 are allowed"},
    {"Intents", 1000,
     [](int n) {
       return Replaced(kSmallStrategy, "[{name: buy}, {name: leave}]", Repeated(n, [](int i) {
                         return absl::StrCat("\n  - {name: ", i == 0 ? "leave" : "n",
                                             i == 0 ? "" : absl::StrCat(i), "}");
                       }));
     },
     "s.yaml:11:3: error: intents has 1001 entries; at most 1000 are allowed"},
    {"Groups", 64, [](int n) { return WithLines("models:", n - 2, "  - {name: ", "}\n"); },
     "s.yaml:12:3: error: groups has 65 entries; at most 64 are allowed"},
    {"Models", 1000,
     [](int n) { return WithLines("treatments:", n - 1, "  - {name: ", ", file: taste.yaml}\n"); },
     "s.yaml:15:3: error: models has 1001 entries; at most 1000 are allowed"},
    {"ContextWeights", 1000,
     [](int n) {
       return std::string(kSmallStrategy) +
              Repeated(n - 1, [](int) { return "    - {group: care, percent: 1}\n"; });
     },
     "s.yaml:34:5: error: context_weights has 1001 entries; at most 1000 are allowed"},
    {"ContentFields", 32,
     [](int n) {
       return Replaced(kSmallStrategy, "{title: A gift}", "{" + Repeated(n, [](int i) {
                                                            return absl::StrCat("f", i, ": x, ");
                                                          }) + "}");
     },
     "s.yaml:23:12: error: a content may have at most 32 fields, not 33"},
    {"ContentBytes", 4096,
     [](int n) {
       return Replaced(kSmallStrategy, "A gift", std::string(static_cast<size_t>(n), 'x'));
     },
     "s.yaml:23:20: error: the text has 4097 bytes; at most 4096 are allowed"},
    {"DefaultBytes", 1024,
     [](int n) {
       return Replaced(kSmallStrategy, "type: string",
                       "type: string, default: " + std::string(static_cast<size_t>(n), 'x'));
     },
     "s.yaml:4:41: error: default has 1025 bytes; at most 1024 are allowed"},
    {"DefaultElements", 64,
     [](int n) {
       return Replaced(kSmallStrategy, "type: string",
                       "type: string_list, default: [" +
                           Repeated(n, [](int i) { return absl::StrCat("e", i, ", "); }) + "]");
     },
     "s.yaml:4:46: error: default has 65 elements; at most 64 are allowed"},
    {"NameBytes", 64,
     [](int n) {
       return Replaced(kSmallStrategy, "name: gift",
                       "name: " + std::string(static_cast<size_t>(n), 'x'));
     },
     "s.yaml:17:11: error: the name \"" + std::string(65, 'x') +
         "\" must be lower_snake: a letter a-z, then letters, digits and underscores, at most 64 "
         "bytes"},
};

INSTANTIATE_TEST_SUITE_P(Counts, StrategyLimit, ::testing::ValuesIn(kLimitCases),
                         [](const auto& info) { return info.param.name; });

std::string ManyTreatments(int count) {
  std::string text(kSmallStrategy.substr(0, kSmallStrategy.find("arbitration:")));
  for (int i = 0; i < count; ++i) {
    absl::StrAppend(&text, "  - name: t", i,
                    "\n    group: offer\n    model: taste\n    value: ", i % 100,
                    "\n    intents: [buy, leave]\n    content:\n"
                    "      web: {title: A deal, text: Take it}\n      ivr: {prompt: Take it}\n");
  }
  return text;
}

// Would take minutes if any step were quadratic.
TEST(StrategyLoader, LoadsTenThousandTreatments) {
  const Loaded loaded = LoadText(ManyTreatments(9'998));
  ASSERT_NE(loaded.strategy, nullptr) << loaded.issues.ToString();
  EXPECT_THAT(loaded.strategy->catalog.treatments, SizeIs(10'000));
  EXPECT_EQ(loaded.strategy->catalog.Find("t9997"), 9'999);
}

TEST(StrategyLoader, RefusesMoreThanTenThousandTreatments) {
  EXPECT_THAT(LoadText(ManyTreatments(9'999)).Issues(),
              ElementsAre("s.yaml:17:3: error: treatments has 10001 entries; at most 10000 are "
                          "allowed"));
}

TEST(StrategyLoader, RefusesContentThatOneAnswerCouldNotHold) {
  const auto with_contents = [](int treatments) {
    const std::string content = Repeated(
        16, [](int i) { return absl::StrCat("f", i, ": ", std::string(4094, 'x'), ", "); });
    std::string text(kSmallStrategy);
    return Replaced(text, "\ntreatments:\n",
                    absl::StrCat("\ntreatments:\n", Repeated(treatments, [&](int i) {
                                   return absl::StrCat("  - {name: long_", i,
                                                       ", group: care, model: taste, value: 1, "
                                                       "content: {web: {",
                                                       content, "}}}\n");
                                 })));
  };
  EXPECT_THAT(LoadText(with_contents(11)).Issues(), IsEmpty());
  EXPECT_THAT(LoadText(with_contents(12)).Issues(),
              ElementsAre(::testing::StartsWith(
                  "s.yaml:8:5: error: the 14 largest contents on the channel \"web\" have 786526 "
                  "bytes together; at most 786432 are allowed")));
}

TEST(StrategyLoader, SaysAllAboutTenThousandWrongTreatments) {
  const int wrong = testing::Effort(9'998);
  std::string text = ManyTreatments(wrong);
  text = absl::StrReplaceAll(text, {{"group: offer", "group: ofer"}, {"[buy, leave]", "[bye]"}});
  const Loaded loaded = LoadText(text);
  EXPECT_EQ(loaded.strategy, nullptr);
  EXPECT_EQ(loaded.issues.errors(), 2 * static_cast<size_t>(wrong) + 1);
  EXPECT_THAT(loaded.issues.issues(), SizeIs(IssueList::kMaxKept));
}

TEST(StrategyLoader, ReportsWhatCantBeRead) {
  const TemporaryFolder folder;
  folder.Write("empty.yaml", "");
  folder.Write("comment.yaml", "# nothing\n");
  folder.Write("list.yaml", "- name: small\n");
  folder.Write("large.yaml", std::string((16u << 20) + 1, '#'));
  ASSERT_EQ(mkfifo(folder.Path("pipe.yaml").c_str(), 0600), 0);
  const auto issues_of = [&](const std::string& name) {
    const Loaded loaded = LoadFile(folder.Path(name));
    EXPECT_EQ(loaded.strategy, nullptr);
    return loaded.Issues();
  };
  EXPECT_THAT(issues_of("none.yaml"),
              ElementsAre("none.yaml:0:0: error: can't read the strategy: no such file"));
  EXPECT_THAT(issues_of("empty.yaml/s.yaml"),
              ElementsAre("s.yaml:0:0: error: can't read the strategy: no such file"));
  EXPECT_THAT(issues_of("../"),
              ElementsAre(HasSubstr("error: can't read the strategy: it is a folder, not a file")));
  EXPECT_THAT(
      issues_of("pipe.yaml"),
      ElementsAre("pipe.yaml:0:0: error: can't read the strategy: it is not a regular file"));
  EXPECT_THAT(issues_of("large.yaml"),
              ElementsAre("large.yaml:0:0: error: can't read the strategy: it has 16777217 bytes; "
                          "at most 16777216 are allowed"));
  EXPECT_THAT(issues_of("empty.yaml"), ElementsAre("empty.yaml:0:0: error: the file is empty"));
  EXPECT_THAT(issues_of("comment.yaml"), ElementsAre("comment.yaml:0:0: error: the file is empty"));
  EXPECT_THAT(issues_of("list.yaml"),
              ElementsAre("list.yaml:1:1: error: the file must be a map of keys and values, not a "
                          "list"));
}

TEST(StrategyLoader, ModelFilesMayBeLinksInsideOfTheFolderOnly) {
  const TemporaryFolder outside;
  outside.Write("taste.yaml", kSmallModel);
  const TemporaryFolder folder;
  folder.Write("s.yaml", kSmallStrategy);
  folder.Write("versions/1/taste.yaml", kSmallModel);
  std::filesystem::create_symlink("versions/1/taste.yaml", folder.Path("taste.yaml"));
  EXPECT_THAT(LoadFile(folder.Path("s.yaml")).Issues(), IsEmpty());

  std::filesystem::remove(folder.Path("taste.yaml"));
  std::filesystem::create_symlink(outside.Path("taste.yaml"), folder.Path("taste.yaml"));
  EXPECT_THAT(LoadFile(folder.Path("s.yaml")).Issues(),
              ElementsAre("s.yaml:15:25: error: the model file \"taste.yaml\": is a link that "
                          "leads out of the strategy's folder"));
}

// The small strategy with a model of trees, `inputs` being what stands behind its file's name.
Loaded LoadWithTrees(const std::string& bytes, const std::string& inputs) {
  const TemporaryFolder folder;
  folder.Write("s.yaml", Replaced(kSmallStrategy, "{name: taste, file: taste.yaml}",
                                  "{name: taste, file: taste.json" + inputs + "}"));
  folder.Write("taste.json", bytes);
  return LoadFile(folder.Path("s.yaml"));
}

TEST(StrategyLoader, TakesModelsOfTreesAsTheyWereSaved) {
  trees::XgboostText text;
  text.trees = {trees::XgboostStump(1, "31", true, "0.25", "0.75")};
  const Loaded loaded = LoadWithTrees(
      text.ToString(),
      ", inputs: [{feature: f0, input: customer.plan, codes: {big: 1}}, {feature: f1, input: "
      "customer.age}, {feature: f2, input: context.channel, equals: web}]");
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  const Strategy& strategy = *loaded.strategy;
  ASSERT_THAT(strategy.models.models, SizeIs(1));
  EXPECT_THAT(strategy.models.models[0].version, ::testing::StartsWith("taste@"));
  context::DecisionContext context;
  context.attributes.assign(strategy.context.attributes.defaults().begin(),
                            strategy.context.attributes.defaults().end());
  std::vector<ValueRef> features(strategy.features.defaults().begin(),
                                 strategy.features.defaults().end());
  scoring::ScoredCandidates scored;
  const auto propensity = [&](ValueRef age) {
    features[0] = age;
    const std::vector<int> candidates = {0, 1};
    scoring::Score(strategy.models, strategy.catalog, strategy.context, context, features,
                   candidates, scored);
    return scored.scored[1].propensity;
  };
  EXPECT_EQ(propensity(ValueRef::Int(30)), 0.25);
  EXPECT_EQ(propensity(ValueRef::Int(31)), 0.75);
}

TEST(StrategyLoader, ReportsWhatIsWrongWithAModelOfTreesWhereItIsNamed) {
  trees::XgboostText text;
  for (int feature = 1; feature < 3; ++feature) {
    text.trees.push_back(trees::XgboostStump(feature, "0.5", true, "1", "2"));
  }
  text.tree_info = "[0, 0, 0]";
  EXPECT_THAT(LoadWithTrees(text.ToString(), "").Issues(),
              ElementsAre(HasSubstr("s.yaml:15:25: error: the model's feature \"f0\": unknown "
                                    "feature \"f0\"; declare it under features, or say under "
                                    "inputs what it is"),
                          HasSubstr("\"f1\""), HasSubstr("\"f2\"")));
  EXPECT_THAT(
      LoadWithTrees(text.ToString(), ", inputs: [{feature: f7, input: customer.age}]").Issues(),
      ::testing::Contains("s.yaml:15:56: error: the model has no feature \"f7\"; did you "
                          "mean \"f0\"?"));
  EXPECT_THAT(LoadWithTrees("{\"version\": ", "").Issues(),
              ElementsAre(HasSubstr("s.yaml:15:25: error: the model file \"taste.json\": ")));
  EXPECT_THAT(
      LoadText(Replaced(kSmallStrategy, "file: taste.yaml",
                        "file: taste.yaml, output: 1, inputs: [{feature: f, input: "
                        "customer.age}]"))
          .Issues(),
      ElementsAre(HasSubstr("is for models of trees; other models name their inputs themselves"),
                  HasSubstr("is for models of trees")));
}

TEST(StrategyLoader, KeepsWhatTheListOfIssuesHeldBefore) {
  const TemporaryFolder folder;
  folder.Write("s.yaml", kSmallStrategy);
  folder.Write("taste.yaml", kSmallModel);
  IssueList issues;
  issues.Add({Issue::Severity::kError, {"other.yaml", 1, 1}, "earlier", ""});
  storage::NameDictionary dictionary;
  EXPECT_NE(LoadStrategy(folder.Path("s.yaml"), dictionary, issues), nullptr);
  EXPECT_EQ(issues.errors(), 1U);
}

}  // namespace
}  // namespace attune::strategy
