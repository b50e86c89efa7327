#include "lib/strategy/contact_checker.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/text.h"
#include "lib/base/time_zones.h"
#include "lib/catalog/outcome_terms.h"
#include "lib/policy/contact_policies.h"
#include "lib/policy/history_reach.h"
#include "lib/strategy/contact_compiler.h"

namespace attune::strategy {
namespace {

using google::protobuf::Duration;

constexpr int64_t kSecondsPerDay = 86'400;

// The keys of the kinds of a contact policy.
std::vector<std::string_view> KindKeys() {
  std::vector<std::string_view> keys;
  const auto& oneof = *v1::ContactPolicy::descriptor()->FindOneofByName("kind");
  keys.reserve(static_cast<size_t>(oneof.field_count()));
  for (int i = 0; i < oneof.field_count(); ++i) keys.push_back(oneof.field(i)->name());
  return keys;
}

// A contact policy and where it stands.
struct Place {
  const v1::ContactPolicy& policy;
  std::string path;   // of the policy
  std::string kind;   // of its kind: path.cap
  std::string group;  // what it stands on, or neither: the strategy
  std::string treatment;
};

class ContactChecker : public CheckerBase {
 public:
  ContactChecker(const v1::Strategy& file, const ContactNames& names, YamlDocument& source,
                 IssueList& issues, StringMap<std::string>& path_of_policy)
      : CheckerBase(source, issues),
        file_(file),
        names_(names),
        reach_(ReachOf(file.history())),
        path_of_policy_(path_of_policy) {}

  bool Check();

 private:
  void CheckOutcomes();
  void CheckPurposes();
  void CheckPurposeOf(std::string_view owner, const std::string& purpose);
  void CheckHistory();
  void CheckTimeZones();
  void CheckPolicies(const Repeated<v1::ContactPolicy>& policies, std::string_view owner,
                     const std::string& group, const std::string& treatment);
  void CheckPolicyName(const Place& place);
  void CheckPolicy(const Place& place);
  void CheckCap(const v1::Cap& cap, const Place& place);
  void CheckSuppression(const v1::Suppression& suppression, const Place& place);
  void CheckMinGap(const v1::MinGap& gap, const Place& place);
  void CheckQuietHours(const v1::QuietHours& quiet, const Place& place);
  void CheckWeekdays(const v1::AllowedWeekdays& allowed, const Place& place);
  void CheckEachOnce(const Place& place, const google::protobuf::RepeatedField<int>& weekdays);
  void CheckExclusion(const v1::Exclusion& exclusion, const Place& place);
  void CheckNotItself(const v1::Exclusion& exclusion, const Place& place);
  void CheckFallbacks();
  void CheckRetention();

  void CheckCounted(const Repeated<std::string>& outcomes, const Place& place,
                    std::string_view noun);
  void CheckCount(const Place& place, std::string_view noun, std::string_view field, int count,
                  bool required);
  std::optional<int> CheckTimeOfDay(const Place& place, std::string_view field,
                                    const std::string& text);
  // The duration in seconds when it is one that a policy may have; 0 when it is absent or wrong.
  int64_t CheckDuration(std::string_view owner, std::string_view noun, std::string_view field,
                        const Duration* duration, bool required);
  // A window of this length looks at the history.
  void CheckHorizon(const Place& place, std::string_view field, int64_t seconds);
  const std::string& GroupOf(std::string_view treatment) const;

