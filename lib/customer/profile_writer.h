#ifndef ATTUNE_LIB_CUSTOMER_PROFILE_WRITER_H_
#define ATTUNE_LIB_CUSTOMER_PROFILE_WRITER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/customer/customer_record.h"
#include "lib/customer/profile_observer.h"
#include "lib/storage/state_store.h"

namespace attune::customer {

// A change of what is known about one customer.
struct ProfileChange {
  std::string_view customer_id;
  // Ascending by number, no number twice.
  std::vector<FeatureEdit> edits;
  // All features that are stored now are removed first.
  bool replace = false;
};

// What a change did.
struct ProfileResult {
  enum class Kind { kCreated, kUpdated, kUnchanged };
  Kind kind = Kind::kUnchanged;
  uint64_t version = 0;  // the record's version number after it
};

// Writes customers' features. Thread-safe.
class ProfileWriter {
 public:
  // `store`, `clock` and `observer` must outlive the writer. `seed` keys the hashes of request ids.
  // `observer` is told of every change; nullptr: nobody is.
  ProfileWriter(storage::StateStore* store, const Clock* clock, const HashKey& seed,
                ProfileObserver* observer = nullptr)
      : store_(*store), clock_(*clock), seed_(seed), observer_(observer) {}

  // Makes the change, and returns when it survives power loss. With a `request_id`, the same change
  // under the same id is made once and answered alike. ALREADY_EXISTS: the id was used for
  // something else. ABORTED: the customer was changed by others too often in a row; retry.
  absl::StatusOr<ProfileResult> Upsert(const ProfileChange& change,
                                       std::string_view request_id) const;

  // Makes many changes, in order, with as few writes as possible. They survive power loss once the
  // store was synced. One result per change.
  std::vector<absl::StatusOr<ProfileResult>> UpsertMany(
      absl::Span<const ProfileChange> changes) const;

 private:
  struct Attempt;

  // One write for customers that are all different; the results of `changes` go to `results`.
  void UpsertDistinct(absl::Span<const ProfileChange> changes,
                      absl::Span<const storage::CustomerKey> keys,
                      absl::Span<absl::StatusOr<ProfileResult>> results) const;
  absl::StatusOr<ProfileResult> UpsertOnce(const ProfileChange& change, std::string_view request_id,
                                           storage::Durability durability) const;
  // The result of a change that needed no write, once what it was read from survives as long as
  // `durability` says.
  absl::StatusOr<ProfileResult> Settled(const ProfileResult& result,
                                        storage::Durability durability) const;

  storage::StateStore& store_;
  const Clock& clock_;
  const HashKey seed_;
  ProfileObserver* const observer_;
};

}  // namespace attune::customer

#endif  // ATTUNE_LIB_CUSTOMER_PROFILE_WRITER_H_
