// One case per kind of mistake in what a strategist writes about contact: what is changed in a
// strategy that has something of everything, and everything that is said about it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lib/policy/contact_policies.h"
#include "tests/unit/strategy/strategy_files.h"

namespace attune::strategy {
namespace {

using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

// After the small strategy, from line 35 on.
constexpr std::string_view kContact = R"(outcomes: [{name: shown}, {name: refused}]
purposes: [{name: ads, consent: opt_in}]
history:
  time_zone_feature: plan
  default_time_zone: Europe/Berlin
contact:
  - name: a_week
    because: Enough is enough.
    cap:
      at_most: 2
      outcomes: [shown, decided]
      window: 7d
      channels: [web]
  - name: silence
    suppression:
      after: 2
      outcomes: [refused]
      window: 1d12h
      for: 30d
  - name: night
    quiet_hours:
      from: "21:00"
      until: "08:00"
      weekdays: [friday]
  - name: workdays
    allowed_weekdays:
      weekdays: [monday, tuesday]
fallbacks:
  - {treatment: gift, channels: [ivr]}
)";
// On the treatment deal, which ends on line 30.
constexpr std::string_view kOfDeal = R"(      web: {title: A deal}
    purpose: ads
    contact:
      - name: apart
        min_gap: {gap: 36h, outcomes: [shown]}
      - name: not_with_gifts
        exclusion: {treatments: [gift], outcomes: [shown], window: 2d}
)";

std::string Contact() {
  return Replaced(kSmallStrategy, "      web: {title: A deal}\n", kOfDeal) + std::string(kContact);
}

TEST(ContactLoading, EverythingIsReadAndCompiled) {
  const Loaded loaded = LoadText(Contact());
  ASSERT_THAT(loaded.Issues(), IsEmpty());
  const policy::ContactPolicies& contact = loaded.strategy->contact;
  ASSERT_EQ(contact.size(), 6);
  EXPECT_EQ(contact[0].name, "a_week");
  EXPECT_EQ(contact[0].because, "Enough is enough.");
  EXPECT_EQ(contact[0].limit, 2);
  EXPECT_EQ(contact[0].window_ms, 7 * int64_t{86'400'000});
  EXPECT_EQ(contact[0].outcomes, 0b11u);
  EXPECT_EQ(contact[0].scope, policy::Scope::kAll);
  EXPECT_EQ(contact[0].channels.count(), 1u);
  EXPECT_EQ(contact[1].horizon_ms(), int64_t{31 * 24 + 12} * 3'600'000);
  EXPECT_EQ(contact[1].scope, policy::Scope::kTreatment);
  EXPECT_EQ(contact[2].quiet.from_minute, 21 * 60);
  EXPECT_EQ(contact[2].quiet.days, 1 << 4);
  EXPECT_EQ(contact[3].days, 0b11);
  EXPECT_EQ(contact[4].scope, policy::Scope::kTreatment);
  EXPECT_THAT(contact[5].others, ::testing::ElementsAre(0));
  EXPECT_EQ(contact.clock().default_zone.name(), "Europe/Berlin");
  EXPECT_EQ(contact.clock().feature, 1);
  EXPECT_EQ(loaded.strategy->catalog.treatments[1].purpose, 0);
  EXPECT_EQ(loaded.strategy->catalog.treatments[0].purpose, -1);
  EXPECT_EQ(loaded.strategy->history.max_interactions, 512u);
  EXPECT_EQ(loaded.strategy->history.retention_ms, 90 * int64_t{86'400'000});
  EXPECT_EQ(loaded.strategy->arbitration.fallbacks.size(), 1u);
}

struct ErrorCase {
  std::string name;
  std::string from;  // what is replaced …
  std::string to;    // … by this
  std::vector<std::string> issues;
};

void PrintTo(const ErrorCase& c, std::ostream* out) { *out << c.name; }

class ContactError : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(ContactError, IsReportedWhereItIsWritten) {
  const ErrorCase& c = GetParam();
  const Loaded loaded = LoadText(Replaced(Contact(), c.from, c.to));
  EXPECT_EQ(loaded.strategy == nullptr, c.issues[0].find("error") != std::string::npos);
  EXPECT_THAT(loaded.Issues(), ElementsAreArray(c.issues));
}