  const v1::Strategy& file_;
  const ContactNames names_;
  const policy::HistoryReach reach_;
  NameIndex outcomes_;
  NameIndex purposes_;
  StringMap<std::string>& path_of_policy_;  // by name
  int policies_ = 0;
  // The longest horizon and where it is written.
  int64_t longest_seconds_ = 0;
  std::string longest_path_;
};

bool ContactChecker::Check() {
  CheckOutcomes();
  CheckPurposes();
  CheckHistory();
  CheckPolicies(file_.contact(), "", "", "");
  for (int i = 0; i < file_.groups_size(); ++i) {
    const std::string path = Element("groups", i);
    CheckPurposeOf(path, file_.groups(i).purpose());
    CheckPolicies(file_.groups(i).contact(), path, file_.groups(i).name(), "");
  }
  for (int i = 0; i < file_.treatments_size(); ++i) {
    const v1::Treatment& treatment = file_.treatments(i);
    const std::string path = Element("treatments", i);
    CheckPurposeOf(path, treatment.purpose());
    CheckPolicies(treatment.contact(), path, "", treatment.name());
  }
  if (policies_ > policy::kMaxContactPolicies) {
    compilable_ = false;
    Report("contact", absl::StrCat("a strategy may have at most ", policy::kMaxContactPolicies,
                                   " contact policies, not ", policies_));
  }
  CheckFallbacks();
  CheckRetention();
  return compilable_;
}

void ContactChecker::CheckOutcomes() {
  outcomes_ = CheckNames(file_.outcomes(), "outcomes", "outcome", policy::kMaxOutcomes);
  const auto declared = outcomes_.find(catalog::kDecidedName);
  if (declared != outcomes_.end()) {
    Report(Field(Element("outcomes", declared->second), "name"),
           "\"decided\" is what a decision put on top, and can't be declared");
  }
  outcomes_.try_emplace(catalog::kDecidedName, -1);
}

void ContactChecker::CheckPurposes() {
  purposes_ = CheckNames(file_.purposes(), "purposes", "purpose", kMaxPurposes);
  for (int i = 0; i < file_.purposes_size(); ++i) {
    if (file_.purposes(i).consent() == v1::CONSENT_UNSPECIFIED) {
      IsUsable(Element("purposes", i), "purpose", "consent");
    }
  }
}

void ContactChecker::CheckPurposeOf(std::string_view owner, const std::string& purpose) {
  const std::string path = Field(owner, "purpose");
  if (!source_.HasUnflawed(path) || purposes_.contains(purpose)) return;
  if (purposes_.empty() && source_.HasFlawed("purposes")) return;
  Report(path, UnknownName("purpose", purpose, purposes_));
}

void ContactChecker::CheckHistory() {
  const v1::History& history = file_.history();
  if (history.has_max_interactions()) {
    CheckRange("history", "max_interactions", history.max_interactions(), 1, kMaxInteractions);
  }
  if (history.has_interactions_per_day()) {
    CheckRange("history", "interactions_per_day", history.interactions_per_day(), 1, 10'000);
  }
  if (history.has_retention()) {
    CheckDuration("history", "history", "retention", &history.retention(), false);
  }
  CheckTimeZones();
}

void ContactChecker::CheckTimeZones() {
  const std::string feature_path = "history.time_zone_feature";
  const std::string& feature = file_.history().time_zone_feature();
  if (source_.HasUnflawed(feature_path)) {
    NameIndex strings;
    NameIndex all;
    for (int i = 0; i < file_.features_size(); ++i) {
      all.try_emplace(file_.features(i).name(), i);
      if (file_.features(i).type() == v1::VALUE_TYPE_STRING) {
        strings.try_emplace(file_.features(i).name(), i);
      }
    }
    if (!all.contains(feature)) {
      Report(feature_path, UnknownName("feature", feature, strings));
    } else if (!strings.contains(feature)) {
      Report(feature_path, absl::StrCat("the feature ", Quoted(feature),
                                        " must be of type string to hold the "
                                        "name of a time zone"));
    }
  }
  const std::string zone_path = "history.default_time_zone";
  if (!source_.HasUnflawed(zone_path)) return;
  const std::string& zone = file_.history().default_time_zone();
  const TimeZones zones;
  if (zones.Find(zone) != nullptr) return;
  const std::string meant = DidYouMean(zone, zones.Names());
  Report(zone_path,
         absl::StrCat("unknown time zone ", Quoted(zone),
                      meant.empty() ? "; write an IANA name such as Europe/Berlin" : meant));
}

void ContactChecker::CheckPolicies(const Repeated<v1::ContactPolicy>& policies,
                                   std::string_view owner, const std::string& group,
                                   const std::string& treatment) {
  const std::string list = Field(owner, "contact");
  policies_ += policies.size();
  if (policies.size() > policy::kMaxContactPoliciesOfOne) {
    compilable_ = false;
    Report(list, absl::StrCat("contact has ", policies.size(), " entries; at most ",
                              policy::kMaxContactPoliciesOfOne, " are allowed"));
    return;
  }
  for (int i = 0; i < policies.size(); ++i) {
    const v1::ContactPolicy& policy = policies[i];
    const std::string path = Element(list, i);
    std::string kind = path;
    for (const std::string_view key : KindKeys()) {
      if (source_.Has(Field(path, key))) kind = Field(path, key);
    }
    const Place place{policy, path, kind, group, treatment};
    CheckPolicyName(place);
    CheckBecause(path, policy.because());
    CheckPolicy(place);
  }
}

void ContactChecker::CheckPolicyName(const Place& place) {
  const std::string& name = place.policy.name();
  CheckName(place.path, name, "contact policy");
  if (name.empty()) return;
  const auto [earlier, is_new] = path_of_policy_.try_emplace(name, place.path);
  if (is_new) return;
  Report(Field(place.path, "name"),
         absl::StrCat("duplicate contact policy ", Quoted(name), "; it is declared on line ",
                      source_.LineOf(Field(earlier->second, "name")), " already"));
}

void ContactChecker::CheckPolicy(const Place& place) {
  switch (place.policy.kind_case()) {
    case v1::ContactPolicy::kCap:
      return CheckCap(place.policy.cap(), place);
    case v1::ContactPolicy::kSuppression:
      return CheckSuppression(place.policy.suppression(), place);
    case v1::ContactPolicy::kMinGap:
      return CheckMinGap(place.policy.min_gap(), place);
    case v1::ContactPolicy::kQuietHours:
      return CheckQuietHours(place.policy.quiet_hours(), place);
    case v1::ContactPolicy::kAllowedWeekdays:
      return CheckWeekdays(place.policy.allowed_weekdays(), place);
    case v1::ContactPolicy::kExclusion:
      return CheckExclusion(place.policy.exclusion(), place);
    case v1::ContactPolicy::KIND_NOT_SET:
      if (place.kind != place.path || !source_.HasUnflawed(place.path)) return;
      Report(place.path, absl::StrCat("a contact policy needs one of the keys ",
                                      absl::StrJoin(KindKeys(), ", ",
                                                    [](std::string* out, std::string_view key) {
                                                      out->append(key);
                                                    })));
  }
}

void ContactChecker::CheckCap(const v1::Cap& cap, const Place& place) {
  CheckCount(place, "cap", "at_most", cap.at_most(), true);
  CheckCounted(cap.outcomes(), place, "cap");
  CheckReferences(Field(place.kind, "channels"), cap.channels(), "channel", names_.channels);
  CheckHorizon(
      place, "window",
      CheckDuration(place.kind, "cap", "window", cap.has_window() ? &cap.window() : nullptr, true));
}

void ContactChecker::CheckSuppression(const v1::Suppression& suppression, const Place& place) {
  const std::string_view noun = "suppression";
  if (suppression.has_after()) CheckCount(place, noun, "after", suppression.after(), false);
  CheckCounted(suppression.outcomes(), place, noun);
  const int64_t silence = CheckDuration(
      place.kind, noun, "for", suppression.has_for_() ? &suppression.for_() : nullptr, true);
  const int64_t window = CheckDuration(place.kind, noun, "window",
                                       suppression.has_window() ? &suppression.window() : nullptr,
                                       suppression.has_after() && suppression.after() != 1);
  if (suppression.of() == v1::SCOPE_ALL) {
    Report(Field(place.kind, "of"),
           "of must be treatment or group: silence is of what was refused");
  }
  if (silence + window > policy::kMaxWindowDays * kSecondsPerDay) {
    Report(Field(place.kind, "for"), absl::StrCat("window and for must be at most ",
                                                  policy::kMaxWindowDays, " days together"));
  } else if (silence > 0) {
    CheckHorizon(place, "for", silence + window);
  }
}

void ContactChecker::CheckMinGap(const v1::MinGap& gap, const Place& place) {
  CheckCounted(gap.outcomes(), place, "min_gap");
  CheckReferences(Field(place.kind, "channels"), gap.channels(), "channel", names_.channels);
  CheckHorizon(
      place, "gap",
      CheckDuration(place.kind, "min_gap", "gap", gap.has_gap() ? &gap.gap() : nullptr, true));
}

void ContactChecker::CheckQuietHours(const v1::QuietHours& quiet, const Place& place) {
  const std::optional<int> from = CheckTimeOfDay(place, "from", quiet.from());
  const std::optional<int> until = CheckTimeOfDay(place, "until", quiet.until());
  if (from && until && *from == *until) {
    Report(Field(place.kind, "until"),
           absl::StrCat("until must not be the same as from (line ",
                        source_.LineOf(Field(place.kind, "from")), ")"));
  }
  CheckEachOnce(place, quiet.weekdays());
  CheckReferences(Field(place.kind, "channels"), quiet.channels(), "channel", names_.channels);
}

void ContactChecker::CheckWeekdays(const v1::AllowedWeekdays& allowed, const Place& place) {
  const std::string weekdays = Field(place.kind, "weekdays");
  if (allowed.weekdays().empty() && IsUsable(place.kind, "allowed_weekdays", "weekdays")) {
    Report(weekdays, "weekdays needs at least one day; without one nothing would ever be allowed");
  }
  CheckEachOnce(place, allowed.weekdays());
  CheckReferences(Field(place.kind, "channels"), allowed.channels(), "channel", names_.channels);
}

void ContactChecker::CheckEachOnce(const Place& place,
                                   const google::protobuf::RepeatedField<int>& weekdays) {
  for (int i = 1; i < weekdays.size(); ++i) {
    const std::string day = Element(Field(place.kind, "weekdays"), i);
    const bool is_new =
        std::find(weekdays.begin(), weekdays.begin() + i, weekdays[i]) == weekdays.begin() + i;
    if (!is_new && source_.HasUnflawed(day)) Report(day, "the day is listed already");
  }
}

void ContactChecker::CheckExclusion(const v1::Exclusion& exclusion, const Place& place) {
  if (place.group.empty() && place.treatment.empty() && place.path.starts_with("contact")) {
    source_.ReportKey(place.kind, "an exclusion must stand on a group or a treatment", issues_);
  }
  const std::string treatments = Field(place.kind, "treatments");
  const std::string groups = Field(place.kind, "groups");
  if (exclusion.treatments().empty() && exclusion.groups().empty() && !source_.Has(treatments) &&
      !source_.Has(groups)) {
    Report(place.kind, "an exclusion needs the key \"treatments\" or \"groups\"");
  }
  CheckReferences(treatments, exclusion.treatments(), "treatment", names_.treatments);
  CheckReferences(groups, exclusion.groups(), "group", names_.groups);
  CheckNotItself(exclusion, place);
  CheckCounted(exclusion.outcomes(), place, "exclusion");
  CheckHorizon(place, "window",
               CheckDuration(place.kind, "exclusion", "window",
                             exclusion.has_window() ? &exclusion.window() : nullptr, true));
}

void ContactChecker::CheckNotItself(const v1::Exclusion& exclusion, const Place& place) {
  const std::string_view message =
      "the policy stands on this itself; for a pause after itself use min_gap";
  for (int i = 0; i < exclusion.treatments_size(); ++i) {
    const std::string& name = exclusion.treatments(i);
    if (name == place.treatment || (!place.group.empty() && GroupOf(name) == place.group)) {
      Report(Element(Field(place.kind, "treatments"), i), std::string(message));
    }
  }
  for (int i = 0; i < exclusion.groups_size(); ++i) {
    if (!place.group.empty() && exclusion.groups(i) == place.group) {
      Report(Element(Field(place.kind, "groups"), i), std::string(message));
    }
  }
}

const std::string& ContactChecker::GroupOf(std::string_view treatment) const {
  static const std::string kNone;
  const auto found = names_.treatments.find(treatment);
  return found == names_.treatments.end() ? kNone : file_.treatments(found->second).group();
}

void ContactChecker::CheckFallbacks() {
  if (file_.fallbacks_size() > kMaxFallbacks) {
    compilable_ = false;
    Report("fallbacks", absl::StrCat("fallbacks has ", file_.fallbacks_size(), " entries; at most ",
                                     kMaxFallbacks, " are allowed"));
    return;
  }
  absl::flat_hash_set<std::string> used;
  for (int i = 0; i < file_.fallbacks_size(); ++i) {
    const v1::Fallback& fallback = file_.fallbacks(i);
    const std::string path = Element("fallbacks", i);
    CheckReference(path, "fallback", "treatment", fallback.treatment(), names_.treatments);
    CheckReferences(Field(path, "channels"), fallback.channels(), "channel", names_.channels);
    used.insert(fallback.treatment());
  }
  if (source_.HasFlawed("fallbacks")) return;
  for (int i = 0; i < file_.treatments_size(); ++i) {
    const v1::Treatment& treatment = file_.treatments(i);
    if (!treatment.only_as_fallback() || used.contains(treatment.name())) continue;
    source_.ReportKey(Field(Element("treatments", i), "only_as_fallback"),
                      "the treatment is not listed under fallbacks; it would never be used",
                      issues_);
  }
}

void ContactChecker::CheckRetention() {
  if (!file_.history().has_retention() || !source_.HasUnflawed("history.retention")) return;
  if (file_.history().retention().seconds() >= longest_seconds_) return;
  Report("history.retention",
         absl::StrCat("retention must be at least as long as the longest window, which stands on "
                      "line ",
                      source_.LineOf(longest_path_)));
}

void ContactChecker::CheckCounted(const Repeated<std::string>& outcomes, const Place& place,
                                  std::string_view noun) {
  const std::string path = Field(place.kind, "outcomes");
  if (outcomes.empty() && IsUsable(place.kind, noun, "outcomes")) {
    Report(path, "outcomes needs at least one; nothing would be counted");
  }
  CheckReferences(path, outcomes, "outcome", outcomes_);
}

void ContactChecker::CheckCount(const Place& place, std::string_view noun, std::string_view field,
                                int count, bool required) {
  if (required && count == 0 && !IsUsable(place.kind, noun, field)) return;
  if (count >= 1 && count <= reach_.max_interactions) return;
  Report(Field(place.kind, field),
         absl::StrCat(ToAbsl(field), " must be between 1 and the ", reach_.max_interactions,
                      " interactions that are kept (history.max_interactions), not ", count));
}

std::optional<int> ContactChecker::CheckTimeOfDay(const Place& place, std::string_view field,
                                                  const std::string& text) {
  const std::optional<int> minute = ParseTimeOfDay(text);
  if (minute || !IsUsable(place.kind, "quiet_hours", field)) return minute;
  Report(Field(place.kind, field),
         absl::StrCat(ToAbsl(field), " must be a time of the day such as \"08:30\", not ",
                      Quoted(text), text == "24:00" ? "; midnight is \"00:00\"" : ""));
  return std::nullopt;
}

int64_t ContactChecker::CheckDuration(std::string_view owner, std::string_view noun,
                                      std::string_view field, const Duration* duration,
                                      bool required) {
  const std::string path = Field(owner, field);
  if (duration == nullptr) {
    if (required) IsUsable(owner, noun, field);
    return 0;
  }
  if (!source_.HasUnflawed(path)) return 0;
  const int64_t seconds = duration->seconds();
  if (seconds >= 1 && seconds <= policy::kMaxWindowDays * kSecondsPerDay) return seconds;
  Report(path,
         absl::StrCat(ToAbsl(field), " must be between 1s and ", policy::kMaxWindowDays, "d"));
  return 0;
}

void ContactChecker::CheckHorizon(const Place& place, std::string_view field, int64_t seconds) {
  const std::string path = Field(place.kind, field);
  if (seconds > longest_seconds_) {
    longest_seconds_ = seconds;
    longest_path_ = path;
  }
  if (reach_.Covers(seconds * 1000)) return;
  source_.Warn(path, reach_.Warning("the policy counts as reached"), issues_);
}

}  // namespace

bool CheckContact(const v1::Strategy& file, const ContactNames& names, YamlDocument& source,
                  IssueList& issues, StringMap<std::string>& path_of_name) {
  return ContactChecker(file, names, source, issues, path_of_name).Check();
}

}  // namespace attune::strategy
