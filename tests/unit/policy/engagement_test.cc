#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/policy/engagement_explanation.h"
#include "tests/unit/policy/contact_fixture.h"

namespace attune::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kFeatures[] = R"pb(
  features {
    name: "age"
    type: VALUE_TYPE_INT
    default { int_value: 30 }
  }
  features { name: "incidents" type: VALUE_TYPE_INT }
  features { name: "income" type: VALUE_TYPE_DOUBLE protected: true }
  features { name: "tags" type: VALUE_TYPE_STRING_LIST }
  features { name: "secret" type: VALUE_TYPE_STRING protected: true }
  features { name: "word" type: VALUE_TYPE_STRING }
  features { name: "score" type: VALUE_TYPE_DOUBLE }
  features { name: "nothing" type: VALUE_TYPE_DOUBLE }
  features { name: "vip" type: VALUE_TYPE_BOOL }
  features {
    name: "yes"
    type: VALUE_TYPE_BOOL
    default { bool_value: true }
  }
  features { name: "renewed" type: VALUE_TYPE_TIMESTAMP }
  features { name: "visited" type: VALUE_TYPE_TIMESTAMP }
)pb";

std::string Rule(const std::string& stage, const std::string& name, const std::string& when,
                 const std::string& because = "") {
  return stage + " { name: \"" + name + "\" when: \"" + when + "\" because: \"" + because +
         "\" }\n";
}
std::string Derived(const std::string& name, const std::string& value) {
  return "derived { name: \"" + name + "\" value: \"" + value + "\" }\n";
}

// The contact world with features that rules look at.
class World : public ContactWorld {
 public:
  explicit World(ContactTexts texts) : ContactWorld(WithFeatures(std::move(texts))) {
    features_.assign(strategy_->features.defaults().begin(), strategy_->features.defaults().end());
    LiveIn("Europe/Berlin");
    context_.time_us = kNow * 1000;
  }
  static ContactTexts WithFeatures(ContactTexts texts) {
    texts.strategy += kFeatures;
    return texts;
  }

  void Know(std::string_view feature, ValueRef value) {
    features_[static_cast<size_t>(strategy_->features.SlotOf(feature))] = value;
  }
  std::string RuleOf(std::string_view treatment) const {
    const candidates::Rejection* rejection = RejectionOf(treatment);
    if (rejection == nullptr || rejection->rule < 0) return "";
    return strategy_->engagement[rejection->rule].name;
  }
  // Each text by itself.
  struct Told {
    struct Value {
      std::string name;
      std::string text;
      bool is_default = false;
      bool is_protected = false;
    };
    std::string sentence;
    std::string expression;
    std::vector<Value> values;
    std::string needed;
    std::string nearest_change;
  };
  Told Explain(std::string_view treatment) {
    Apply(0);
    RuleExplanation explanation(strategy_->engagement, result_.engagement);
    explanation.Explain(*RejectionOf(treatment));
    return TextsOf(explanation);
  }
  static Told TextsOf(const RuleExplanation& explanation) {
    Told told;
    const auto write = [](std::string& to, auto append) {
      TextBuffer buffer(to);
      append(buffer);
    };
    write(told.sentence, [&](TextBuffer& to) { explanation.AppendSentence(to); });
    write(told.expression, [&](TextBuffer& to) { explanation.AppendExpression(to); });
    for (const RuleValue& value : explanation.values()) {
      told.values.push_back(
          {std::string(value.name), std::string(value.text), value.is_default, value.is_protected});
    }
    write(told.needed, [&](TextBuffer& to) { explanation.AppendNeeded(to); });
    write(told.nearest_change, [&](TextBuffer& to) { explanation.AppendNearestChange(to); });
    EXPECT_EQ(explanation.has_nearest_change(), !told.nearest_change.empty());
    return told;
  }
};

// Why `gift` is rejected by this one rule; empty when it is kept.
std::string GiftBy(const std::string& when, const std::vector<Past>& pasts = {}) {
  World world({.strategy = Rule("eligibility", "r", when)});
  if (!pasts.empty()) world.Happened(pasts);
  return world.Reason("gift", 0);
}

