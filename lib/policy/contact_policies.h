#ifndef ATTUNE_LIB_POLICY_CONTACT_POLICIES_H_
#define ATTUNE_LIB_POLICY_CONTACT_POLICIES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lib/base/time_zones.h"
#include "lib/candidates/rejection.h"
#include "lib/catalog/catalog.h"
#include "lib/context/context_schema.h"
#include "lib/context/value.h"
#include "lib/customer/customer_record.h"
#include "lib/policy/local_calendar.h"

namespace attune::policy {

// Most outcomes that a strategy may declare; most contact policies of one strategy, and of one
// treatment, group or the strategy itself.
inline constexpr int kMaxOutcomes = 63;
inline constexpr int kMaxContactPolicies = 10'000;
inline constexpr int kMaxContactPoliciesOfOne = 32;

// Kinds of interaction. Bit 0: decided; bit 1 + i: the outcome with index i.
using OutcomeSet = uint64_t;
inline constexpr OutcomeSet kDecidedOnly = 1;

enum class ContactKind : uint8_t {
  kCap,
  kSuppression,
  kMinGap,
  kQuietHours,
  kAllowedWeekdays,
  kExclusion,
};

// What is counted together.
enum class Scope : uint8_t { kTreatment, kGroup, kAll };

// One contact policy, compiled. All but the calendar kinds ask the same question of the history:
// are there `limit` of these interactions within `window_ms`?
struct ContactPolicy {
  std::string name;
  std::string because;  // for people; may be empty
  ContactKind kind = ContactKind::kCap;
  // On which channels it holds and, of a cap or a gap, whose interactions count.
  context::ChannelSet channels = context::ChannelSet().set();
  // The kinds that count.
  OutcomeSet outcomes = 0;
  Scope scope = Scope::kAll;
  int limit = 1;                // at_most of a cap, after of a suppression
  int64_t window_ms = 0;        // in which they count; the gap
  int64_t silence_ms = 0;       // how long a suppression lasts
  bool one_way = false;         // of an exclusion
  std::vector<int> others;      // of an exclusion: indexes of the treatments on its other side
  DailyPeriod quiet;            // of quiet hours
  WeekdaySet days = kEveryDay;  // the allowed ones

  bool is_calendar() const {
    return kind == ContactKind::kQuietHours || kind == ContactKind::kAllowedWeekdays;
  }
  // How far back its answer depends on the history.
  int64_t horizon_ms() const { return window_ms + silence_ms; }
};

// "cap", "suppression", …
std::string_view ContactKindName(ContactKind kind);
// Why a treatment is rejected that this policy doesn't let pass.
candidates::Reason ReasonOf(ContactKind kind);

// What a contact policy or a rule stands on.
struct ContactOwner {
  enum class Level : uint8_t { kStrategy, kGroup, kTreatment };
  Level level = Level::kStrategy;
  int index = 0;  // of the group or the treatment
};

// Which clock customers live by.
struct CustomerClock {
  int feature = -1;  // slot of the string feature with the name of the time zone; -1: none
  // Absent when there is no such feature.
  std::shared_ptr<const TimeZones> zones;
  absl::TimeZone default_zone = absl::UTCTimeZone();

  // The zone of a customer with these features. `*unknown`: the feature names one that there is
  // not, and the default stands in for it.
  absl::TimeZone ZoneOf(absl::Span<const ValueRef> features, bool* unknown) const;
};

// The contact policies of a strategy, laid out for a decision: each policy counts in cells, one for
// every treatment, group or whole that it counts together. Immutable once built, thread-safe.
class ContactPolicies {
 public:
  // Where a policy counts: the cell in which an interaction counts, or which a treatment must look
  // at.
  struct Place {
    int policy = 0;
    int cell = kNoCell;  // of a calendar policy
  };
  static constexpr int kNoCell = -1;

  struct Owned {
    ContactOwner owner;
    ContactPolicy policy;
  };

