#include "lib/policy/contact_explanation.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "lib/base/absl_strings.h"
#include "lib/base/utc_text.h"

namespace attune::policy {
namespace {

using candidates::Reason;
using Place = ContactPolicies::Place;

// Days of the calendar that a search for the next allowed moment may try. Policies that together
// allow a moment at all allow one within a few weeks of the last window.
constexpr int kMaxSteps = 1000;

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
  return {.policy = rejection.contact_policy};
}

void AppendWhatIsMissing(const ContactPolicy& policy, const ContactState& state, const Place& place,
                         std::string& text) {
  if (state.BlockedUntil(place, state.now_ms()) == ContactState::kNever) {
    text += "the customer's history can't be read or written now, so the worst is assumed";
    return;
  }
  absl::StrAppend(&text, "what is remembered of the customer does not reach back ",
                  DurationText(policy.horizon_ms()), ", so the worst is assumed");
}

void AppendLast(const std::optional<ContactState::Youngest>& youngest, std::string& text) {
  if (youngest) {
    AppendUtc(youngest->time_ms, text);
  } else {
    text += "never";
  }
}

void AppendWhatHappened(const ContactPolicy& policy, const ContactState& state, const Place& place,
                        const catalog::Catalog& catalog, std::string& text) {
  const std::optional<ContactState::Youngest> youngest = state.YoungestIn(place);
  switch (policy.kind) {
    case ContactKind::kCap:
      absl::StrAppend(&text, state.CountIn(place), " of at most ", policy.limit, " within ",
                      DurationText(policy.window_ms));
      return;
    case ContactKind::kSuppression:
      absl::StrAppend(&text, "silent for ", DurationText(policy.silence_ms), " after ",
                      policy.limit);
      if (policy.limit != 1) absl::StrAppend(&text, " within ", DurationText(policy.window_ms));
      text += ", the last at ";
      AppendLast(youngest, text);
      return;
    case ContactKind::kMinGap:
      text += "the last was at ";
      AppendLast(youngest, text);
      absl::StrAppend(&text, ", and ", DurationText(policy.window_ms), " must pass");
      return;
    case ContactKind::kExclusion: {
      // Only what is among its treatments blocks it.
      const std::string& used = catalog.treatments[static_cast<size_t>(youngest->treatment)].name;
      absl::StrAppend(&text, "keeps away for ", DurationText(policy.window_ms), " from ", used,
                      ", which was used last at ");
      AppendLast(youngest, text);
      return;
    }
    case ContactKind::kQuietHours:
      absl::StrAppend(&text, "quiet from ", TimeOfDay(policy.quiet.from_minute), " until ",
                      TimeOfDay(policy.quiet.until_minute), ", and it is ",
                      LocalTime(state, "%a %H:%M"));
      return;
    case ContactKind::kAllowedWeekdays:
      absl::StrAppend(&text, "not on this day of the week, and it is ", LocalTime(state, "%A"));
      return;
  }
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

ContactExplanation ExplainContact(const ContactPolicies& policies, const ContactState& state,
                                  const candidates::Rejection& rejection, bool tells_when) {
  const ContactPolicy& policy = policies[rejection.contact_policy];
  ContactExplanation explanation;
  explanation.place = PlaceOf(policies, rejection);
  explanation.policy = policy.name;
  explanation.because = policy.because;
  explanation.history_incomplete = rejection.reason == Reason::kHistoryIncomplete;
  if (!policy.is_calendar()) {
    explanation.count = state.CountIn(explanation.place);
    explanation.limit = policy.limit;
    explanation.window_ms = policy.window_ms;
  }
  if (tells_when) {
    explanation.allowed_from_ms = AllowedFrom(policies, state, rejection.treatment);
  }
  return explanation;
}

void AppendContactSentence(const ContactPolicies& policies, const catalog::Catalog& catalog,
                           const ContactState& state, const ContactExplanation& explanation,
                           std::string& text) {
  const Place& place = explanation.place;
  const ContactPolicy& policy = policies[place.policy];
  absl::StrAppend(&text, ToAbsl(ContactKindName(policy.kind)), " ", policy.name, ": ");
  if (explanation.history_incomplete) {
    AppendWhatIsMissing(policy, state, place, text);
  } else {
    AppendWhatHappened(policy, state, place, catalog, text);
  }
  if (explanation.allowed_from_ms) {
    text += "; allowed again from ";
    AppendUtc(*explanation.allowed_from_ms, text);
  }
  if (!policy.because.empty()) absl::StrAppend(&text, " (", policy.because, ")");
}

}  // namespace attune::policy