TEST(EngagementTest, EachStageHasItsReason) {
  World world({.strategy = Rule("eligibility", "a", "treatment.name != 'plan'") +
                           Rule("applicability", "b", "treatment.name != 'phone'") +
                           Rule("suitability", "c", "treatment.name != 'gift'")});
  EXPECT_EQ(world.Reason("plan", 0), "not_eligible");
  EXPECT_EQ(world.Reason("phone", 0), "not_applicable");
  EXPECT_EQ(world.Reason("gift", 0), "not_suitable");
  EXPECT_EQ(world.Reason("alarm", 0), "");
  EXPECT_EQ(world.RuleOf("phone"), "b");
}

TEST(EngagementTest, RulesAreInheritedDownward) {
  World world({.strategy = Rule("suitability", "everybody", "customer.age < 90"),
               .offer = Rule("eligibility", "adults", "customer.age >= 18"),
               .plan = Rule("eligibility", "seniors", "customer.age >= 60")});
  world.Know("age", ValueRef::Int(17));
  world.Apply(0);
  EXPECT_EQ(world.RuleOf("plan"), "adults");
  EXPECT_EQ(world.RuleOf("phone"), "adults");
  EXPECT_EQ(world.RuleOf("gift"), "");
  world.Know("age", ValueRef::Int(30));
  world.Apply(0);
  EXPECT_EQ(world.RuleOf("plan"), "seniors");
  EXPECT_EQ(world.RuleOf("phone"), "");
  world.Know("age", ValueRef::Int(95));
  world.Apply(0);
  for (const char* treatment : {"plan", "phone", "alarm", "gift"}) {
    EXPECT_EQ(world.RuleOf(treatment), "everybody");
  }
}

TEST(EngagementTest, TheFirstStageGoesFirstThenWhatStandsHigher) {
  World world(
      {.strategy = Rule("suitability", "s_all", "false") + Rule("eligibility", "e_all", "false"),
       .plan = Rule("eligibility", "e_plan", "false")});
  world.Apply(0);
  EXPECT_EQ(world.RuleOf("plan"), "e_all");
  World lower({.strategy = Rule("suitability", "s_all", "false"),
               .offer = Rule("applicability", "a_offer", "false"),
               .plan = Rule("eligibility", "e_plan", "false")});
  lower.Apply(0);
  EXPECT_EQ(lower.RuleOf("plan"), "e_plan");
  EXPECT_EQ(lower.RuleOf("phone"), "a_offer");
  EXPECT_EQ(lower.RuleOf("gift"), "s_all");
}

TEST(EngagementTest, ConsentGoesFirstAndContactPoliciesLast) {
  World world(
      {.strategy = "contact { name: \"never\" quiet_hours { from: \"00:00\" until: \"23:59\" } }",
       .offer = "purpose: \"marketing\"" + Rule("eligibility", "no", "false"),
       .plan = ""});
  EXPECT_EQ(world.Reason("plan", 0), "no_consent");
  EXPECT_EQ(world.Reason("gift", 0), "quiet_hours");
  World without(
      {.strategy = "contact { name: \"never\" quiet_hours { from: \"00:00\" until: \"23:59\" } }",
       .offer = Rule("eligibility", "no", "false")});
  EXPECT_EQ(without.Reason("plan", 0), "not_eligible");
  EXPECT_EQ(without.Reason("alarm", 0), "not_eligible") << "transactional ones are not exempt";
}

TEST(EngagementTest, WhatCanNotBeEvaluatedDoesNotHold) {
  EXPECT_EQ(GiftBy("10 / customer.incidents > 2"), "rule_error");
  EXPECT_EQ(GiftBy("10 / customer.incidents > 2 || true"), "");
  EXPECT_EQ(GiftBy("10 / customer.incidents > 2 && false"), "not_eligible");
  EXPECT_EQ(GiftBy("customer.tags[3] == 'x'"), "rule_error");
}

TEST(EngagementTest, TellsADefaultFromWhatIsKnown) {
  World world({.strategy = Rule("eligibility", "known", "has(customer.age)")});
  EXPECT_EQ(world.Reason("gift", 0), "not_eligible");
  world.Know("age", ValueRef::Int(30));
  EXPECT_EQ(world.Reason("gift", 0), "");
  EXPECT_EQ(GiftBy("customer.age == 30"), "");
  EXPECT_EQ(GiftBy("context.intent == '' && !has(context.intent)"), "");
  EXPECT_EQ(GiftBy("context.channel == 'app' && treatment.group == 'care'"), "");
}

