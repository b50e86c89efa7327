#ifndef ATTUNE_TESTS_INTEGRATION_CRASH_TRAFFIC_H_
#define ATTUNE_TESTS_INTEGRATION_CRASH_TRAFFIC_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "attune/v1/decision_service.pb.h"
#include "attune/v1/outcome_service.pb.h"
#include "tests/integration/crash/ledger.h"
#include "tests/integration/crash/target.h"

namespace attune::crash {

// What all clients share. The pointees outlive them.
struct Traffic {
  Ledger* ledger = nullptr;
  Target* target = nullptr;
  Problems* problems = nullptr;
  size_t clients = 1;
  double calls_per_second = 100;  // of all clients together; above 0
  // Customers are drawn from this number on. It moves on with the kills, so that each customer
  // lives through several of them and no history grows beyond what is kept.
  std::atomic<uint64_t> first_customer{0};
  std::atomic<bool> resting{false};  // begin nothing
  std::atomic<bool> stopping{false};
  // Calls that were sent again because nobody knows what became of them, and because clients do.
  std::atomic<uint64_t> retries{0};
  std::atomic<uint64_t> repeats{0};
  // Treatments that decisions left out because a cap was reached: else the caps are not tried.
  std::atomic<uint64_t> caps_reached{0};
};

// How many customers there are at a time: few, so that they meet on several channels at once.
inline constexpr uint64_t kActiveCustomers = 60;
// How many of them others take the place of after a kill.
inline constexpr uint64_t kNewCustomersPerKill = 5;

// One of the programs that use the server: decides, reports what came of it, imports customers. It
// tells the ledger what was acknowledged, calls again under the same request_id whatever was not,
// until it is, and now and then what was. Run it on a thread of its own; not thread-safe.
class TrafficClient {
 public:
  TrafficClient(Traffic* traffic, size_t number, uint64_t seed)
      : traffic_(*traffic), number_(number), random_(seed) {}

  // Until the traffic stops; what was begun is acknowledged by then, unless there is no server any
  // more.
  void Run();

 private:
  using Clock = std::chrono::steady_clock;

  // A report with what the ledger is to know of it.
  struct Report {
    v1::OutcomeServiceRecordOutcomeRequest request;
    KnownOutcome known;
  };

  bool Chance(double probability);
  size_t Draw(size_t below);
  std::string DrawCustomer();
  std::string NewRequestId();
  // Waits until it is this client's turn to make another call.
  void Pace();
  // Calls until there is an answer that is not "retry"; nullopt: an error, noted as a problem, or
  // no server any more. `was_retried` says whether an earlier call may have been carried out.
  template <typename Call>
  auto UntilAnswered(const char* what, Call call, bool& was_retried)
      -> std::optional<decltype(call(std::declval<const service::Client&>()).response)>;

  // Decides and reports.
  void Serve();
  void CheckAnswer(const std::string& customer, const v1::DecideResponse& answer,
                   const std::vector<int64_t>& accepted_before) const;
  void ReportOn(const std::string& customer, const std::string& decision_id,
                const v1::RankedTreatment& treatment);
  Report NewReport(const std::string& customer, const std::string& decision_id,
                   const v1::RankedTreatment& treatment, const char* outcome);
  void Activate(const std::string& customer, const Report& showing);
  void RecordOneByOne(const std::string& customer, const std::vector<Report>& reports);
  void RecordAsStream(const std::string& customer, const std::vector<Report>& reports);
  // Tells the ledger, if the answer is as it must be.
  void NoteRecorded(const std::string& customer, const Report& report,
                    const v1::OutcomeServiceRecordOutcomeResponse& answer, bool was_retried) const;
  void ExpectKnown(const Report& report,
                   const v1::OutcomeServiceRecordOutcomeResponse& answer) const;
  // Writes this client's mark, and features that decisions look at.
  void Import();
  void Upsert();
  // Stops a treatment, or lets it go again; the first client only.
  void SwitchStop();

  Traffic& traffic_;
  const size_t number_;
  std::mt19937_64 random_;
  uint64_t last_request_ = 0;
  int64_t last_mark_ = 0;
  bool has_stopped_ = false;
  Clock::time_point next_call_ = Clock::now();
};

}  // namespace attune::crash

#endif  // ATTUNE_TESTS_INTEGRATION_CRASH_TRAFFIC_H_