const ErrorCase kCases[] = {
    {"NoWindow", "      window: 7d\n", "", {"s.yaml:50:7: error: a cap needs the key \"window\""}},
    {"WindowOfZero",
     "window: 7d",
     "window: 0s",
     {"s.yaml:52:15: error: window must be between 1s and 3650d"}},
    {"NegativeWindow",
     "window: 7d",
     "window: -7d",
     {"s.yaml:52:15: error: window must be a duration such as 7d, 36h, 90m, 30s or 1d12h, not "
      "\"-7d\""}},
    {"WindowWithoutUnit",
     "window: 7d",
     "window: 7",
     {"s.yaml:52:15: error: window must be a duration such as 7d, 36h, 90m, 30s or 1d12h, not "
      "\"7\""}},
    {"WindowOfElevenYears",
     "window: 7d",
     "window: 4000d",
     {"s.yaml:52:15: error: window must be between 1s and 3650d"}},
    {"EmptyWindow",
     "window: 7d",
     "window:",
     {"s.yaml:52:7: error: window has no value; give one or leave the key out"}},
    {"NoAtMost", "      at_most: 2\n", "", {"s.yaml:50:7: error: a cap needs the key \"at_most\""}},
    {"AtMostZero",
     "at_most: 2",
     "at_most: 0",
     {"s.yaml:50:16: error: at_most must be between 1 and the 512 interactions that are kept "
      "(history.max_interactions), not 0"}},
    {"AtMostMoreThanIsKept",
     "at_most: 2",
     "at_most: 513",
     {"s.yaml:50:16: error: at_most must be between 1 and the 512 interactions that are kept "
      "(history.max_interactions), not 513"}},
    {"UnknownOutcome",
     "[shown, decided]",
     "[shwon]",
     {"s.yaml:51:18: error: unknown outcome \"shwon\"; did you mean \"shown\"?"}},
    {"NoOutcomes",
     "      outcomes: [shown, decided]\n",
     "",
     {"s.yaml:50:7: error: a cap needs the key \"outcomes\""}},
    {"EmptyOutcomes",
     "[shown, decided]",
     "[]",
     {"s.yaml:51:17: error: outcomes needs at least one; nothing would be counted"}},
    {"UnknownChannel",
     "channels: [web]",
     "channels: [wep]",
     {"s.yaml:53:18: error: unknown channel \"wep\"; did you mean \"web\"?"}},
    {"UnknownScope",
     "at_most: 2",
     "at_most: 2\n      per: customer",
     {"s.yaml:51:12: error: per must be one of treatment, group, all, not \"customer\""}},
    {"NoSilence",
     "      for: 30d\n",
     "",
     {"s.yaml:56:7: error: a suppression needs the key \"for\""}},
    {"NoWindowForTwo",
     "      window: 1d12h\n",
     "",
     {"s.yaml:56:7: error: a suppression needs the key \"window\""}},
    {"SilenceOfEverything",
     "after: 2",
     "of: all",
     {"s.yaml:56:11: error: of must be treatment or group: silence is of what was refused"}},
    {"NoSuchTime",
     "\"21:00\"",
     "\"24:00\"",
     {"s.yaml:62:13: error: from must be a time of the day such as \"08:30\", not \"24:00\"; "
      "midnight is \"00:00\""}},
    {"QuietForNoTime",
     "until: \"08:00\"",
     "until: \"21:00\"",
     {"s.yaml:63:14: error: until must not be the same as from (line 62)"}},
    {"UnknownWeekday",
     "[friday]",
     "[fryday]",
     {"s.yaml:64:18: error: weekdays[0] must be one of monday, tuesday, wednesday, thursday, "
      "friday, saturday, sunday, not \"fryday\"; did you mean \"friday\"?"}},
    {"DayTwice",
     "[monday, tuesday]",
     "[monday, tuesday, monday]",
     {"s.yaml:67:35: error: the day is listed already"}},
    {"QuietDayTwice",
     "[friday]",
     "[friday, friday]",
     {"s.yaml:64:26: error: the day is listed already"}},
    {"UnknownWeekdays",
     "[friday]",
     "[fryday, sonday]",
     {"s.yaml:64:18: error: weekdays[0] must be one of monday, tuesday, wednesday, thursday, "
      "friday, saturday, sunday, not \"fryday\"; did you mean \"friday\"?",
      "s.yaml:64:26: error: weekdays[1] must be one of monday, tuesday, wednesday, thursday, "
      "friday, saturday, sunday, not \"sonday\"; did you mean \"monday\"?"}},
    {"NoWeekday",
     "[monday, tuesday]",
     "[]",
     {"s.yaml:67:17: error: weekdays needs at least one day; without one nothing would ever be "
      "allowed"}},
    {"DuplicatePolicy",
     "name: silence",
     "name: apart",
     {"s.yaml:33:15: error: duplicate contact policy \"apart\"; it is declared on line 54 "
      "already"}},
    {"NoPolicyName",
     "  - name: a_week\n    because",
     "  - because",
     {"s.yaml:47:5: error: a contact policy needs the key \"name\""}},
    {"NoKind",
     "    allowed_weekdays:\n      weekdays: [monday, tuesday]\n",
     "",
     {"s.yaml:65:5: error: a contact policy needs one of the keys cap, suppression, min_gap, "
      "quiet_hours, allowed_weekdays, exclusion"}},
    {"TwoKinds",
     "    allowed_weekdays:",
     "    min_gap: {gap: 1d, outcomes: [shown]}\n    allowed_weekdays:",
     {"s.yaml:67:5: error: only one of \"min_gap\" (line 66) and \"allowed_weekdays\" may be "
      "given"}},
    {"ExclusionOfItself",
     "{treatments: [gift]",
     "{treatments: [deal]",
     {"s.yaml:36:34: error: the policy stands on this itself; for a pause after itself use "
      "min_gap"}},
    {"ExclusionOfNothing",
     "{treatments: [gift], ",
     "{",
     {"s.yaml:36:20: error: an exclusion needs the key \"treatments\" or \"groups\""}},
    {"ExclusionOnEverything",
     "    allowed_weekdays:\n      weekdays: [monday, tuesday]",
     "    exclusion: {groups: [care], outcomes: [shown], window: 1d}",
     {"s.yaml:66:5: error: an exclusion must stand on a group or a treatment"}},
    {"UnknownPurpose",
     "purpose: ads",
     "purpose: ad",
     {"s.yaml:31:14: error: unknown purpose \"ad\"; did you mean \"ads\"?"}},
    {"NoDefaultOfAPurpose",
     ", consent: opt_in",
     "",
     {"s.yaml:42:12: error: a purpose needs the key \"consent\""}},
    {"DecidedIsDeclared",
     "{name: refused}",
     "{name: refused}, {name: decided}",
     {"s.yaml:41:51: error: \"decided\" is what a decision put on top, and can't be declared"}},
    {"UnknownTimeZone",
     "Europe/Berlin",
     "Europe/Berlyn",
     {"s.yaml:45:22: error: unknown time zone \"Europe/Berlyn\"; did you mean \"Europe/Berlin\"?"}},
    {"TimeZoneOfANumber",
     "time_zone_feature: plan",
     "time_zone_feature: age",
     {"s.yaml:44:22: error: the feature \"age\" must be of type string to hold the name of a time "
      "zone"}},
    {"UnknownTimeZoneFeature",
     "time_zone_feature: plan",
     "time_zone_feature: plam",
     {"s.yaml:44:22: error: unknown feature \"plam\"; did you mean \"plan\"?"}},
    {"RetentionShorterThanAWindow",
     "history:",
     "history:\n  retention: 31d",
     {"s.yaml:44:14: error: retention must be at least as long as the longest window, which stands "
      "on line 60"}},
    {"TooManyInteractions",
     "history:",
     "history:\n  max_interactions: 5000",
     {"s.yaml:44:21: error: max_interactions must be between 1 and 4096, not 5000"}},
    {"AWindowThatTheHistoryCanNotHold",
     "window: 7d",
     "window: 200d",
     {"s.yaml:52:15: warning: the 512 interactions that are kept hold 128 days of a customer with "
      "4 a day; where the history doesn't reach back far enough the policy counts as reached "
      "(history.max_interactions, history.interactions_per_day)"}},
    {"UnknownFallback",
     "{treatment: gift, channels",
     "{treatment: gft, channels",
     {"s.yaml:69:17: error: unknown treatment \"gft\"; did you mean \"gift\"?"}},
    {"OnlyAsAFallbackThatIsNone",
     "purpose: ads",
     "only_as_fallback: true",
     {"s.yaml:31:5: error: the treatment is not listed under fallbacks; it would never be used"}},
};

INSTANTIATE_TEST_SUITE_P(All, ContactError, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace attune::strategy
