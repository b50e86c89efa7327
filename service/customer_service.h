#ifndef ATTUNE_SERVICE_CUSTOMER_SERVICE_H_
#define ATTUNE_SERVICE_CUSTOMER_SERVICE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "attune/v1/customer_service.pb.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/violations.h"
#include "lib/customer/profile_observer.h"
#include "lib/customer/profile_writer.h"
#include "lib/storage/name_dictionary.h"
#include "lib/storage/state_store.h"
#include "lib/strategy/strategy.h"
#include "service/batch_rows.h"
#include "service/value_conversion.h"

namespace attune::service {

// What attune.v1.CustomerService does with customers and their features, without its transport:
// messages in, messages out; consents and histories are written by HistoryService. Upsert,
// BatchUpsert and Erase wait for the disk and must not run on a thread that serves decisions.
// Thread-safe. What the methods do and answer: customer_service.proto.
class CustomerService {
 public:
  struct Options {
    std::shared_ptr<const strategy::Strategy> strategy;
    storage::StateStore* store = nullptr;  // outlives the service
    const Clock* clock = nullptr;          // outlives the service
    HashKey seed{};
    // Names of treatments and channels that stored histories speak of; outlives the service.
    const storage::NameDictionary* names = nullptr;
    // The version of the strategy that decides, which changes with its models; absent: as
    // `strategy`.
    std::function<std::string()> strategy_version;
    // Told of every change of features; nullptr: nobody is. Outlives the service.
    customer::ProfileObserver* observer = nullptr;
  };
  explicit CustomerService(const Options& options);

  absl::Status Get(const attune::v1::CustomerServiceGetRequest& request,
                   attune::v1::CustomerServiceGetResponse* response, Violations& violations) const;
  absl::Status Upsert(const attune::v1::CustomerServiceUpsertRequest& request,
                      attune::v1::CustomerServiceUpsertResponse* response,
                      Violations& violations) const;
  absl::Status Erase(const attune::v1::CustomerServiceEraseRequest& request,
                     attune::v1::CustomerServiceEraseResponse* response,
                     Violations& violations) const;
  absl::Status ListFeatures(const attune::v1::CustomerServiceListFeaturesRequest& request,
                            attune::v1::CustomerServiceListFeaturesResponse* response,
                            Violations& violations) const;

  // One BatchUpsert stream. Not thread-safe.
  class Batch {
   public:
    explicit Batch(const CustomerService* service) : service_(*service) {}

    // Writes the valid rows of the message. An error ends the stream; what was written before
    // stays.
    absl::Status Add(const attune::v1::CustomerServiceBatchUpsertRequest& message,
                     Violations& violations);
    // Returns when all of it survives power loss.
    absl::Status Finish(attune::v1::CustomerServiceBatchUpsertResponse* response);

   private:
    struct Column {
      int slot = 0;
      size_t value = 0;  // index into the row's values
    };
    absl::Status SetColumns(const attune::v1::CustomerServiceBatchUpsertRequest& message,
                            Violations& violations);
    // Empty when the row is good, else what is wrong.
    std::string ReadRow(const attune::v1::CustomerRow& row, customer::ProfileChange& change);

    const CustomerService& service_;
    std::vector<Column> columns_;  // ascending by the feature's number
    size_t column_count_ = 0;
    bool has_columns_ = false;
    ListBuffers lists_;
    BatchRows<attune::v1::CustomerServiceBatchUpsertResponse, customer::ProfileChange> rows_;
  };

 private:
  const strategy::Strategy& strategy() const { return *options_.strategy; }
  void FillHistory(const customer::CustomerState& state,
                   attune::v1::CustomerServiceGetResponse* response) const;
  attune::v1::Interaction Show(const customer::Interaction& interaction) const;
  // DATA_LOSS: the consents are malformed.
  absl::Status FillConsents(const customer::CustomerState& state,
                            attune::v1::CustomerServiceGetResponse* response) const;
  // Reads the features of a message as edits ascending by number; a value without kind removes.
  void ReadFeatures(const attune::v1::Customer& customer, ListBuffers& lists,
                    std::vector<customer::FeatureEdit>& edits, Violations& violations) const;
  void ApplyMask(const attune::v1::CustomerServiceUpsertRequest& request,
                 customer::ProfileChange& change, Violations& violations) const;

  const Options options_;
  const customer::ProfileWriter writer_;
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_CUSTOMER_SERVICE_H_
