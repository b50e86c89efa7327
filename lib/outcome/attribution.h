#ifndef ATTUNE_LIB_OUTCOME_ATTRIBUTION_H_
#define ATTUNE_LIB_OUTCOME_ATTRIBUTION_H_

#include <array>
#include <bitset>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/codec.h"
#include "lib/outcome/attribution_terms.h"
#include "lib/outcome/outcome.h"
#include "lib/storage/state_store.h"

// The state of an attribution as bytes:
//
//   state     := format(1 byte, 1) next position(8 bytes) now in µs(8 bytes)
//                given up to(8 bytes) counts varint(treatments) treatment*
//                CRC-32C of all before(4 bytes)
//   counts    := varint(counts) varint(count)*                 in the order of CountsOf
//   treatment := varint(position - the one before) varint(treatment) decided in µs(8 bytes)
//                shown(1 byte, 0 or 1) [shown in µs(8 bytes)] closed(1 byte, 0 or 1)
//                varint(outcomes) outcome*                     ascending by position, treatment
//   outcome   := varint(outcome) source(1 byte) time in µs(8 bytes) has value(1 byte, 0 or 1)
//                [value(8 bytes)]                              ascending
//
// Numbers of 8 bytes are little-endian.

namespace attune::outcome {

// Most treatments of decisions that wait for their outcomes, and most outcomes that are kept for
// them. With one more the oldest decision settles early.
inline constexpr size_t kMaxOpenTreatments = 500'000;
inline constexpr size_t kMaxOpenOutcomes = 2'000'000;

// An outcome that is kept until its treatment settles. Names are numbers of the NameDictionary.
struct RecordedOutcome {
  int64_t time_us = 0;  // when it happened, as AttributedTime says; Unix microseconds
  uint32_t outcome = 0;
  Source source = Source::kCustomer;
  std::optional<double> value;  // finite

  friend auto operator<=>(const RecordedOutcome&, const RecordedOutcome&) = default;
};

// A treatment that was shown, with what became of it: what a model learns. Names are numbers of the
// NameDictionary; times are Unix microseconds. "As served": as the decision's event has it.
struct AttributedOutcome {
  // Of the decision's event in the log. With the treatment it names this example for ever.
  uint64_t decision_position = 0;
  uint32_t treatment = 0;
  uint32_t group = 0;              // of the treatment, in the strategy of the terms
  uint32_t channel = 0;            // on which the treatment was ranked
  std::optional<uint32_t> intent;  // absent: not known
  int64_t decided_us = 0;          // the moment that was decided for
  int64_t shown_us = 0;
  // When its last window closed, by the times in the log; earlier when a final outcome was recorded
  // or there were too many that waited.
  int64_t settled_us = 0;
  double value = 0;  // of its good outcome, as served
  double cost = 0;   // as served
  double propensity = 0;
  double selection_probability = 0;  // 0: it had no chance to be put on top
  size_t rank = 0;                   // 0: on top
  // Encoded as in DecisionEvent.attributes and .features; valid during the call.
  std::string_view attributes;
  std::string_view features;
  std::string_view model_version;  // that gave the propensity; valid during the call
  double reward = 0;               // finite, at most kMaxReward either way
  double good = 0;                 // 0 to 1: the label that a propensity is learned from
  std::bitset<kSources> sources;   // who told of it: bit 0 stands for Source 1
};

// What became of outcomes and of treatments that waited for them, since the first event of the log
// that was read. All but `learned` were not learned from.
struct AttributionCounts {
  uint64_t learned = 0;           // treatments
  uint64_t settled_early = 0;     // of those and the next ones, for want of room
  uint64_t never_shown = 0;       // treatments with outcomes that nobody was told to have seen
  uint64_t gone = 0;              // treatments whose decision has left the log, or was erased
  uint64_t damaged = 0;           // treatments and events that can't be read
  uint64_t formula_failed = 0;    // treatments whose reward, or what is good, can't be computed
  uint64_t not_declared = 0;      // treatments and outcomes that the strategy does not have (any more)
  uint64_t after_settled = 0;     // outcomes in their windows, recorded when it was settled
  uint64_t without_treatment = 0; // outcomes
  uint64_t too_many = 0;          // outcomes of one treatment beyond kMaxRememberedOutcomes
  // Outcomes that are not attributed for their status, by it. The first element stands for one that
  // is not known.
  std::array<uint64_t, kStatuses + 1> by_status{};
};

// Joins outcomes to the treatments of the decisions that they are about: a deterministic fold over
// the log of events, which knows up to where it has come and looks at no clock but the times that
// stand in the log. Not thread-safe.
//
// A treatment that was shown waits until the windows of all outcomes that can follow the showing are
// closed, or until a final outcome is recorded; then it is settled: once, and for ever. A window is
// closed when an entry of the log was recorded after it. Which of the outcomes that were recorded
// until then lie in their windows is decided then, with the earliest showing that is known, so that
// their order in the log makes no difference. Where the strategy declares no showing, the treatment
// on top counts as shown with the decision, and no other.
//
// Who was erased is not learned from: the decision's event is read anew when a treatment settles, and
// if the log doesn't have it any more, what is kept of the treatment (no id; its decision's position,
// times and values) is dropped.
class Attribution {
 public:
  // The event at a position of the log: as StateStore::ReadLogAt.
  using ReadAt =
      absl::FunctionRef<absl::StatusOr<std::optional<storage::LogEntry>>(uint64_t position)>;
  // Learns from a treatment that settled. The views in it are valid during the call only.
  using Learn = absl::FunctionRef<void(const AttributedOutcome& outcome)>;

