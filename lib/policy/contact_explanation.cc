#include "lib/policy/contact_explanation.h"

#include <array>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "lib/base/absl_strings.h"

namespace attune::policy {
namespace {

using candidates::Reason;
using Place = ContactPolicies::Place;

// Days of the calendar that a search for the next allowed moment may try. Policies that together
// allow a moment at all allow one within a few weeks of the last window.
constexpr int kMaxSteps = 1000;

std::string Time(int64_t unix_ms) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", absl::FromUnixMillis(unix_ms),
                          absl::UTCTimeZone());
}

std::string TimeOfDay(int minute) { return absl::StrFormat("%02d:%02d", minute / 60, minute % 60); }

std::string LocalTime(const ContactState& state, std::string_view format) {
  return absl::StrCat(
      absl::FormatTime(ToAbsl(format), absl::FromUnixMillis(state.now_ms()), state.zone()), " in ",
      state.zone().name());
}

Place PlaceOf(const ContactPolicies& policies, const candidates::Rejection& rejection) {
  for (const Place& place : policies.Holding(rejection.treatment)) {
    if (place.policy == rejection.contact_policy) return place;
  }
  return {};
}

std::string WhatIsMissing(const ContactPolicy& policy, const ContactState& state,
                          const Place& place) {
  if (state.BlockedUntil(place, state.now_ms()) == ContactState::kNever) {
    return "the customer's history can't be read or written now, so the worst is assumed";
  }
  return absl::StrCat("what is remembered of the customer does not reach back ",
                      DurationText(policy.horizon_ms()), ", so the worst is assumed");
}

std::string WhatHappened(const ContactPolicy& policy, const ContactState& state, const Place& place,
                         const catalog::Catalog& catalog) {
  const std::optional<ContactState::Youngest> youngest = state.YoungestIn(place);
  const std::string last = youngest ? Time(youngest->time_ms) : "never";
  switch (policy.kind) {
    case ContactKind::kCap:
      return absl::StrFormat("%d of at most %d within %s", state.CountIn(place), policy.limit,
                             DurationText(policy.window_ms));
    case ContactKind::kSuppression: {
      const std::string within =
          policy.limit == 1 ? "" : absl::StrCat(" within ", DurationText(policy.window_ms));
      return absl::StrFormat("silent for %s after %d%s, the last at %s",
                             DurationText(policy.silence_ms), policy.limit, within, last);
    }
    case ContactKind::kMinGap:
      return absl::StrFormat("the last was at %s, and %s must pass", last,
                             DurationText(policy.window_ms));
    case ContactKind::kExclusion: {
      // Only what is among its treatments blocks it.
      const std::string& used = catalog.treatments[static_cast<size_t>(youngest->treatment)].name;
      return absl::StrFormat("keeps away for %s from %s, which was used last at %s",
                             DurationText(policy.window_ms), used, last);
    }
    case ContactKind::kQuietHours:
      return absl::StrFormat("quiet from %s until %s, and it is %s",
                             TimeOfDay(policy.quiet.from_minute),
                             TimeOfDay(policy.quiet.until_minute), LocalTime(state, "%a %H:%M"));
    case ContactKind::kAllowedWeekdays:
      return absl::StrCat("not on this day of the week, and it is ", LocalTime(state, "%A"));
  }
  return "";
}

}  // namespace

std::string DurationText(int64_t ms) {
  struct Unit {
    int64_t ms;
    char name;
  };
  static constexpr std::array<Unit, 3> kUnits = {
      {{86'400'000, 'd'}, {3'600'000, 'h'}, {60'000, 'm'}}};
  std::string text;
  for (const Unit& unit : kUnits) {
    if (ms >= unit.ms) absl::StrAppend(&text, ms / unit.ms, std::string(1, unit.name));
    ms %= unit.ms;
  }
  if (ms > 0 || text.empty()) absl::StrAppend(&text, static_cast<double>(ms) / 1000, "s");
  return text;
}

std::optional<int64_t> AllowedFrom(const ContactPolicies& policies, const ContactState& state,
                                   int treatment) {
  int64_t at_ms = state.now_ms();
  for (int step = 0; step < kMaxSteps; ++step) {
    int64_t next_ms = at_ms;
    for (const Place& place : policies.Holding(treatment)) {
      const std::optional<int64_t> until_ms = state.BlockedUntil(place, at_ms);
      if (until_ms == ContactState::kNever) return std::nullopt;
      if (until_ms) next_ms = std::max(next_ms, *until_ms);
    }
    if (next_ms == at_ms) return at_ms;
    at_ms = next_ms;
  }
  return std::nullopt;
}

ContactExplanation ExplainContact(const ContactPolicies& policies, const catalog::Catalog& catalog,
                                  const ContactState& state, const candidates::Rejection& rejection,
                                  bool tells_when) {
  const ContactPolicy& policy = policies[rejection.contact_policy];
  const Place place = PlaceOf(policies, rejection);
  ContactExplanation explanation;
  explanation.policy = policy.name;
  explanation.because = policy.because;
  if (!policy.is_calendar()) {
    explanation.count = state.CountIn(place);
    explanation.limit = policy.limit;
    explanation.window_ms = policy.window_ms;
  }
  if (tells_when) {
    explanation.allowed_from_ms = AllowedFrom(policies, state, rejection.treatment);
  }
  const std::string what = rejection.reason == Reason::kHistoryIncomplete
                               ? WhatIsMissing(policy, state, place)
                               : WhatHappened(policy, state, place, catalog);
  explanation.sentence =
      absl::StrCat(ToAbsl(ContactKindName(policy.kind)), " ", policy.name, ": ", what,
                   explanation.allowed_from_ms
                       ? absl::StrCat("; allowed again from ", Time(*explanation.allowed_from_ms))
                       : "",
                   policy.because.empty() ? "" : absl::StrCat(" (", policy.because, ")"));
  return explanation;
}

}  // namespace attune::policy