TEST(EngagementTest, TreatmentsHaveDeclaredAttributes) {
  World world({.strategy = "treatment_attributes { name: \"min_age\" type: VALUE_TYPE_INT"
                           " default { int_value: 18 } }" +
                           Rule("eligibility", "old_enough", "customer.age >= treatment.min_age"),
               .plan = "attributes { key: \"min_age\" value { int_value: 40 } }"});
  EXPECT_EQ(world.Reason("plan", 0), "not_eligible");
  EXPECT_EQ(world.Reason("phone", 0), "");
}

TEST(EngagementTest, DerivedValuesAreComputedWhenTheyAreNeeded) {
  const std::string derived = Derived("twice", "derived.once * 2") +
                              Derived("once", "customer.age + 1") +
                              Derived("broken", "1 / customer.incidents");
  World world({.strategy = derived +
                           Rule("eligibility", "r", "derived.twice == 62 || derived.broken > 0")});
  EXPECT_EQ(world.Reason("gift", 0), "");
  World lazily(
      {.strategy = derived + Rule("eligibility", "r", "customer.age > 99 && derived.broken > 0")});
  EXPECT_EQ(lazily.Reason("gift", 0), "not_eligible");
  World needed({.strategy = derived + Rule("eligibility", "r", "derived.broken > 0")});
  EXPECT_EQ(needed.Reason("gift", 0), "rule_error");
}

struct LocalTimeCase {
  const char* name;
  const char* zone;
  const char* utc;
  int hour;
  int weekday;  // 0: Sunday
};

TEST(EngagementTest, LocalTimeIsWhatTheClockOnTheCustomersWallReads) {
  const LocalTimeCase cases[] = {
      {"BerlinBeforeSpring", "Europe/Berlin", "2026-03-29T00:59:59Z", 1, 0},
      {"BerlinAfterSpring", "Europe/Berlin", "2026-03-29T01:00:00Z", 3, 0},
      {"BerlinBeforeAutumn", "Europe/Berlin", "2026-10-25T00:59:59Z", 2, 0},
      {"BerlinAfterAutumn", "Europe/Berlin", "2026-10-25T01:00:00Z", 2, 0},
      {"NewYorkBeforeSpring", "America/New_York", "2026-03-08T06:59:59Z", 1, 0},
      {"NewYorkAfterSpring", "America/New_York", "2026-03-08T07:00:00Z", 3, 0},
      {"NewYorkBeforeAutumn", "America/New_York", "2026-11-01T05:59:59Z", 1, 0},
      {"NewYorkAfterAutumn", "America/New_York", "2026-11-01T06:00:00Z", 1, 0},
      {"TheDayBefore", "America/New_York", "2026-03-02T03:00:00Z", 22, 0},
      {"NoZoneIsTheDefaultZone", "", "2026-07-01T12:00:00Z", 14, 3},
      {"UnknownZoneIsTheDefaultZone", "Mars/Olympus", "2026-07-01T12:00:00Z", 14, 3},
  };
  for (const LocalTimeCase& c : cases) {
    World world({.strategy = Rule(
                     "eligibility", "r",
                     "context.local_time.getHours() == " + std::to_string(c.hour) +
                         " && context.local_time.getDayOfWeek() == " + std::to_string(c.weekday))});
    world.LiveIn(c.zone);
    absl::Time time;
    ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, c.utc, &time, nullptr));
    EXPECT_EQ(world.Reason("gift", absl::ToUnixMillis(time) - kNow), "") << c.name;
    EXPECT_EQ(world.result_.time_zone_unknown, std::string(c.zone) == "Mars/Olympus") << c.name;
  }
}

