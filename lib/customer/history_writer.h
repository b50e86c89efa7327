#ifndef ATTUNE_LIB_CUSTOMER_HISTORY_WRITER_H_
#define ATTUNE_LIB_CUSTOMER_HISTORY_WRITER_H_

#include <cstdint>
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

// What happened with one customer, in any order.
struct HistoryChange {
  std::string_view customer_id;
  // Times from 1970 on. Those that are remembered already are left out.
  std::vector<Interaction> interactions;
};

// What one customer said.
struct ConsentChange {
  std::string_view customer_id;
  Consent said;
};

// What a change did.
struct HistoryResult {
  // False: everything was remembered already, or something newer was said before.
  bool changed = false;
  uint64_t version = 0;  // the record's version number after it
};

// Writes what happened with customers and what they consent to; a customer of whom nothing was
// known is known from then on. Features stay as they are. Thread-safe.
class HistoryWriter {
 public:
  // `store` and `clock` must outlive the writer. `seed` keys the hashes of request ids.
  HistoryWriter(storage::StateStore* store, const Clock* clock, const HashKey& seed)
      : store_(*store), clock_(*clock), seed_(seed) {}

  // Adds to the customer's history, within the strategy's bounds, and returns when it survives
  // power loss. With a `request_id`, the same change under the same id is made once and answered
  // alike. ALREADY_EXISTS: the id was used for something else. ABORTED: the customer was changed by
  // others too often in a row; retry.
  absl::StatusOr<HistoryResult> RecordInteractions(const HistoryChange& change,
                                                   const HistoryBounds& bounds,
                                                   std::string_view request_id) const;

  // The same for many changes, in order, as an import has them: they survive power loss once the
  // store was synced. One result per change.
  std::vector<absl::StatusOr<HistoryResult>> RecordMany(absl::Span<const HistoryChange> changes,
                                                        const HistoryBounds& bounds) const;

  // Keeps what the customer said; it holds from the next decision on. Durable and idempotent as
  // RecordInteractions; a retry may say it at another time. INVALID_ARGUMENT: the source is too
  // long. RESOURCE_EXHAUSTED: too many consents of one customer.
  absl::StatusOr<HistoryResult> SetConsent(const ConsentChange& change,
                                           std::string_view request_id) const;

 private:
  // Fills in what changes in a record with this state; false when nothing does.
  using Fill = absl::FunctionRef<absl::StatusOr<bool>(const CustomerState&, RecordChange&)>;

  absl::StatusOr<HistoryResult> Write(std::string_view customer_id, RequestKind kind,
                                      std::string_view request_id, uint64_t fingerprint,
                                      storage::Durability durability, Fill fill) const;
  absl::StatusOr<HistoryResult> WriteOnce(std::string_view customer_id,
                                          const RememberedRequest* request,
                                          storage::Durability durability, Fill fill) const;
  absl::StatusOr<HistoryResult> Record(const HistoryChange& change, const HistoryBounds& bounds,
                                       std::string_view request_id,
                                       storage::Durability durability) const;

  storage::StateStore& store_;
  const Clock& clock_;
  const HashKey seed_;
};

}  // namespace attune::customer

#endif  // ATTUNE_LIB_CUSTOMER_HISTORY_WRITER_H_
