#include "lib/strategy/contact_compiler.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "lib/catalog/outcome_terms.h"

namespace attune::strategy {
namespace {

using google::protobuf::RepeatedField;
using google::protobuf::RepeatedPtrField;
using policy::ContactKind;
using policy::ContactOwner;
using policy::ContactPolicies;
using policy::ContactPolicy;
using policy::Scope;

policy::WeekdaySet WeekdaysOf(const RepeatedField<int>& weekdays) {
  policy::WeekdaySet set = 0;
  for (const int day : weekdays) {
    if (day >= v1::WEEKDAY_MONDAY && day <= v1::WEEKDAY_SUNDAY) {
      set |= static_cast<policy::WeekdaySet>(1 << (day - v1::WEEKDAY_MONDAY));
    }
  }
  return set;
}

// Compiles the policies of one file. Not thread-safe.
class Compiler {
 public:
  Compiler(const v1::Strategy& file, const Strategy& strategy) : file_(file), strategy_(strategy) {}

  ContactPolicies Compile();

 private:
  void Add(const RepeatedPtrField<v1::ContactPolicy>& policies, ContactOwner owner);
  ContactPolicy CompilePolicy(const v1::ContactPolicy& file, ContactOwner owner) const;
  void CompileExclusion(const v1::Exclusion& file, ContactOwner owner, ContactPolicy& policy) const;
  policy::CustomerClock CompileClock() const;

  policy::OutcomeSet OutcomesOf(const RepeatedPtrField<std::string>& names) const;
  context::ChannelSet ChannelsOf(const RepeatedPtrField<std::string>& names) const;
  static Scope ScopeOf(v1::Scope scope, ContactOwner owner);
  int GroupOf(std::string_view name) const;
  bool StandsOn(ContactOwner owner, int treatment) const;

