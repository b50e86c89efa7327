#ifndef ATTUNE_LIB_OUTCOME_ATTRIBUTION_H_
#define ATTUNE_LIB_OUTCOME_ATTRIBUTION_H_

#include <array>
#include <bitset>
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
#include "lib/outcome/reward.h"
#include "lib/storage/state_store.h"

// The state of an attribution as bytes:
//
//   state     := format(1 byte, 1) next position(8 bytes) now(8 bytes) latest(8 bytes)
//                settled up to(8 bytes) given up to(8 bytes)
//                varint(numbers) varint(number)*               of AttributionCounts, in its order
//                varint(treatments) treatment*
//                CRC-32C of all before(4 bytes)
//   treatment := varint(position - the one before) varint(treatment) decided(8 bytes)
//                flags(1 byte: 1 shown, 2 closed) [shown(8 bytes)] varint(outcomes) outcome*
//                                                              ascending by position, treatment
//   outcome   := varint(outcome) source(1 byte) time(8 bytes) has value(1 byte: 0, 1)
//                [value(8 bytes)]                              ascending
//
// Numbers of 8 bytes are little-endian; times are Unix microseconds.

namespace attune::storage::v1 {
class OutcomeEvent;
}  // namespace attune::storage::v1

namespace attune::outcome {

// What an attribution keeps at most: by default some 200 MiB of memory, 70 MiB when it is
// serialised.
struct AttributionLimits {
  // Treatments of decisions that wait for their outcomes, and outcomes that are kept for them. With
  // one more the newest decision is given up, see AttributionCounts::no_room. At least 1.
  size_t open_treatments = 500'000;
  size_t open_outcomes = 2'000'000;
  // Treatments that settle within one call of Add. At least 1.
  size_t settled_per_call = 2'000;
};

// For how long after its end a window still takes what is reported: entries of the log may stand in
// another order than their times.
inline constexpr int64_t kClosingDelayUs = kMaxEarlyUs;

// A treatment that was shown, with what became of it: what a model learns. Names are numbers of the
// NameDictionary; times are Unix microseconds. "As served": as the decision's event has it.
struct AttributedOutcome {
  // Of the decision's event in the log. With the treatment it names this example for ever.
  uint64_t decision_position = 0;
  uint32_t treatment = 0;
  uint32_t group = 0;              // of the treatment, by the terms
  uint32_t channel = 0;            // on which the treatment was ranked
  std::optional<uint32_t> intent;  // absent: not known
  int64_t decided_us = 0;          // the moment that was decided for
  int64_t shown_us = 0;
  // When its last window closed; by a final outcome, when that was recorded, if that was earlier.
  int64_t settled_us = 0;
  double value = 0;  // of its good outcome, as served
  double cost = 0;   // as served
  double propensity = 0;
  double selection_probability = 0;  // of being put on top; 0: it had no chance
  int rank = 0;                      // 0: on top
  // Encoded as in DecisionEvent.attributes and .features, and the model that gave the propensity.
  // Valid during the call.
  std::string_view attributes;
  std::string_view features;
  std::string_view model_version;
  double reward = 0;              // at most kMaxReward either way
  double good = 0;                // 0 to 1: the label that a propensity is learned from
  std::bitset<kSources> sources;  // who told of it; bit i stands for the Source with number i + 1
};

// What became of treatments and outcomes, since the first event that was taken in.
struct AttributionCounts {
  // Treatments. Those that were learned from, and those that were not: nobody was told that they
  // were shown; their customer was erased; their decision has left the log; what is stored is
  // damaged; a formula failed; the terms don't know them; the limits were reached while they
  // waited.
  uint64_t learned = 0;
  uint64_t never_shown = 0;
  uint64_t erased = 0;
  uint64_t left_the_log = 0;
  uint64_t damaged = 0;  // events as well
  uint64_t formula_failed = 0;
  uint64_t unknown_treatment = 0;
  uint64_t no_room = 0;
  // Outcomes. Those that took part, and those that did not: recorded when their treatment had
  // settled or was given up; of a treatment that does not count as shown, where the top one does;
  // of no treatment; beyond kMaxRememberedOutcomes of one treatment; not known to the terms.
  uint64_t attributed = 0;
  uint64_t after_settled = 0;
  uint64_t not_on_top = 0;
  uint64_t without_treatment = 0;
  uint64_t too_many = 0;
  uint64_t unknown_outcome = 0;
  // Outcomes that were not attributed for their status, by its number; 0: one that is not known.
  std::array<uint64_t, kStatuses + 1> by_status{};
};

// Joins outcomes to the treatments of decisions: a deterministic fold over the log of events, which
// knows up to where it has come and looks at no clock but the times that stand in the log. Not
// thread-safe.
//
// A treatment that was shown waits until the windows of all outcomes that may follow are closed, or
// a final outcome is recorded in its window. Then it settles: once, and for ever. Windows close
// when an entry of the log was recorded more than kClosingDelayUs after their end. Which of the
// outcomes that were recorded until then lie in their windows is found when it settles, by the
// earliest showing that is known, so that their order makes no difference; nobody having told of
// another outcome is an example as well. A treatment whose showing nobody told of is given up when
// none could come any more. Where the strategy declares no showing, the treatment on top counts as
// shown with the decision, and no other.
//
// When a limit is reached the newest decision is given up and never learned from. Not the oldest:
// of those, the ones with a final outcome were learned already, and without the others these would
// be a choice of the good ones. So what is learned stays true, and it is only less.
//
// Clocks may jump: what has settled by a wrong time stays settled, and when times fall back
// by more than kClosingDelayUs, decisions no later than those that have settled take no new
// treatments, so that none is learned twice.
//
// When a treatment settles its decision is read from the log. Of an erased customer the log has
// none: what is kept of the treatment, which is no more than the position, times and values, is
// dropped then and never learned from.
class Attribution {
 public:
  // The event at a position of the log: as StateStore::ReadLogAt, and OUT_OF_RANGE when the log
  // begins behind it.
  using ReadAt =
      absl::FunctionRef<absl::StatusOr<std::optional<storage::LogEntry>>(uint64_t position)>;
  // Learns from a treatment that settled. The views in it are valid during the call only.
  using Learn = absl::FunctionRef<void(const AttributedOutcome& outcome)>;

