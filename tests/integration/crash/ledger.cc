#include "tests/integration/crash/ledger.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "tests/integration/crash/crash_strategy.h"

namespace attune::crash {
std::string KeyOf(std::string_view decision_id, std::string_view treatment,
                  std::string_view outcome, int64_t time_ms) {
  return absl::StrCat(ToAbsl(decision_id), "/", ToAbsl(treatment), "/", ToAbsl(outcome), "/",
                      time_ms);
}

std::string KeyOf(const KnownOutcome& outcome) {
  return KeyOf(outcome.decision_id, outcome.treatment, outcome.outcome, outcome.time_ms);
}

KnownCustomer& Ledger::Find(const std::string& customer) {
  KnownCustomer& found = customers_[customer];
  found.marks.resize(clients_);
  return found;
}

int64_t Ledger::NewTimeMs(const std::string& customer, int64_t now_us) {
  MutexLock lock(mutex_);
  KnownCustomer& known = Find(customer);
  const int64_t now_ms = (now_us + kUsPerMs - 1) / kUsPerMs;
  known.last_time_ms = std::max(now_ms, known.last_time_ms + 1);
  return known.last_time_ms;
}

void Ledger::AddDecision(const std::string& customer, KnownDecision decision) {
  MutexLock lock(mutex_);
  Find(customer).decisions.push_back(std::move(decision));
  ++decisions_;
}

void Ledger::AddOutcome(const std::string& customer, KnownOutcome outcome) {
  MutexLock lock(mutex_);
  Find(customer).outcomes.push_back(std::move(outcome));
  ++outcomes_;
}

void Ledger::SetMark(const std::string& customer, size_t client, int64_t mark) {
  MutexLock lock(mutex_);
  Find(customer).marks[client] = mark;
  ++marks_;
}

std::vector<int64_t> Ledger::AcceptedOffers(const std::string& customer) const {
  std::vector<int64_t> times;
  MutexLock lock(mutex_);
  const auto found = customers_.find(customer);
  if (found == customers_.end()) return times;
  for (const KnownOutcome& outcome : found->second.outcomes) {
    if (outcome.is_offer && outcome.outcome == "accepted") times.push_back(outcome.time_ms);
  }
  return times;
}

KnownCustomer Ledger::Of(const std::string& customer) const {
  MutexLock lock(mutex_);
  const auto found = customers_.find(customer);
  return found == customers_.end() ? KnownCustomer() : found->second;
}

void Ledger::Visit(absl::FunctionRef<void(const std::string&, const KnownCustomer&)> visit) const {
  MutexLock lock(mutex_);
  for (const auto& [customer, known] : customers_) visit(customer, known);
}

uint64_t Ledger::decisions() const {
  MutexLock lock(mutex_);
  return decisions_;
}

uint64_t Ledger::outcomes() const {
  MutexLock lock(mutex_);
  return outcomes_;
}

uint64_t Ledger::marks() const {
  MutexLock lock(mutex_);
  return marks_;
}

int MostWithin(std::vector<int64_t> times_ms, int64_t window_ms) {
  std::sort(times_ms.begin(), times_ms.end());
  size_t most = 0;
  size_t first = 0;
  for (size_t last = 0; last < times_ms.size(); ++last) {
    while (times_ms[last] - times_ms[first] >= window_ms) ++first;
    most = std::max(most, last - first + 1);
  }
  return static_cast<int>(most);
}

int CountWithin(const std::vector<int64_t>& times_ms, int64_t now_ms, int64_t window_ms) {
  return static_cast<int>(std::count_if(times_ms.begin(), times_ms.end(), [&](int64_t time_ms) {
    return now_ms - time_ms < window_ms;
  }));
}

std::vector<std::string> ExceededCaps(const std::vector<KnownDecision>& decisions) {
  std::vector<int64_t> offers;
  std::vector<int64_t> rare;
  for (const KnownDecision& decision : decisions) {
    if (decision.is_offer) offers.push_back(decision.time_ms);
    if (decision.treatment == kRareTreatment) rare.push_back(decision.time_ms);
  }
  std::vector<std::string> exceeded;
  const auto check = [&](std::string_view what, std::vector<int64_t> times_ms, int64_t window_ms,
                         int cap) {
    const int most = MostWithin(std::move(times_ms), window_ms);
    if (most <= cap) return;
    exceeded.push_back(absl::StrCat(most, " times ", ToAbsl(what), " within ", window_ms,
                                    " ms, where ", cap, " are allowed"));
  };
  check("an offer", std::move(offers), kOfferWindowMs, kOfferCap);
  check(kRareTreatment, std::move(rare), kRareWindowMs, kRareCap);
  return exceeded;
}

}  // namespace attune::crash
