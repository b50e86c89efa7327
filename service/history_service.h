#ifndef ATTUNE_SERVICE_HISTORY_SERVICE_H_
#define ATTUNE_SERVICE_HISTORY_SERVICE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "attune/v1/customer_service.pb.h"
#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/violations.h"
#include "lib/customer/history_writer.h"
#include "lib/storage/name_dictionary.h"
#include "lib/storage/state_store.h"
#include "lib/strategy/strategy.h"
#include "service/batch_rows.h"

namespace attune::service {

// Most interactions of one RecordInteractions.
inline constexpr int kMaxInteractionsPerRequest = 1000;

// What attune.v1.CustomerService does with consents and histories, without its transport: messages
// in, messages out. Waits for the disk and must not run on a thread that serves decisions.
// Thread-safe. What the methods do and answer: customer_service.proto.
class HistoryService {
 public:
  struct Options {
    std::shared_ptr<const strategy::Strategy> strategy;
    storage::StateStore* store = nullptr;  // outlives the service
    const Clock* clock = nullptr;          // outlives the service
    HashKey seed{};
    // Names that earlier strategies declared; outlives the service.
    const storage::NameDictionary* names = nullptr;
    // How far in the future a time may lie; infinite in a replay.
    absl::Duration max_clock_skew = absl::Minutes(5);
    // A clock that reads this was never set: requests must name their times.
    std::optional<absl::Time> clock_not_set;
  };
  explicit HistoryService(const Options& options)
      : options_(options), writer_(options.store, options.clock, options.seed) {}

  absl::Status SetConsent(const attune::v1::CustomerServiceSetConsentRequest& request,
                          attune::v1::CustomerServiceSetConsentResponse* response,
                          Violations& violations) const;
  absl::Status RecordInteractions(
      const attune::v1::CustomerServiceRecordInteractionsRequest& request,
      attune::v1::CustomerServiceRecordInteractionsResponse* response,
      Violations& violations) const;

  // One BatchRecordInteractions stream. Not thread-safe.
  class Batch {
   public:
    explicit Batch(const HistoryService* service) : service_(*service) {}

    // Records the valid rows of the message. An error ends the stream; what was recorded before
    // stays.
    absl::Status Add(const attune::v1::CustomerServiceBatchRecordInteractionsRequest& message,
                     Violations& violations);
    // Returns when all of it survives power loss.
    absl::Status Finish(attune::v1::CustomerServiceBatchRecordInteractionsResponse* response);

   private:
    // Empty when the row is good, else what is wrong.
    std::string ReadRow(const attune::v1::InteractionRow& row, customer::HistoryChange& change);

    const HistoryService& service_;
    BatchRows<attune::v1::CustomerServiceBatchRecordInteractionsResponse, customer::HistoryChange>
        rows_;
  };

 private:
  // Where an interaction stands in a request, and how it is checked.
  struct Place {
    std::string_view path;    // leads to it, with a dot at its end
    bool needs_time = false;  // absent does not mean now
    bool suggests = true;     // violations say what may have been meant, which takes its time
  };
  // Checks and reads one interaction.
  customer::Interaction ReadInteraction(const attune::v1::Interaction& interaction,
                                        const Place& place, Violations& violations) const;
  // The numbers of names that a strategy used with this store declares or declared.
  uint32_t ReadChannel(std::string_view name, const Place& place, Violations& violations) const;
  uint32_t ReadTreatment(std::string_view name, const Place& place, Violations& violations) const;
  // What is wrong with the time of a request, given or not.
  void CheckTime(std::string_view path, const google::protobuf::Timestamp* time,
                 Violations& violations) const;

  const Options options_;
  const customer::HistoryWriter writer_;
};

}  // namespace attune::service

#endif  // ATTUNE_SERVICE_HISTORY_SERVICE_H_