TEST(EngagementTest, CountsWhatLiesWithinTheWindow) {
  const std::vector<Past> pasts = {{"shown", "gift", -kDay}, {"shown", "gift", -kDay + 1}};
  EXPECT_EQ(GiftBy("history.treatment.count(['shown'], duration('24h')) == 1", pasts), "");
  EXPECT_EQ(GiftBy("history.treatment.count(['shown'], duration('86401s')) == 2", pasts), "");
  EXPECT_EQ(GiftBy("history.treatment.count(['shown'], duration('1s')) == 0",
                   {{"shown", "gift", 10}, {"shown", "gift", -kSecond}}),
            "not_eligible")
      << "one in the future counts";
}

TEST(EngagementTest, CountsWhatItIsAskedFor) {
  const std::vector<Past> pasts = {{"shown", "gift", -kHour, "app"},
                                   {"decided", "gift", -kHour, "mail"},
                                   {"shown", "plan", -kHour, "app"},
                                   {"rejected", "phone", -kHour, "mail"},
                                   {"shown", "gone", -kHour, "app"}};
  const std::string week = ", duration('168h'))";
  const std::pair<std::string, int> cases[] = {
      {"history.treatment.count(['shown']" + week, 1},
      {"history.treatment.count(['shown', 'decided']" + week, 2},
      {"history.treatment.on_channel.count(['shown', 'decided']" + week, 1},
      {"history.group.count(['shown', 'decided']" + week, 2},
      {"history.all.count(['shown']" + week, 3},
      {"history.all.count(['shown', 'rejected']" + week, 4},
      {"history.all.on_channel.count(['shown', 'rejected']" + week, 3},
  };
  for (const auto& [call, count] : cases) {
    EXPECT_EQ(GiftBy(call + " == " + std::to_string(count), pasts), "") << call;
  }
  World world(
      {.strategy = Rule("eligibility", "r", "history.group.count(['rejected']" + week + " == 0")});
  world.Happened(pasts);
  EXPECT_EQ(world.Reason("plan", 0), "not_eligible") << "of the same group";
  EXPECT_EQ(world.Reason("gift", 0), "");
}

TEST(EngagementTest, TellsWhenTheLastOneWas) {
  const std::vector<Past> pasts = {{"shown", "gift", -2 * kDay}, {"shown", "gift", -kDay}};
  EXPECT_EQ(GiftBy("history.treatment.last(['shown']) == context.time - duration('24h')", pasts),
            "");
  EXPECT_EQ(
      GiftBy("history.treatment.last(['rejected']) == timestamp('1970-01-01T00:00:00Z')", pasts),
      "");
  EXPECT_EQ(GiftBy("context.time - history.all.last(['rejected']) > duration('720h')"), "")
      << "never is long ago";
  EXPECT_EQ(GiftBy("history.group.on_channel.last(['shown']) < context.time", pasts), "");
}

TEST(EngagementTest, AHistoryThatDoesNotReachBackIsAnError) {
  World world(
      {.strategy = Rule("eligibility", "r", "history.all.count(['shown'], duration('240h')) < 9"),
       .history = "max_interactions: 2"});
  world.Happened({{"shown", "gift", -9 * kDay}, {"shown", "gift", -8 * kDay}});
  EXPECT_EQ(world.Reason("gift", 0), "");
  EXPECT_FALSE(world.result_.history_incomplete);
  world.Happened({{"shown", "gift", -kDay}});
  EXPECT_EQ(world.Reason("gift", 0), "rule_error") << "the one of 9 days ago was dropped";
  EXPECT_TRUE(world.result_.history_incomplete);
  EXPECT_EQ(world.Reason("gift", kDay), "") << "it would not count any longer";
  EXPECT_FALSE(world.result_.history_incomplete);
  EXPECT_EQ(world.Reason("gift", kDay - 1), "rule_error");
}

TEST(EngagementTest, WhatTheLongestWindowCountsIsKept) {
  const std::vector<Past> pasts = {{"shown", "gift", -200 * kDay + 1}};
  EXPECT_EQ(GiftBy("history.all.count(['shown'], duration('4800h')) == 1", pasts), "");
}

