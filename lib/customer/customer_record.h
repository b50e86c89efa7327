#ifndef ATTUNE_LIB_CUSTOMER_CUSTOMER_RECORD_H_
#define ATTUNE_LIB_CUSTOMER_CUSTOMER_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/context/value.h"
#include "lib/storage/state_store.h"

namespace attune::customer {

// All state of one customer is one record:
//
//   record   := format features_time decision_count id values requests consents decisions history
//   format   := 1 byte, 3
//   features_time  := varint: when features were last written, Unix microseconds; 0: never
//   decision_count := varint: decisions ever remembered
//   id       := varint(size) bytes: the customer's id as given
//   values   := varint(size) the features, as in lib/context/value_codec.h
//   requests := varint(size) request*       oldest first
//   request  := kind(1 byte) hash(8 bytes) fingerprint(8 bytes) varint(version)
//   consents := varint(size) what lib/customer/consent.h says
//   decisions := varint(size) decision*     in the order in which they were made
//   decision := tag(8 bytes) version(8 bytes) time(8 bytes: Unix microseconds)
//               size(2 bytes) outcome*
//   outcome  := hash(8 bytes) fingerprint(8 bytes) varint(shown << 4 | status)
//               [zigzag(microseconds from the decision to the showing), when shown is not 0]
//   shown    := 1 + treatment that it says was shown; 0: it says no such thing
//   status   := an outcome::Status, below 16
//   history  := dropped varint(count) zigzag(base_ms) zigzag(last_ms) interaction*
//   dropped  := varint(1 + time of the youngest interaction that was dropped, Unix milliseconds;
//                      0: none was)
//   interaction := kind(1 byte) [varint(outcome), when the kind is 2]
//                  zigzag(ms since the one before; the first: since base_ms)
//                  varint(channel) varint(1 + treatment; 0: none)
//
// Format 2 has no decisions. Format 1 has neither consents nor dropped nor decisions, and no
// interactions of kind 2. Both are still read.
//
// Interactions stand in the order of their times, but for those of a record that began as format 1,
// which stand in the order in which they were written.
//
// Numbers are little-endian, zigzag is a zigzag varint, names are numbers of the store's
// NameDictionary. A request's or decision's version is the record's version number that its commit
// led to, which is also the log position of its event; in the record that this very commit writes
// it is not known yet and stands as 0: the version that the record is loaded with.
inline constexpr uint8_t kRecordFormat = 3;

// How many requests with a request_id are remembered per customer, so that a retry is recognised.
inline constexpr size_t kMaxRememberedRequests = 16;

// How many of a customer's decisions are remembered, so that outcomes find them, and how many
// outcomes of one decision are, so that a repeated one is recognised.
inline constexpr size_t kMaxRememberedDecisions = 32;
inline constexpr size_t kMaxRememberedOutcomes = 64;

// How many outcomes of one customer are: beyond that, the oldest decisions are forgotten with
// theirs.
inline constexpr size_t kMaxOutcomesOfCustomer = 256;

// How many decisions the next one forgets for their age at most, so that one under a clock that is
// wrong does not forget them all.
inline constexpr int kMaxForgottenByAge = 2;

// What is kept of a customer's interactions.
struct HistoryBounds {
  // At least 1.
  uint64_t max_interactions = 512;
  // Interactions older than that are dropped, at the next write that adds one.
  int64_t retention_ms = 90 * int64_t{86'400'000};
};

// What happened. Stored: never renumber.
enum class InteractionKind : uint8_t {
  kDecided = 1,  // a decision put the treatment on top; without one in records of earlier versions
  kOutcome = 2,  // what became of a treatment, as a caller reported it
};

// One remembered moment with a customer.
struct Interaction {
  InteractionKind kind = InteractionKind::kDecided;
  int64_t time_ms = 0;  // Unix time; 0 or later
  uint32_t channel = 0;
  std::optional<uint32_t> treatment;
  uint32_t outcome = 0;  // number of the outcome; only of a kOutcome