  // One that has read nothing. REQUIRES: terms is not null.
  explicit Attribution(std::shared_ptr<const AttributionTerms> terms);

  // Goes on from where Serialize was called, by these terms, which may be others than it had then:
  // what waits is settled by the new ones. DATA_LOSS: these are not such bytes, or damaged.
  // REQUIRES: terms is not null.
  static absl::StatusOr<Attribution> Parse(std::string_view bytes,
                                           std::shared_ptr<const AttributionTerms> terms);
  // The state, with the position. Equal states have equal bytes.
  std::string Serialize() const;

  // Takes in an event. What settles through it is handed to `learn`, in an order that depends on the
  // log alone. An event before next_position() was taken in already and is left out. An error is
  // that of `read`, which only then is no DATA_LOSS (a damaged event is counted and left out): the
  // state is one between two settled treatments; call again with the same event, also after Parse.
  absl::Status Add(const storage::LogEntry& entry, ReadAt read, Learn learn);

  // Goes on there, as if what is before it had been taken in: what the log lost. REQUIRES: it is not
  // before next_position().
  void SkipTo(uint64_t position) { next_position_ = position; }

  // Where to go on reading the log.
  uint64_t next_position() const { return next_position_; }
  // When the latest event that tells a time was recorded, Unix microseconds; 0 before any.
  int64_t now_us() const { return now_us_; }
  // Treatments that wait, and that settled early and may still get outcomes.
  size_t open() const { return open_.size(); }
  const AttributionCounts& counts() const { return counts_; }

 private:
  // The position of the decision and the number of the treatment.
  using Key = std::pair<uint64_t, uint32_t>;

  // A treatment that waits.
  struct Open {
    int64_t decided_us = 0;
    std::optional<int64_t> shown_us;       // the earliest showing
    bool closed = false;                   // settled; kept so that nothing is added to it
    std::vector<RecordedOutcome> outcomes;  // ascending
  };
  using OpenTreatments = std::map<Key, Open>;

  void AddDecision(const storage::LogEntry& entry);
  void AddOutcome(const storage::LogEntry& entry);
  // Settles what can't change any more. An error is that of `read`.
  absl::Status SettleClosed(int64_t now_us, ReadAt read, Learn learn);
  absl::Status SettleDue(ReadAt read, Learn learn);
  absl::Status Settle(OpenTreatments::iterator settled, int64_t settled_us, ReadAt read,
                      Learn learn);

  std::shared_ptr<const AttributionTerms> terms_;
  uint64_t next_position_ = 0;
  int64_t now_us_ = 0;
  uint64_t given_up_to_ = 0;  // decisions up to there that aren't open were settled, for want of room
  AttributionCounts counts_;
  OpenTreatments open_;
  size_t open_outcomes_ = 0;
  std::set<std::pair<int64_t, Key>> by_deadline_;  // of open_
  std::set<Key> due_;                              // of open_: a final outcome was recorded
};

// Appends an event of EventType::kClock, which tells the time and nothing else: so that windows
// close when nothing happens any more. To be called when the log got no event for a while. Errors
// are those of StateStore::Commit.
absl::Status AppendClockEvent(storage::StateStore& store, int64_t now_us);

}  // namespace attune::outcome

#endif  // ATTUNE_LIB_OUTCOME_ATTRIBUTION_H_
