#include "lib/decision/rejection_counts.h"

#include <algorithm>
#include <array>
#include <tuple>

namespace attune::decision {
namespace {

using candidates::Reason;

// By value of a reason: its place in kAllReasons.
constexpr std::array<uint8_t, candidates::kReasonLimit> kPlaceOfReason = [] {
  std::array<uint8_t, candidates::kReasonLimit> places{};
  uint8_t place = 0;
  for (const Reason reason : candidates::kAllReasons) {
    places[static_cast<size_t>(reason)] = place++;
  }
  return places;
}();

}  // namespace

bool NamesARule(Reason reason) {
  switch (reason) {
    case Reason::kNotEligible:
    case Reason::kNotApplicable:
    case Reason::kNotSuitable:
    case Reason::kRuleError:
    case Reason::kCapReached:
    case Reason::kSuppressed:
    case Reason::kTooSoon:
    case Reason::kQuietHours:
    case Reason::kWeekdayNotAllowed:
    case Reason::kExcluded:
    case Reason::kHistoryIncomplete:
      return true;
    default:
      return false;
  }
}

// First the reasons by their values, then two for each contact policy, then two for each rule.
size_t CauseCount(const strategy::Strategy& strategy) {
  return candidates::kReasonLimit + 2 * static_cast<size_t>(strategy.contact.size()) +
         2 * static_cast<size_t>(strategy.engagement.size());
}

size_t CauseOf(const strategy::Strategy& strategy, const candidates::Rejection& rejection) {
  constexpr size_t kReasons = candidates::kReasonLimit;
  if (rejection.contact_policy >= 0) {
    return kReasons + 2 * static_cast<size_t>(rejection.contact_policy) +
           (rejection.reason == Reason::kHistoryIncomplete ? 1 : 0);
  }
  if (rejection.rule >= 0) {
    const size_t contact = 2 * static_cast<size_t>(strategy.contact.size());
    return kReasons + contact + 2 * static_cast<size_t>(rejection.rule) +
           (rejection.reason == Reason::kRuleError ? 1 : 0);
  }
  return static_cast<size_t>(rejection.reason);
}

std::string_view RuleNameOf(const strategy::Strategy& strategy, size_t cause) {
  if (cause < candidates::kReasonLimit) return {};
  const auto index = static_cast<int>((cause - candidates::kReasonLimit) / 2);
  if (index < strategy.contact.size()) return strategy.contact[index].name;
  return strategy.engagement[index - strategy.contact.size()].name;
}

std::string_view BecauseOf(const strategy::Strategy& strategy, size_t cause) {
  if (cause < candidates::kReasonLimit) return {};
  const auto index = static_cast<int>((cause - candidates::kReasonLimit) / 2);
  if (index < strategy.contact.size()) return strategy.contact[index].because;
  return strategy.engagement[index - strategy.contact.size()].because;
}

void RejectionCounts::Clear() {
  for (const Entry& entry : entries_) entry_of_cause_[entry.cause] = 0;
  entries_.clear();
}

void RejectionCounts::Add(const strategy::Strategy& strategy,
                          const candidates::Rejection& rejection) {
  const size_t cause = CauseOf(strategy, rejection);
  if (cause >= entry_of_cause_.size()) entry_of_cause_.resize(CauseCount(strategy));
  int& entry = entry_of_cause_[cause];
  if (entry == 0) {
    entries_.push_back({cause, rejection.reason, 0});
    entry = static_cast<int>(entries_.size());
  }
  ++entries_[static_cast<size_t>(entry) - 1].count;
}

void RejectionCounts::Sort() {
  const auto key = [](const Entry& entry) {
    return std::tuple(kPlaceOfReason[static_cast<size_t>(entry.reason)], entry.cause);
  };
  std::sort(entries_.begin(), entries_.end(),
            [&](const Entry& a, const Entry& b) { return key(a) < key(b); });
}

int RejectionCounts::CountOf(Reason reason) const {
  int count = 0;
  for (const Entry& entry : entries_) {
    if (entry.reason == reason) count += entry.count;
  }
  return count;
}

}  // namespace attune::decision