TEST(EngagementTest, AComputedWindowThatIsLongerThanWhatIsKeptIsAnError) {
  World world(
      {.strategy = Rule("eligibility", "r",
                        "history.all.count(['shown'], duration(string(customer.age * 24) + 'h')) "
                        "< 9")});
  world.Know("age", ValueRef::Int(200));
  EXPECT_EQ(world.Reason("gift", 0), "") << "nothing was forgotten";
  world.Happened({{"shown", "gift", -100 * kDay}});
  world.Happened({{"shown", "gift", -kDay}});  // drops what is older than 90 days
  EXPECT_EQ(world.Reason("gift", 0), "rule_error") << "never too few";
  world.Know("age", ValueRef::Int(90));
  EXPECT_EQ(world.Reason("gift", 0), "");
}

TEST(EngagementTest, WhatWasForgottenMayHaveBeenTheLastOne) {
  World world({.strategy = Rule("eligibility", "r",
                                "context.time - history.all.last(['rejected']) > duration('48h')"),
               .history = "max_interactions: 2"});
  world.Happened({{"shown", "gift", -9 * kDay}, {"shown", "gift", -kDay}});
  EXPECT_EQ(world.Reason("gift", 0), "");
  world.Happened({{"shown", "gift", -kDay + 1}, {"shown", "gift", -kDay + 2}});
  EXPECT_EQ(world.Reason("gift", 0), "not_eligible") << "what was dropped ended a day ago";
  EXPECT_EQ(world.Reason("gift", kDay + 1), "");
}

TEST(EngagementTest, ADecisionThatCanNotBeRememberedIsNotCounted) {
  World world(
      {.strategy = Rule("eligibility", "r", "history.all.count(['decided'], duration('24h')) < 9") +
                   Rule("eligibility", "s", "history.all.count(['shown'], duration('24h')) < 9")});
  world.Apply(world.State().AsReadOnly(), 0);
  ASSERT_NE(world.RejectionOf("gift"), nullptr);
  EXPECT_EQ(world.RejectionOf("gift")->reason, candidates::Reason::kRuleError);
  EXPECT_EQ(world.RuleOf("gift"), "r");
}

TEST(EngagementTest, WithoutTheRecordRulesAboutTheHistoryAreErrors) {
  World world({.strategy = Rule("eligibility", "r",
                                "treatment.name != 'gift' || "
                                "history.all.last(['shown']) < context.time")});
  world.Apply(customer::CustomerState::Unavailable(), 0);
  ASSERT_NE(world.RejectionOf("gift"), nullptr);
  EXPECT_EQ(world.RejectionOf("gift")->reason, candidates::Reason::kRuleError);
  EXPECT_EQ(world.RejectionOf("phone"), nullptr);
}

// --- explanations ---

TEST(EngagementExplanationTest, TellsThePartTheValueAndWhatWasNeeded) {
  World world({.strategy = Rule("suitability", "solve_first",
                                "customer.age > 17 && customer.incidents == 0", "Solve first.")});
  world.Know("incidents", ValueRef::Int(2));
  const World::Told explanation = world.Explain("gift");
  EXPECT_EQ(explanation.sentence,
            "suitability solve_first: customer.incidents = 2, needed 0 (Solve first.)");
  EXPECT_EQ(explanation.expression, "customer.incidents == 0");
  ASSERT_EQ(explanation.values.size(), 1u);
  EXPECT_EQ(explanation.values[0].name, "customer.incidents");
  EXPECT_EQ(explanation.values[0].text, "2");
  EXPECT_FALSE(explanation.values[0].is_default);
  EXPECT_EQ(explanation.needed, "0");
  EXPECT_EQ(explanation.nearest_change, "customer.incidents == 0");
}

TEST(EngagementExplanationTest, NamesNoChangeWhereItWouldTakeMore) {
  World both({.strategy = Rule("eligibility", "r", "customer.age > 40 && customer.incidents > 0")});
  EXPECT_EQ(both.Explain("gift").needed, "> 40");
  EXPECT_EQ(both.Explain("gift").nearest_change, "");
  World another({.strategy = Rule("eligibility", "r", "customer.age > 40") +
                             Rule("suitability", "s", "customer.incidents > 0")});
  EXPECT_EQ(another.Explain("gift").nearest_change, "");
  World either(
      {.strategy = Rule("eligibility", "r", "customer.age > 40 || customer.incidents > 0")});
  const World::Told explanation = either.Explain("gift");
  EXPECT_EQ(explanation.expression, "customer.age > 40 || customer.incidents > 0");
  EXPECT_EQ(explanation.needed, "> 40 or > 0");
  EXPECT_EQ(explanation.nearest_change, "customer.age > 40 || customer.incidents > 0");
  EXPECT_TRUE(explanation.values[0].is_default);
}

