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
//   record   := format features_time decision_count id values requests history
//   format   := 1 byte, 1
//   features_time  := varint: when features were last written, Unix microseconds; 0: never
//   decision_count := varint: decisions ever remembered
//   id       := varint(size) bytes: the customer's id as given
//   values   := varint(size) the features, as in lib/context/value_codec.h
//   requests := varint(size) request*       oldest first
//   request  := kind(1 byte) hash(8 bytes) fingerprint(8 bytes) varint(version)
//   history  := varint(count) zigzag(base_ms) zigzag(last_ms) interaction*    oldest first
//   interaction := kind(1 byte) zigzag(ms since the one before; the first: since base_ms)
//                  varint(channel) varint(1 + treatment; 0: none)
//
// Numbers are little-endian, zigzag is a zigzag varint, names are numbers of the store's
// NameDictionary. A request's version is the record's version number that its commit led to, which
// is also the log position of its event; in the record that this very commit writes it is not known
// yet and stands as 0: the version that the record is loaded with.
inline constexpr uint8_t kRecordFormat = 1;

// How many requests with a request_id are remembered per customer, so that a retry is recognised.
inline constexpr size_t kMaxRememberedRequests = 16;
// How many interactions are remembered per customer.
inline constexpr uint64_t kMaxRememberedInteractions = 64;

// What happened. Stored: never renumber.
enum class InteractionKind : uint8_t {
  kDecided = 1,  // a decision put the treatment on top, or nothing when nothing qualified
};

// One remembered moment with a customer.
struct Interaction {
  InteractionKind kind = InteractionKind::kDecided;
  int64_t time_ms = 0;  // Unix time
  uint32_t channel = 0;
  std::optional<uint32_t> treatment;
};

// What a remembered request was. Stored: never renumber.
enum class RequestKind : uint8_t { kDecide = 1, kUpsert = 2, kCreate = 3 };

// A request with a request_id that was carried out.
struct RememberedRequest {
  RequestKind kind = RequestKind::kDecide;
  uint64_t hash = 0;         // of the request_id
  uint64_t fingerprint = 0;  // of the request's content
  uint64_t version = 0;      // the record's version after its commit
};

// A customer's state, parsed. Points into the record that it was parsed from; cheap to copy.
class CustomerState {
 public:
  // An unknown customer: no features, no history.
  CustomerState() = default;

  // REQUIRES: `record` outlives the state unchanged. DATA_LOSS: the record is malformed, has a
  // format of a newer version, or belongs to another customer than `id` (so that no hash collision
  // can ever hand out somebody else's data).
  static absl::StatusOr<CustomerState> Parse(const storage::Record& record, std::string_view id);

  // False when nothing at all is held about the customer.
  bool found() const { return found_; }
  // Whether anybody ever said something about the customer: features were written. Somebody who was
  // only decided for is not known.
  bool known() const { return features_time_us_ != 0; }
  int64_t features_time_us() const { return features_time_us_; }
  uint64_t decision_count() const { return decision_count_; }
  // The stored features, in the encoding of value_codec.h.
  std::string_view features() const { return features_; }

  std::vector<Interaction> History() const;

  // The remembered request with this hash of its request_id.
  std::optional<RememberedRequest> FindRequest(uint64_t hash) const;

 private:
  friend void EncodeRecord(const CustomerState&, std::string_view, const struct RecordChange&,
                           std::string&);

  bool found_ = false;
  uint64_t version_ = 0;
  int64_t features_time_us_ = 0;
  uint64_t decision_count_ = 0;
  std::string_view features_;
  std::string_view requests_;
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
  // Appended to the history; the oldest makes room.
  std::optional<Interaction> interaction;
  // Remembered in place of one with the same hash; else the oldest makes room. Its `version` is not
  // looked at.
  std::optional<RememberedRequest> request;
};

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