  // One that has taken in nothing. REQUIRES: terms is not null.
  explicit Attribution(std::shared_ptr<const AttributionTerms> terms,
                       const AttributionLimits& limits = {});

  // Goes on from where Serialize was called. The terms and limits may be others than then: what
  // waits settles by the new ones. DATA_LOSS: these are not such bytes, or damaged. REQUIRES: as
  // above.
  static absl::StatusOr<Attribution> Parse(std::string_view bytes,
                                           std::shared_ptr<const AttributionTerms> terms,
                                           const AttributionLimits& limits = {});
  // The state, with the position. Equal states have equal bytes.
  std::string Serialize() const;

  // Takes in an event. What settles by it is handed to `learn`, in an order that depends on nothing
  // but the log. An event before next_position() was taken in already. So that no call takes long
  // it settles no more than AttributionLimits::settled_per_call: while next_position() is not
  // behind the event, more is to settle first; call again with it. An error is one of `read`, and
  // no DATA_LOSS, as what is damaged is counted and left out: the state is one between two
  // treatments that settle; call again with the same event, also after Serialize and Parse.
  absl::Status Add(const storage::LogEntry& entry, ReadAt read, Learn learn);

  // Goes on there, as if what is before it had been taken in: what the log lost. REQUIRES: it is
  // not before next_position().
  void SkipTo(uint64_t position) { next_position_ = position; }
  // Goes on there though it has read further: the log has lost its events from there on, and others
  // come to their positions. What settled stays settled; what waits for outcomes of the lost
  // decisions counts as left_the_log. REQUIRES: it is before next_position().
  void FallBackTo(uint64_t position);