  friend bool operator==(const Interaction&, const Interaction&) = default;
};

// What a remembered request was. Stored: never renumber.
enum class RequestKind : uint8_t {
  kDecide = 1,
  kUpsert = 2,
  kCreate = 3,
  kRecordInteractions = 4,
  kSetConsent = 5,
};

// A request with a request_id that was carried out.
struct RememberedRequest {
  RequestKind kind = RequestKind::kDecide;
  uint64_t hash = 0;         // of the request_id
  uint64_t fingerprint = 0;  // of the request's content
  uint64_t version = 0;      // the record's version after its commit
};

// A decision that outcomes may name.
struct RememberedDecision {
  uint64_t tag = 0;      // of its id (decision_id.h)
  uint64_t version = 0;  // the record's version after its commit: the position of its event
  int64_t time_us = 0;   // the moment that was decided for, Unix microseconds

  friend bool operator==(const RememberedDecision&, const RememberedDecision&) = default;
};

// An outcome that was reported of a remembered decision.
struct RememberedOutcome {
  uint64_t tag = 0;          // of the decision's id
  uint64_t hash = 0;         // of what makes it this outcome and no other
  uint64_t fingerprint = 0;  // of its content
  // The treatment that the customer saw from `shown_us` on; absent: it says nothing of that.
  std::optional<uint32_t> shown;
  int64_t shown_us = 0;  // Unix microseconds; only with `shown`
  uint8_t status = 0;    // what became of the report: an outcome::Status, below 16

  friend bool operator==(const RememberedOutcome&, const RememberedOutcome&) = default;
};

// A customer's state, parsed. Points into the record that it was parsed from; cheap to copy.
class CustomerState {
 public:
  // An unknown customer: no features, no history.
  CustomerState() = default;

  // A customer whose record can't be read now: nobody can tell what is held.
  static CustomerState Unavailable() {
    CustomerState state;
    state.available_ = false;
    return state;
  }

  // REQUIRES: `record` outlives the state unchanged. DATA_LOSS: the record is malformed, has a
  // format of a newer version, or belongs to another customer than `id` (so that no hash collision
  // can ever hand out somebody else's data).
  static absl::StatusOr<CustomerState> Parse(const storage::Record& record, std::string_view id);

  // The same for whoever's record it is, where all customers are read: a damaged one can't be told
  // from another's.
  static absl::StatusOr<CustomerState> ParseAny(const storage::Record& record);

  // The same customer, to whose history nothing can be added now.
  CustomerState AsReadOnly() const {
    CustomerState state = *this;
    state.read_only_ = true;
    return state;
  }

  // False when the record could not be read.
  bool available() const { return available_; }
  bool read_only() const { return read_only_; }
  // False when nothing at all is held about the customer.
  bool found() const { return found_; }
  // Whether anybody ever said something about the customer: features were written. Somebody who was
  // only decided for is not known.
  bool known() const { return features_time_us_ != 0; }
  int64_t features_time_us() const { return features_time_us_; }
  uint64_t decision_count() const { return decision_count_; }
  // The stored features, in the encoding of value_codec.h.
  std::string_view features() const { return features_; }

  // What the customer said about being contacted, in the encoding of consent.h.
  std::string_view consents() const { return consents_; }

  // Overwrites `history` with what is remembered, in the order of the times; its capacity is
  // reused. False when the history is damaged: then `history` holds what could be read of it.
  bool ReadHistory(std::vector<Interaction>& history) const;
  std::vector<Interaction> History() const;
  // The time of the youngest interaction that was dropped to make room or for its age: what is
  // remembered is complete after this moment only. Absent: nothing was dropped.
  std::optional<int64_t> dropped_until_ms() const { return dropped_until_ms_; }

  // The time of the latest interaction; 0 without any.
  int64_t history_last_ms() const { return history_last_ms_; }

  // The remembered request with this hash of its request_id.
  std::optional<RememberedRequest> FindRequest(uint64_t hash) const;

  // The customer's id as given; empty when nothing is held.
  std::string_view id() const { return id_; }

