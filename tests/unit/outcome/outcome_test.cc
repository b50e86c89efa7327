#include "lib/outcome/outcome.h"

#include <optional>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace attune::outcome {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kDay = 86'400 * kSecond;
constexpr int64_t kDecided = 1'772'323'200 * kSecond;

struct StatusCase {
  std::string name;
  int64_t after_us = 0;  // the decision
  Status expected;
  bool ranked = true;
  std::optional<int64_t> shown_after_us;
  bool showing = false;
};

TEST(OutcomeStatus, DependsOnDecisionShowingAndWindow) {
  // The window is one day.
  const StatusCase cases[] = {
      {"at the decision", 0, Status::kRecorded, true, {}, false},
      {"just before it", -1, Status::kEarly, true, {}, false},
      {"as early as can be", -120 * kSecond, Status::kEarly, true, {}, false},
      {"too early", -120 * kSecond - 1, Status::kBeforeDecision, true, {}, false},
      {"the window's last microsecond", kDay, Status::kRecorded, true, {}, false},
      {"after the window", kDay + 1, Status::kLate, true, {}, false},
      {"a year later", 365 * kDay, Status::kLate, true, {}, false},
      {"a year before", -365 * kDay, Status::kBeforeDecision, true, {}, false},
      {"the window begins with the showing", kDay + 10, Status::kRecorded, true, 10, false},
      {"and ends so", kDay + 11, Status::kLate, true, 10, false},
      {"a showing before the decision", kDay, Status::kRecorded, true, -10, false},
      {"does not move the window", kDay + 1, Status::kLate, true, -10, false},
      {"before the showing", 5, Status::kRecorded, true, 10, false},
      {"another showing", kDay + 1, Status::kLate, true, 10, true},
      {"a showing in time", kDay, Status::kRecorded, true, {}, true},
      {"not offered", 5, Status::kNotOffered, false, {}, false},
      {"not offered, and late", kDay + 1, Status::kNotOffered, false, {}, false},
      {"not offered, and early", -1, Status::kNotOffered, false, {}, false},
      {"not offered, and before", -120 * kSecond - 1, Status::kBeforeDecision, false, {}, false},
  };
  for (const StatusCase& c : cases) {
    Offer offer{kDecided, c.ranked, std::nullopt};
    if (c.shown_after_us) offer.shown_us = kDecided + *c.shown_after_us;
    catalog::OutcomeTerms terms;
    terms.window_us = kDay;
    terms.showing = c.showing;
    const int64_t time_us = kDecided + c.after_us;
    const Status status = StatusOf(offer, terms, time_us);
    EXPECT_EQ(StatusName(status), StatusName(c.expected)) << c.name;
    EXPECT_EQ(AttributedTime(offer, status, time_us),
              c.expected == Status::kEarly ? kDecided : time_us)
        << c.name;
  }
}

TEST(OutcomeStatus, WhatTheCustomerSawEntersTheHistory) {
  for (int i = 1; i <= kStatuses; ++i) {
    const auto status = static_cast<Status>(i);
    const bool enters = status == Status::kRecorded || status == Status::kEarly ||
                        status == Status::kLate || status == Status::kNotOffered;
    EXPECT_EQ(EntersHistory(status), enters) << StatusName(status);
  }
}

TEST(OutcomeStatus, HasNamesOfItsOwn) {
  std::set<std::string_view> names;
  for (int i = 1; i <= kStatuses; ++i) names.insert(StatusName(static_cast<Status>(i)));
  for (int i = 1; i <= kSources; ++i) names.insert(SourceName(static_cast<Source>(i)));
  EXPECT_EQ(names.size(), static_cast<size_t>(kStatuses + kSources));
  EXPECT_FALSE(names.contains(""));
}

}  // namespace
}  // namespace attune::outcome
