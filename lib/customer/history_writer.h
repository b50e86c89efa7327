#ifndef ATTUNE_LIB_CUSTOMER_HISTORY_WRITER_H_
#define ATTUNE_LIB_CUSTOMER_HISTORY_WRITER_H_

#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/customer/consent.h"
#include "lib/customer/customer_record.h"
#include "lib/storage/state_store.h"

namespace attune::customer {

// Stands for the time of an interaction that happens just now, and for that of a consent.
inline constexpr int64_t kTimeOfRecording = std::numeric_limits<int64_t>::min();

// What happened with one customer, in any order.
struct HistoryChange {
  std::string_view customer_id;
  // Outcomes, or decisions that are only told, with an outcome of 0. Times from 1970 on, or
  // kTimeOfRecording. Those that are remembered already are left out.
  std::vector<Interaction> interactions;
};

// What one customer said; the time may be kTimeOfRecording.
struct ConsentChange {
  std::string_view customer_id;
  Consent said;
};

// What became of the interactions of a change; adds up to their number.
struct HistoryResult {
  int64_t recorded = 0;
  int64_t already_known = 0;
  // Older than what is kept of the customer: beyond the retention, or older than as many others as
  // are kept.
  int64_t too_old = 0;
  uint64_t version = 0;  // the record's version number after it
};

// What became of what a customer said.
struct ConsentResult {
  // False: it was known already, or something newer was said before.
  bool changed = false;
  uint64_t version = 0;  // the record's version number after it
};

// Writes what happened with customers and what they consent to, each with its event in the log; a
// customer of whom nothing was held has a record from then on. Features stay as they are.
// Thread-safe.
class HistoryWriter {
 public:
  // `store` and `clock` must outlive the writer. `seed` keys the hashes of request ids.
  HistoryWriter(storage::StateStore* store, const Clock* clock, const HashKey& seed)
      : store_(*store), clock_(*clock), seed_(seed) {}

  // Adds to the customer's history, within the strategy's bounds, and returns when it survives
  // power loss. With a `request_id`, the same change under the same id is made once and answered
  // alike, as long as the log holds its event; then all of it is already known. ALREADY_EXISTS: the
  // id was used for something else. ABORTED: the customer was changed by others too often in a row;
  // retry.
  absl::StatusOr<HistoryResult> RecordInteractions(const HistoryChange& change,
                                                   const HistoryBounds& bounds,
                                                   std::string_view request_id) const;

  // The same for many changes, as an import has them, with as few writes as possible: they survive
  // power loss once the store was synced. Changes of one customer are made together. One result per
  // change.
  std::vector<absl::StatusOr<HistoryResult>> RecordMany(absl::Span<const HistoryChange> changes,
                                                        const HistoryBounds& bounds) const;

  // Keeps what the customer said; it holds from the next decision on. Durable and idempotent as
  // RecordInteractions. INVALID_ARGUMENT: the source is too long. RESOURCE_EXHAUSTED: too many
  // consents of one customer.
  absl::StatusOr<ConsentResult> SetConsent(const ConsentChange& change,
                                           std::string_view request_id) const;

 private:
  struct Draft;
  struct Written;
  struct Group;
  // Fills in what changes in a record with this state, and the event; false when nothing does.
  using Fill = absl::FunctionRef<absl::StatusOr<bool>(const CustomerState&, Draft&)>;

  // Carries out what a request asks for, again when somebody else changed the customer in between.
  absl::StatusOr<Written> Write(std::string_view customer_id, const RememberedRequest* request,
                                storage::Durability durability, Fill fill) const;
  absl::StatusOr<Written> WriteOnce(std::string_view customer_id, const RememberedRequest* request,
                                    storage::Durability durability, Fill fill) const;
  // What was written when the request was carried out before. ALREADY_EXISTS: something else was.
  absl::StatusOr<Written> Earlier(const RememberedRequest& earlier,
                                  const RememberedRequest& request) const;
  // What needed no write, once what it was read from survives as long as `durability` says.
  absl::StatusOr<Written> Settled(absl::StatusOr<Written> written,
                                  storage::Durability durability) const;
  // Records changes of customers that are all different.
  void RecordGroups(absl::Span<Group> groups, const HistoryBounds& bounds) const;

  storage::StateStore& store_;
  const Clock& clock_;
  const HashKey seed_;
};

}  // namespace attune::customer

#endif  // ATTUNE_LIB_CUSTOMER_HISTORY_WRITER_H_
