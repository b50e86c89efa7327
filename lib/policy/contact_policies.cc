#include "lib/policy/contact_policies.h"

#include <algorithm>
#include <utility>

namespace attune::policy {
namespace {

using candidates::Reason;
using Level = ContactOwner::Level;
using Place = ContactPolicies::Place;

void SetIndex(std::vector<int>& index, uint32_t number, int value) {
  if (number >= index.size()) index.resize(number + size_t{1}, -1);
  index[number] = value;
}

bool StandsOn(const ContactOwner& owner, const catalog::Catalog& catalog, int treatment) {
  switch (owner.level) {
    case Level::kStrategy:
      return true;
    case Level::kGroup:
      return catalog.treatments[static_cast<size_t>(treatment)].group == owner.index;
    case Level::kTreatment:
      return treatment == owner.index;
  }
  return false;
}

// Must the treatment pass a policy that stands on it, on its group or on everything?
bool Binds(const ContactOwner& owner, const ContactPolicy& policy,
           const catalog::Treatment& treatment) {
  return !treatment.transactional || owner.level == Level::kTreatment ||
         policy.kind == ContactKind::kSuppression;
}

// Where the treatments of one policy count and look, by treatment.
class Placing {
 public:
  Placing(int policy, const ContactPolicies::Owned& owned, const catalog::Catalog& catalog,
          int& cells)
      : policy_(policy), owned_(owned), catalog_(catalog), cells_(cells) {}

  // Calls `hold(treatment, place)` and `count(treatment, place)`.
  template <typename Hold, typename Count>
  void ForEachPlace(Hold hold, Count count) {
    if (owned_.policy.kind == ContactKind::kExclusion) return PlaceExclusion(hold, count);
    // A treatment's own policy that counts it alone is of no interest to others.
    const bool alone =
        owned_.owner.level == Level::kTreatment && owned_.policy.scope == Scope::kTreatment;
    const int first = alone ? owned_.owner.index : 0;
    const int end = alone ? first + 1 : static_cast<int>(catalog_.treatments.size());
    std::vector<int> cell_of(CellCount(), ContactPolicies::kNoCell);
    if (!owned_.policy.is_calendar()) {
      for (int t = first; t < end; ++t) {
        int& cell = cell_of[CellIndex(t)];
        if (Stands(t) && cell == ContactPolicies::kNoCell) cell = cells_++;
      }
    }
    for (int t = first; t < end; ++t) {
      const int cell = cell_of[CellIndex(t)];
      if (Stands(t) && Binds(owned_.owner, owned_.policy, Treatment(t)))
        hold(t, Place{policy_, cell});
      if (cell != ContactPolicies::kNoCell) count(t, Place{policy_, cell});
    }
    if (owned_.policy.scope == Scope::kAll && cell_of[0] != ContactPolicies::kNoCell) {
      count(-1, Place{policy_, cell_of[0]});
    }
  }

 private:
  // Each side looks at the cell in which the other one counts.
  template <typename Hold, typename Count>
  void PlaceExclusion(Hold hold, Count count) {
    const int cell_of_others = cells_++;
    const int cell_of_owned = cells_++;
    for (int t = 0; t < static_cast<int>(catalog_.treatments.size()); ++t) {
      const bool binds = Binds(owned_.owner, owned_.policy, Treatment(t));
      if (Stands(t)) {
        if (binds) hold(t, Place{policy_, cell_of_others});
        count(t, Place{policy_, cell_of_owned});
      } else if (std::binary_search(owned_.policy.others.begin(), owned_.policy.others.end(), t)) {
        if (!owned_.policy.one_way && !Treatment(t).transactional) {
          hold(t, Place{policy_, cell_of_owned});
        }
        count(t, Place{policy_, cell_of_others});
      }
    }
  }

  const catalog::Treatment& Treatment(int t) const {
    return catalog_.treatments[static_cast<size_t>(t)];
  }
  bool Stands(int t) const { return StandsOn(owned_.owner, catalog_, t); }
  size_t CellCount() const {
    switch (owned_.policy.scope) {
      case Scope::kTreatment:
        return std::max(catalog_.treatments.size(), size_t{1});
      case Scope::kGroup:
        return std::max(catalog_.groups.size(), size_t{1});
      case Scope::kAll:
        break;
    }
    return 1;
  }
  size_t CellIndex(int t) const {
    switch (owned_.policy.scope) {
      case Scope::kTreatment:
        return static_cast<size_t>(t);
      case Scope::kGroup:
        return static_cast<size_t>(Treatment(t).group);
      case Scope::kAll:
        break;
    }
    return 0;
  }