struct ChangeCase {
  std::string name;
  std::string rules;
  std::string change;
};

// The customer is 30 and has no incidents, on the channel app.
TEST(EngagementExplanationTest, NamesNoChangeThatAnotherConditionForbids) {
  const std::string over_40 = Rule("eligibility", "a", "customer.age > 40");
  const ChangeCase cases[] = {
      {"NothingElse", over_40, "customer.age > 40"},
      {"OfAnotherVariable", over_40 + Rule("suitability", "b", "customer.incidents < 3"),
       "customer.age > 40"},
      {"AnotherRuleForbids", over_40 + Rule("suitability", "b", "customer.age < 35"), ""},
      {"AnotherRuleAllowsSome", over_40 + Rule("suitability", "b", "customer.age < 60"),
       "customer.age == 41"},
      {"AnEarlierRuleForbids",
       Rule("eligibility", "b", "customer.age < 35") +
           Rule("suitability", "a", "customer.age > 40"),
       ""},
      {"ThroughADerivedValue",
       Derived("young", "customer.age < 35") + over_40 + Rule("suitability", "b", "derived.young"),
       ""},
      {"ThroughADerivedValueThatAllowsSome",
       Derived("rest", "90 - customer.age") + over_40 +
           Rule("suitability", "b", "derived.rest > 9"),
       "customer.age == 41"},
      {"TheSameRuleForbids", Rule("eligibility", "a", "customer.age > 40 && customer.age < 35"),
       ""},
      {"TheSameRuleForbidsTheNearest",
       Rule("eligibility", "a", "customer.age > 40 && customer.age != 41"), ""},
      {"TheSamePartTwice",
       Rule("eligibility", "a", "customer.age > 40 || (customer.age > 40 && has(customer.tags))"),
       "customer.age > 40"},
      {"TheSamePartDecides",
       over_40 + Rule("suitability", "b", "customer.age > 40 ? customer.incidents > 0 : true"), ""},
      {"OneOfTwoIsForbidden",
       Rule("eligibility", "a", "customer.age > 40 || customer.incidents > 2") +
           Rule("suitability", "b", "customer.age < 35"),
       "customer.incidents > 2"},
      {"OneOfAList",
       Rule("eligibility", "a", "customer.incidents in [3, 4, 5]") +
           Rule("suitability", "b", "customer.incidents == 0 || customer.incidents > 3"),
       "customer.incidents == 4"},
      {"Presence",
       Rule("eligibility", "a", "has(customer.age)") +
           Rule("suitability", "b", "customer.age == 30"),
       ""},
      {"OfADerivedValue",
       Derived("rest", "90 - customer.age") + Rule("eligibility", "a", "derived.rest < 9"),
       "derived.rest < 9"},
      {"OfADerivedValueThatShares",
       Derived("rest", "90 - customer.age") + Rule("eligibility", "a", "derived.rest < 9") +
           Rule("suitability", "b", "customer.age < 35"),
       ""},
      {"OfSomethingComputed", Rule("eligibility", "a", "customer.age + customer.incidents > 40"),
       "customer.age + customer.incidents > 40"},
      {"OfSomethingComputedThatShares",
       Rule("eligibility", "a", "customer.age + customer.incidents > 40") +
           Rule("suitability", "b", "customer.age < 35"),
       ""},
      {"OfTwoVariables", Rule("eligibility", "a", "customer.incidents > customer.age"),
       "customer.incidents > 30"},
      {"OfTwoVariablesThatShare",
       Rule("eligibility", "a", "customer.incidents >= customer.age") +
           Rule("suitability", "b", "customer.incidents != 5"),
       "customer.incidents == 30"},
      {"OfTwoVariablesWhereTheOtherIsLookedAtToo",
       Rule("eligibility", "a", "customer.incidents > customer.age") +
           Rule("suitability", "b", "customer.age < 35"),
       "customer.incidents > 30"},
      {"WhereBothSidesWouldMove", Rule("eligibility", "a", "customer.age > customer.age * 2"), ""},
      {"AgainstTheChannel", Rule("eligibility", "a", "context.channel in customer.tags"),
       R"("app" in customer.tags)"},
      {"AgainstTheTime",
       Rule("eligibility", "a", "context.time < timestamp(1000000000 + customer.age)"),
       "timestamp(1000000000 + customer.age) > timestamp(\"2026-03-01T00:00:00Z\")"},
      {"OfNothing", Rule("eligibility", "a", "cel.bind(x, 5, x * 2) > 30"), ""},
      {"AgainstWhatIsConstant", Rule("eligibility", "a", "cel.bind(x, 20, x * 2) < customer.age"),
       "customer.age > 40"},
      {"InAnEmptyList", Rule("eligibility", "a", "customer.word in customer.tags"), ""},
      {"AgainstNoNumber", Rule("eligibility", "a", "customer.score >= 0.0 / customer.nothing"), ""},
      {"AgainstTheGreatest", Rule("eligibility", "a", "customer.vip > customer.yes"), ""},
      {"OfATime", Rule("eligibility", "a", "customer.renewed > customer.visited"),
       "customer.renewed > timestamp(\"1970-01-01T00:00:00Z\")"},
      {"OfADouble", Rule("eligibility", "a", "customer.score == customer.nothing + 30.0"),
       "customer.score == 30.0"},
      {"AgainstTheTreatment", Rule("eligibility", "a", "treatment.name in customer.tags"),
       R"("gift" in customer.tags)"},
      {"TheChannel", Rule("eligibility", "a", "context.channel == 'mail'"), ""},
      {"TheTime", Rule("eligibility", "a", "context.time > timestamp('2030-01-01T00:00:00Z')"), ""},
      {"TheCustomersClock", Rule("eligibility", "a", "context.local_time.getHours() > 8"), ""},
      {"TheTimeZone", Rule("eligibility", "a", "customer.zone == 'UTC'"), ""},
      {"TheTreatmentItself", Rule("eligibility", "a", "treatment.name == 'plan'"), ""},
  };
  for (const ChangeCase& c : cases) {
    World world({.strategy = c.rules});
    EXPECT_EQ(world.Explain("gift").nearest_change, c.change) << c.name;
    EXPECT_EQ(world.Explain("gift").nearest_change, c.change) << c.name << ", once more";
  }
}