  // Where to go on reading the log.
  uint64_t next_position() const { return next_position_; }
  // When the last event that tells a time was recorded, Unix microseconds; 0 before any.
  int64_t now_us() const { return now_us_; }
  // Treatments that wait, with those that settled by a final outcome before their windows closed.
  size_t open() const { return open_.size(); }
  const AttributionCounts& counts() const { return counts_; }
  // Why a formula failed last, since this object was made, for people; empty: none did.
  const std::string& formula_error() const { return formula_error_; }

 private:
  // The position of the decision, and the number of the treatment.
  using Key = std::pair<uint64_t, uint32_t>;

  // An outcome that is kept until its treatment settles.
  struct KeptOutcome {
    int64_t time_us = 0;  // when it happened; of one that is early its decision's time
    uint32_t outcome = 0;
    Source source = Source::kCustomer;
    std::optional<double> value;  // finite

    bool operator<(const KeptOutcome& other) const;
  };
  struct Waiting {
    int64_t decided_us = 0;
    std::optional<int64_t> shown_us;    // the earliest showing
    bool closed = false;                // settled by a final outcome: takes no more
    std::vector<KeptOutcome> outcomes;  // ascending
  };
  using OpenTreatments = std::map<Key, Waiting>;

  // Take in what an event tells, but for its time.
  void TakeDecision(const storage::LogEntry& entry);
  void TakeOutcome(const storage::v1::OutcomeEvent& event);
  // Notes what time it is.
  void SetNow(int64_t now_us);
  // The treatment that waits, now if it did not; end: it does not wait (any more), which was
  // counted.
  OpenTreatments::iterator FindOrOpen(const Key& key, const Waiting& fresh, bool was_shown_before);
  // When the last window of the treatment ends.
  int64_t DeadlineOf(const Waiting& waiting) const;
  // How the outcome stands to its treatment, which was shown.
  Status StatusAtEnd(const Waiting& waiting, const catalog::OutcomeTerms& terms,
                     const KeptOutcome& kept) const;
  // Has it had an outcome after which nothing counts?
  bool IsFinished(const Waiting& waiting) const;
  // By index of the outcome; fills `sources`.
  std::vector<OutcomeTally> Tally(const Waiting& waiting, std::bitset<kSources>& sources);

  // Settle no more than `budget`, which falls by one with each. True: all have settled. Errors are
  // those of `read`.
  absl::StatusOr<bool> SettleEnded(int64_t now_us, size_t& budget, ReadAt read, Learn learn);
  absl::StatusOr<bool> SettleFinished(size_t& budget, ReadAt read, Learn learn);
  // Gives up what is beyond the limits.
  void MakeRoom();
  // Hands the treatment over, or counts why not.
  absl::Status Settle(const Key& key, const Waiting& waiting, int64_t settled_us, ReadAt read,
                      Learn learn);
  void LearnFrom(const Key& key, const Waiting& waiting, int64_t settled_us,
                 const std::string& event, Learn learn);

  void Insert(const Key& key, Waiting waiting);
  void Erase(OpenTreatments::iterator treatment);
  // Reads what follows the counts into a new object.
  bool ParseTreatments(ByteReader& reader);

  std::shared_ptr<const AttributionTerms> terms_;
  AttributionLimits limits_;
  std::unique_ptr<RewardEvaluator> evaluator_;
  std::string formula_error_;

  uint64_t next_position_ = 0;
  int64_t now_us_ = 0;
  int64_t latest_us_ = 0;       // the latest now_us_ since times fell back
  uint64_t settled_up_to_ = 0;  // the latest decision of which a treatment has left open_
  uint64_t given_up_to_ = 0;    // no later decision takes treatments that aren't open
  AttributionCounts counts_;
  OpenTreatments open_;
  size_t open_outcomes_ = 0;                       // of all of them
  std::set<std::pair<int64_t, Key>> by_deadline_;  // of all of them
  std::set<Key> finished_;                         // of them, not closed
};

// Appends an event that tells the time and nothing else, so that windows close when nothing happens
// any more: to be called when the log has got no event for a while. Returns when it survives the
// process being killed. Errors are those of StateStore.
absl::Status AppendClockEvent(storage::StateStore& store, int64_t now_us);

}  // namespace attune::outcome

#endif  // ATTUNE_LIB_OUTCOME_ATTRIBUTION_H_