  const int policy_;
  const ContactPolicies::Owned& owned_;
  const catalog::Catalog& catalog_;
  int& cells_;
};

// Lists by treatment, one after the other.
void Flatten(const std::vector<std::vector<Place>>& lists, std::vector<Place>& all,
             std::vector<size_t>& first) {
  first.assign(1, 0);
  for (const std::vector<Place>& list : lists) {
    all.insert(all.end(), list.begin(), list.end());
    first.push_back(all.size());
  }
}

}  // namespace

std::string_view ContactKindName(ContactKind kind) {
  switch (kind) {
    case ContactKind::kCap:
      return "cap";
    case ContactKind::kSuppression:
      return "suppression";
    case ContactKind::kMinGap:
      return "min_gap";
    case ContactKind::kQuietHours:
      return "quiet_hours";
    case ContactKind::kAllowedWeekdays:
      return "allowed_weekdays";
    case ContactKind::kExclusion:
      return "exclusion";
  }
  return "unknown";
}

Reason ReasonOf(ContactKind kind) {
  switch (kind) {
    case ContactKind::kCap:
      return Reason::kCapReached;
    case ContactKind::kSuppression:
      return Reason::kSuppressed;
    case ContactKind::kMinGap:
      return Reason::kTooSoon;
    case ContactKind::kQuietHours:
      return Reason::kQuietHours;
    case ContactKind::kAllowedWeekdays:
      return Reason::kWeekdayNotAllowed;
    case ContactKind::kExclusion:
      break;
  }
  return Reason::kExcluded;
}

absl::TimeZone CustomerClock::ZoneOf(absl::Span<const ValueRef> features, bool* unknown) const {
  *unknown = false;
  if (zones == nullptr) return default_zone;
  const std::string_view name = features[static_cast<size_t>(feature)].string_value();
  if (name.empty()) return default_zone;
  const absl::TimeZone* zone = zones->Find(name);
  *unknown = zone == nullptr;
  return zone == nullptr ? default_zone : *zone;
}

ContactPolicies::ContactPolicies(std::vector<Owned> policies, const catalog::Catalog& catalog,
                                 const context::ContextSchema& context,
                                 const std::vector<uint32_t>& outcome_numbers, CustomerClock clock)
    : policies_(std::move(policies)), clock_(std::move(clock)) {
  for (size_t t = 0; t < catalog.treatments.size(); ++t) {
    SetIndex(treatment_of_number_, catalog.treatments[t].number, static_cast<int>(t));
  }
  for (int c = 0; c < context.channels.size(); ++c) {
    SetIndex(channel_of_number_, context.channels[c].number, c);
  }
  for (size_t o = 0; o < outcome_numbers.size(); ++o) {
    SetIndex(outcome_of_number_, outcome_numbers[o], static_cast<int>(o));
  }
  for (Owned& owned : policies_) {
    ContactPolicy& policy = owned.policy;
    std::sort(policy.others.begin(), policy.others.end());
    filters_.push_back(
        {policy.horizon_ms(), policy.outcomes, policy.channels, policy.channels.all()});
    if (policy.is_calendar()) continue;
    longest_horizon_ms_ = std::max(longest_horizon_ms_, policy.horizon_ms());
    counts_decided_ |= (policy.outcomes & kDecidedOnly) != 0;
  }
  PlaceAll(catalog);
}

void ContactPolicies::PlaceAll(const catalog::Catalog& catalog) {
  std::vector<std::vector<Place>> holding(catalog.treatments.size());
  std::vector<std::vector<Place>> counting(catalog.treatments.size());
  for (int p = 0; p < size(); ++p) {
    Placing(p, policies_[static_cast<size_t>(p)], catalog, cells_)
        .ForEachPlace(
            [&](int treatment, Place place) {
              holding[static_cast<size_t>(treatment)].push_back(place);
            },
            [&](int treatment, Place place) {
              (treatment < 0 ? counting_unknown_ : counting[static_cast<size_t>(treatment)])
                  .push_back(place);
            });
  }
  Flatten(holding, holding_, first_holding_);
  Flatten(counting, counting_, first_counting_);
}

}  // namespace attune::policy