TEST(EngagementExplanationTest, TheNearestChangeWouldHaveLetItPass) {
  const std::string rules[] = {
      Rule("eligibility", "a", "customer.age > 40") +
          Rule("suitability", "b", "customer.age % 2 == 0 || customer.age == 41"),
      Rule("eligibility", "a", "customer.age >= 41"),
      Rule("eligibility", "a", "customer.age in [41, 50]"),
      Rule("eligibility", "a", "customer.age != 30") +
          Rule("eligibility", "b",
               "customer.age == 30 || customer.age == 41 || customer.age == 31"),
  };
  for (const std::string& rule : rules) {
    World world({.strategy = rule});
    const std::string change = world.Explain("gift").nearest_change;
    ASSERT_NE(change, "") << rule;
    int passed = 0;
    for (const int age : {31, 41}) {
      World check({.strategy = rule + Rule("suitability", "change", change)});
      check.Know("age", ValueRef::Int(age));
      if (check.Reason("gift", 0).empty()) ++passed;
    }
    EXPECT_EQ(passed, 1) << rule << change;
  }
}

TEST(EngagementExplanationTest, AnotherHistoryMayRunIntoAContactPolicy) {
  const std::string rule =
      Rule("eligibility", "r", "history.treatment.count(['shown'], duration('24h')) > 0");
  EXPECT_EQ(World({.strategy = rule}).Explain("gift").nearest_change,
            "history.treatment.count(['shown'], duration('24h')) > 0");
  World capped({.strategy = rule + R"pb(
                  contact {
                    name: "once"
                    cap {
                      at_most: 1
                      outcomes: "shown"
                      window { seconds: 86400 }
                    }
                  }
                )pb"});
  EXPECT_EQ(capped.Explain("gift").nearest_change, "");
  World asked_twice({.strategy = rule + Rule("suitability", "s",
                                             "history.all.count(['shown'], duration('24h')) < 1")});
  EXPECT_EQ(asked_twice.Explain("gift").nearest_change, "");
}

TEST(EngagementExplanationTest, TellsWhatWasCounted) {
  World world({.strategy = Rule("eligibility", "r",
                                "history.treatment.count(['shown'], duration('24h')) < 1")});
  world.Happened({{"shown", "gift", -kHour}});
  EXPECT_EQ(world.Explain("gift").sentence,
            "eligibility r: history.treatment.count(['shown'], duration('24h')) = 1, needed < 1");
}

TEST(EngagementExplanationTest, TellsWhatFailed) {
  World world({.strategy = Rule("eligibility", "r", "10 / customer.incidents > 2")});
  EXPECT_EQ(
      world.Explain("gift").sentence,
      "eligibility r: can't be evaluated: division by zero; customer.incidents = 0 (not known)");
}

TEST(EngagementExplanationTest, TellsWhatIsNoComparison) {
  World world({.strategy = Rule("eligibility", "r", "customer.tags.exists(t, t == 'x')")});
  EXPECT_EQ(world.Explain("gift").sentence,
            "eligibility r: customer.tags.exists(t, t == 'x') is false with customer.tags = [] "
            "(not known)");
}

TEST(EngagementExplanationTest, NeverTellsWhatIsProtected) {
  const std::string rules[] = {
      Rule("eligibility", "r", "customer.income < 1000.0"),
      Rule("eligibility", "r", "customer.income != 4711.5"),
      Rule("eligibility", "r", "!(customer.income in [4711.5])"),
      Rule("eligibility", "r", "customer.income * 2.0 < 1000.0"),
      Rule("eligibility", "r", "customer.secret.startsWith('x')"),
      Rule("eligibility", "r", "duration(customer.secret) < duration('1s')"),
      Rule("eligibility", "r", "customer.secret + '!' in customer.tags"),
      Rule("eligibility", "r", "customer.age > int(customer.income)"),
      Rule("eligibility", "r", "int(customer.income) < customer.age"),
      Rule("eligibility", "r", "customer.secret in customer.tags.map(t, t + '!')"),
      Rule("eligibility", "r", "treatment.name == customer.secret"),
      Derived("pay", "int(customer.income)") +
          Rule("eligibility", "r", "customer.age == derived.pay"),
      Derived("pay", "customer.income / 12.0") + Rule("eligibility", "r", "derived.pay < 10.0"),
      Derived("a", "derived.b + '!'") + Derived("b", "customer.secret") +
          Rule("eligibility", "r", "derived.a == 'x'"),
      Derived("list", "[customer.secret, 'x']") +
          Rule("eligibility", "r", "!derived.list.exists(e, e == 'hush4711')"),
      Derived("list", "[customer.secret, 'x']") +
          Rule("eligibility", "r", "derived.list[0] == 'y'"),
  };
  for (const std::string& rule : rules) {
    World world({.strategy = rule});
    world.Know("income", ValueRef::Double(4711.5));
    world.Know("secret", ValueRef::String("hush4711"));
    const World::Told explanation = world.Explain("gift");
    std::string all = explanation.sentence + explanation.expression + explanation.needed +
                      explanation.nearest_change;
    for (const World::Told::Value& value : explanation.values) all += value.name + value.text;
    EXPECT_THAT(all, Not(HasSubstr("4711"))) << rule;
    EXPECT_THAT(all, Not(HasSubstr("392"))) << rule;
    EXPECT_TRUE(std::any_of(explanation.values.begin(), explanation.values.end(),
                            [](const World::Told::Value& value) { return value.is_protected; }))
        << rule;
    EXPECT_THAT(explanation.expression, IsEmpty()) << rule;
    EXPECT_THAT(explanation.sentence, ::testing::StartsWith("eligibility r: "));
  }
}

TEST(EngagementExplanationTest, ShowsWhatIsBesideAProtectedPart) {
  World world({.strategy = Rule("eligibility", "r", "customer.income > 1e6 && customer.age > 40")});
  world.Know("income", ValueRef::Double(2e6));
  EXPECT_EQ(world.Explain("gift").needed, "> 40");
}

}  // namespace
}  // namespace attune::policy