  ContactPolicies() = default;
  // REQUIRES: `policies` are in the order of the strategy: its own, those of the groups, those of
  // the treatments. `outcome_numbers` are the dictionary's, by index of the outcome.
  ContactPolicies(std::vector<Owned> policies, const catalog::Catalog& catalog,
                  const context::ContextSchema& context,
                  const std::vector<uint32_t>& outcome_numbers, CustomerClock clock);

  int size() const { return static_cast<int>(policies_.size()); }
  const ContactPolicy& operator[](int policy) const {
    return policies_[static_cast<size_t>(policy)].policy;
  }
  const ContactOwner& OwnerOf(int policy) const {
    return policies_[static_cast<size_t>(policy)].owner;
  }
  const CustomerClock& clock() const { return clock_; }
  int cells() const { return cells_; }
  // The longest horizon of a policy; 0: none looks at the history.
  int64_t longest_horizon_ms() const { return longest_horizon_ms_; }
  // Does a policy count what was decided? Then a decision that isn't remembered isn't counted.
  bool counts_decided() const { return counts_decided_; }

  // What a treatment must pass: the strategy's policies first, its own last.
  absl::Span<const Place> Holding(int treatment) const {
    return absl::MakeConstSpan(holding_).subspan(
        first_holding_[static_cast<size_t>(treatment)],
        first_holding_[static_cast<size_t>(treatment) + 1] -
            first_holding_[static_cast<size_t>(treatment)]);
  }

  // Where an interaction with this treatment counts, given that it is of a kind, on a channel and
  // of an age that the policy counts; -1: a treatment that the strategy doesn't have (any longer).
  absl::Span<const Place> Counting(int treatment) const {
    if (treatment < 0) return counting_unknown_;
    return absl::MakeConstSpan(counting_).subspan(
        first_counting_[static_cast<size_t>(treatment)],
        first_counting_[static_cast<size_t>(treatment) + 1] -
            first_counting_[static_cast<size_t>(treatment)]);
  }

  // What is stored, as indexes of this strategy; -1 or 0 for what it doesn't declare, and for what
  // happened without a treatment.
  int TreatmentOf(std::optional<uint32_t> number) const {
    return number ? IndexOf(treatment_of_number_, *number) : -1;
  }
  int ChannelOf(uint32_t number) const { return IndexOf(channel_of_number_, number); }
  OutcomeSet KindOf(const customer::Interaction& interaction) const {
    if (interaction.kind == customer::InteractionKind::kDecided) {
      // 0: nothing was put on top.
      return interaction.treatment ? kDecidedOnly : 0;
    }
    const int outcome = IndexOf(outcome_of_number_, interaction.outcome);
    return outcome < 0 ? 0 : OutcomeSet{2} << outcome;
  }

  // What of the policy a pass over the history looks at.
  struct Filter {
    int64_t horizon_ms = 0;
    OutcomeSet outcomes = 0;
    context::ChannelSet channels;
    bool any_channel = true;
  };
  const Filter& filter(int policy) const { return filters_[static_cast<size_t>(policy)]; }

 private:
  static int IndexOf(const std::vector<int>& index, uint32_t number) {
    return number < index.size() ? index[number] : -1;
  }
  void PlaceAll(const catalog::Catalog& catalog);

  std::vector<Owned> policies_;
  std::vector<Filter> filters_;
  CustomerClock clock_;
  int cells_ = 0;
  int64_t longest_horizon_ms_ = 0;
  bool counts_decided_ = false;
  // By treatment, one after the other, with the start of each.
  std::vector<Place> holding_;
  std::vector<Place> counting_;
  std::vector<size_t> first_holding_ = {0};
  std::vector<size_t> first_counting_ = {0};
  // Of interactions with treatments that the strategy no longer has.
  std::vector<Place> counting_unknown_;
  // By number of the dictionary.
  std::vector<int> treatment_of_number_;
  std::vector<int> channel_of_number_;
  std::vector<int> outcome_of_number_;
};

}  // namespace attune::policy

#endif  // ATTUNE_LIB_POLICY_CONTACT_POLICIES_H_