  // The decisions that outcomes may name, in the order in which they were made, and the outcomes
  // that were reported of them, by decision and in the order of their arrival. Of what is damaged,
  // as much as can be read.
  std::vector<RememberedDecision> Decisions() const;
  std::vector<RememberedOutcome> Outcomes() const;

 private:
  friend class RecordEncoder;

  // Parses, and tells whose record it is.
  static absl::StatusOr<CustomerState> ParseRecord(const storage::Record& record,
                                                   std::string_view& stored_id);

  bool available_ = true;
  bool read_only_ = false;
  bool found_ = false;
  uint64_t version_ = 0;
  int64_t features_time_us_ = 0;
  uint64_t decision_count_ = 0;
  std::string_view features_;
  std::string_view id_;
  std::string_view requests_;
  std::string_view consents_;
  std::string_view decisions_;
  std::optional<int64_t> dropped_until_ms_;
  // History, split so that appending needs no look at the entries.
  uint64_t history_count_ = 0;
  int64_t history_base_ms_ = 0;
  int64_t history_last_ms_ = 0;
  std::string_view history_;
};

// What a commit changes of a record.
struct RecordChange {
  // The features' new encoding and the time of writing. Absent: they stay.
  std::optional<std::string_view> features;
  int64_t features_time_us = 0;
  // Consents in their new encoding. Absent: they stay.
  std::optional<std::string_view> consents;
  // Put into the history, each where its time belongs; the oldest make room.
  absl::Span<const Interaction> interactions;
  // Leave out interactions that are remembered already, as an import that is repeated has them.
  bool skip_known = false;
  // How many decisions the change adds to the customer's.
  uint64_t decisions = 0;
  // What may be kept, and the moment from which ages are counted, Unix milliseconds. Looked at only
  // when there are `interactions`.
  HistoryBounds bounds;
  int64_t now_ms = 0;
  // Remembered in place of one with the same hash; else the oldest makes room. Its `version` is not
  // looked at.
  std::optional<RememberedRequest> request;
  // Remembered as the newest; the oldest makes room, and of those from before `decisions_since_us`
  // (Unix microseconds) the oldest kMaxForgottenByAge are forgotten with their outcomes. Its
  // `version` is not looked at.
  std::optional<RememberedDecision> decision;
  int64_t decisions_since_us = 0;
  // The decision is left out where only another could make room for it.
  bool decision_takes_free_room = false;
  // Remembered with their decisions; what is of no remembered decision, or beyond
  // kMaxRememberedOutcomes, is left out. Beyond kMaxOutcomesOfCustomer decisions make room, the
  // oldest first: those of which nothing is new, then the others.
  absl::Span<const RememberedOutcome> outcomes;
};

// What becomes of an interaction that a change brings.
enum class InteractionFate : uint8_t {
  kRecorded,
  kAlreadyKnown,  // remembered before; only when the change skips those
  kTooOld,        // older than what is kept
};

// A history after a change.
struct HistoryMerge {
  std::vector<Interaction> history;  // in the order of the times
  // Of RecordChange::interactions, in their order.
  std::vector<InteractionFate> fates;
  std::optional<int64_t> dropped_until_ms;  // see CustomerState
};

// What the change's interactions do to the history of `before`.
HistoryMerge MergeHistory(const CustomerState& before, const RecordChange& change);

// The record that `change` makes of `before`. `record` is overwritten; its capacity is reused.
// REQUIRES: `record` is not what `before` points into.
void EncodeRecord(const CustomerState& before, std::string_view id, const RecordChange& change,
                  std::string& record);

// A feature to be written, or removed when `value` is absent.
struct FeatureEdit {
  uint32_t number = 0;
  std::optional<ValueRef> value;
};

// Lays edits over stored features. REQUIRES: `edits` ascend by number, no number twice.
// `result` is overwritten. DATA_LOSS: `features` is malformed.
absl::Status EditFeatures(std::string_view features, absl::Span<const FeatureEdit> edits,
                          std::string& result);

}  // namespace attune::customer

#endif  // ATTUNE_LIB_CUSTOMER_CUSTOMER_RECORD_H_