  const v1::Strategy& file_;
  const Strategy& strategy_;
  std::vector<ContactPolicies::Owned> policies_;
};

ContactPolicies Compiler::Compile() {
  using Level = ContactOwner::Level;
  Add(file_.contact(), {Level::kStrategy, 0});
  for (const v1::Group& group : file_.groups()) {
    Add(group.contact(), {Level::kGroup, GroupOf(group.name())});
  }
  for (const v1::Treatment& treatment : file_.treatments()) {
    Add(treatment.contact(), {Level::kTreatment, strategy_.catalog.Find(treatment.name())});
  }
  std::vector<uint32_t> outcome_numbers;
  outcome_numbers.reserve(static_cast<size_t>(strategy_.outcomes.size()));
  for (int i = 0; i < strategy_.outcomes.size(); ++i) {
    outcome_numbers.push_back(strategy_.outcomes[i].number);
  }
  policy::CustomerClock clock = CompileClock();
  return ContactPolicies(std::move(policies_), strategy_.catalog, strategy_.context,
                         outcome_numbers, std::move(clock));
}

void Compiler::Add(const RepeatedPtrField<v1::ContactPolicy>& policies, ContactOwner owner) {
  if (owner.index < 0) return;
  for (const v1::ContactPolicy& policy : policies) {
    if (policy.kind_case() == v1::ContactPolicy::KIND_NOT_SET) continue;
    policies_.push_back({owner, CompilePolicy(policy, owner)});
  }
}

ContactPolicy Compiler::CompilePolicy(const v1::ContactPolicy& file, ContactOwner owner) const {
  ContactPolicy policy;
  policy.name = file.name();
  policy.because = file.because();
  switch (file.kind_case()) {
    case v1::ContactPolicy::kCap:
      policy.kind = ContactKind::kCap;
      policy.limit = std::max(file.cap().at_most(), 1);
      policy.outcomes = OutcomesOf(file.cap().outcomes());
      policy.window_ms = MillisOf(file.cap().window());
      policy.scope = ScopeOf(file.cap().per(), owner);
      policy.channels = ChannelsOf(file.cap().channels());
      break;
    case v1::ContactPolicy::kSuppression:
      policy.kind = ContactKind::kSuppression;
      policy.limit = file.suppression().has_after() ? std::max(file.suppression().after(), 1) : 1;
      policy.outcomes = OutcomesOf(file.suppression().outcomes());
      policy.window_ms = MillisOf(file.suppression().window());
      policy.silence_ms = MillisOf(file.suppression().for_());
      policy.scope = ScopeOf(file.suppression().of(), owner);
      // Silence on the strategy is of what was refused, not of everything.
      if (policy.scope == Scope::kAll) policy.scope = Scope::kTreatment;
      break;
    case v1::ContactPolicy::kMinGap:
      policy.kind = ContactKind::kMinGap;
      policy.outcomes = OutcomesOf(file.min_gap().outcomes());
      policy.window_ms = MillisOf(file.min_gap().gap());
      policy.scope = ScopeOf(file.min_gap().per(), owner);
      policy.channels = ChannelsOf(file.min_gap().channels());
      break;
    case v1::ContactPolicy::kQuietHours:
      policy.kind = ContactKind::kQuietHours;
      policy.quiet.from_minute = ParseTimeOfDay(file.quiet_hours().from()).value_or(0);
      policy.quiet.until_minute = ParseTimeOfDay(file.quiet_hours().until()).value_or(0);
      if (file.quiet_hours().weekdays_size() > 0) {
        policy.quiet.days = WeekdaysOf(file.quiet_hours().weekdays());
      }
      policy.channels = ChannelsOf(file.quiet_hours().channels());
      break;
    case v1::ContactPolicy::kAllowedWeekdays:
      policy.kind = ContactKind::kAllowedWeekdays;
      policy.days = WeekdaysOf(file.allowed_weekdays().weekdays());
      policy.channels = ChannelsOf(file.allowed_weekdays().channels());
      break;
    case v1::ContactPolicy::kExclusion:
      CompileExclusion(file.exclusion(), owner, policy);
      break;
    case v1::ContactPolicy::KIND_NOT_SET:
      break;
  }
  return policy;
}

void Compiler::CompileExclusion(const v1::Exclusion& file, ContactOwner owner,
                                ContactPolicy& policy) const {
  policy.kind = ContactKind::kExclusion;
  policy.outcomes = OutcomesOf(file.outcomes());
  policy.window_ms = MillisOf(file.window());
  policy.one_way = file.one_way();
  std::vector<int> groups;
  for (const std::string& name : file.groups()) groups.push_back(GroupOf(name));
  for (int t = 0; t < static_cast<int>(strategy_.catalog.treatments.size()); ++t) {
    const catalog::Treatment& treatment = strategy_.catalog.treatments[static_cast<size_t>(t)];
    const bool is_named = std::find(file.treatments().begin(), file.treatments().end(),
                                    treatment.name) != file.treatments().end() ||
                          std::find(groups.begin(), groups.end(), treatment.group) != groups.end();
    if (is_named && !StandsOn(owner, t)) policy.others.push_back(t);
  }
}

policy::CustomerClock Compiler::CompileClock() const {
  const v1::History& history = file_.history();
  policy::CustomerClock clock;
  if (!history.default_time_zone().empty()) {
    // A name that is not known leaves UTC.
    absl::LoadTimeZone(history.default_time_zone(), &clock.default_zone);
  }
  clock.feature = strategy_.features.SlotOf(history.time_zone_feature());
  if (clock.feature >= 0) clock.zones = std::make_shared<const TimeZones>();
  return clock;
}

policy::OutcomeSet Compiler::OutcomesOf(const RepeatedPtrField<std::string>& names) const {
  policy::OutcomeSet set = 0;
  for (const std::string& name : names) {
    const int outcome = strategy_.outcomes.IndexOf(name);
    if (name == catalog::kDecidedName) set |= policy::kDecidedOnly;
    if (outcome >= 0 && outcome < policy::kMaxOutcomes) set |= policy::OutcomeSet{2} << outcome;
  }
  return set;
}

context::ChannelSet Compiler::ChannelsOf(const RepeatedPtrField<std::string>& names) const {
  context::ChannelSet set;
  if (names.empty()) return set.set();
  for (const std::string& name : names) {
    const int channel = strategy_.context.channels.IndexOf(name);
    if (channel >= 0) set.set(static_cast<size_t>(channel));
  }
  return set;
}

Scope Compiler::ScopeOf(v1::Scope scope, ContactOwner owner) {
  switch (scope) {
    case v1::SCOPE_TREATMENT:
      return Scope::kTreatment;
    case v1::SCOPE_GROUP:
      return Scope::kGroup;
    case v1::SCOPE_ALL:
      return Scope::kAll;
    default:
      break;
  }
  switch (owner.level) {
    case ContactOwner::Level::kTreatment:
      return Scope::kTreatment;
    case ContactOwner::Level::kGroup:
      return Scope::kGroup;
    case ContactOwner::Level::kStrategy:
      break;
  }
  return Scope::kAll;
}

int Compiler::GroupOf(std::string_view name) const {
  const auto& groups = strategy_.catalog.groups;
  const auto found = std::find_if(groups.begin(), groups.end(),
                                  [&](const catalog::Group& group) { return group.name == name; });
  return found == groups.end() ? -1 : static_cast<int>(found - groups.begin());
}

bool Compiler::StandsOn(ContactOwner owner, int treatment) const {
  if (owner.level == ContactOwner::Level::kTreatment) return owner.index == treatment;
  return owner.level == ContactOwner::Level::kStrategy ||
         strategy_.catalog.treatments[static_cast<size_t>(treatment)].group == owner.index;
}

}  // namespace

ContactPolicies CompileContact(const v1::Strategy& file, const Strategy& strategy) {
  return Compiler(file, strategy).Compile();
}

customer::HistoryBounds CompileHistory(const v1::History& file, int64_t longest_window_ms) {
  customer::HistoryBounds bounds;
  if (file.has_max_interactions()) {
    bounds.max_interactions = static_cast<uint64_t>(std::max(file.max_interactions(), 1));
  }
  if (file.has_retention()) bounds.retention_ms = MillisOf(file.retention());
  bounds.retention_ms = std::max(bounds.retention_ms, longest_window_ms);
  return bounds;
}

policy::HistoryReach ReachOf(const v1::History& file) {
  policy::HistoryReach reach;
  reach.max_interactions = static_cast<int64_t>(CompileHistory(file, 0).max_interactions);
  if (file.has_interactions_per_day()) {
    reach.interactions_per_day = std::max(file.interactions_per_day(), 1);
  }
  return reach;
}

std::optional<int> ParseTimeOfDay(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  for (const size_t i : {0, 1, 3, 4}) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(text[i]))) return std::nullopt;
  }
  const int hour = (text[0] - '0') * 10 + text[1] - '0';
  const int minute = (text[3] - '0') * 10 + text[4] - '0';
  if (hour > 23 || minute > 59) return std::nullopt;
  return hour * 60 + minute;
}

int64_t MillisOf(const google::protobuf::Duration& duration) {
  return duration.seconds() * 1000 + duration.nanos() / 1'000'000;
}

}  // namespace attune::strategy
