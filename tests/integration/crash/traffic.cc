#include "tests/integration/crash/traffic.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/util/time_util.h"
#include "tests/integration/client.h"
#include "tests/integration/crash/crash_strategy.h"

namespace attune::crash {
namespace {

using google::protobuf::util::TimeUtil;
using service::Client;

// The shares of what a client begins; the rest is decisions with their outcomes.
constexpr double kImportShare = 0.03;
constexpr double kUpsertShare = 0.05;
constexpr double kStopShare = 0.01;
// How decisions and outcomes come.
constexpr double kOpenChannelShare = 0.25;
constexpr double kIntentShare = 0.7;
constexpr double kSecondTreatmentShare = 0.2;
constexpr double kActivatedShare = 0.5;
constexpr double kReportedShownShare = 0.4;
constexpr double kAcceptedShare = 0.4;
constexpr double kRejectedShare = 0.3;
constexpr double kSatisfactionShare = 0.2;
constexpr double kOutOfOrderShare = 0.2;
constexpr double kStreamShare = 0.35;
constexpr double kRepeatedShare = 0.15;

constexpr size_t kImportedRows = 20;
constexpr size_t kMaxTenureMonths = 120;
constexpr size_t kMaxWaitSeconds = 600;
constexpr size_t kSatisfactionScores = 5;
constexpr const char* kPlans[] = {"basic", "premium", "family"};
constexpr char kStoppable[] = "bundle";

// Not to spin while the next server starts.
constexpr std::chrono::milliseconds kRetryPause(5);
constexpr std::chrono::milliseconds kRestPoll(20);
// Longer than the slowest start: who is told to call again for so long is told so for ever.
constexpr std::chrono::seconds kRetryPatience(120);

// What a caller is told to call again for; CANCELLED comes from a server that drains.
bool MayRetry(grpc::StatusCode code) {
  return code == grpc::StatusCode::UNAVAILABLE || code == grpc::StatusCode::CANCELLED ||
         code == grpc::StatusCode::ABORTED || code == grpc::StatusCode::RESOURCE_EXHAUSTED ||
         code == grpc::StatusCode::DEADLINE_EXCEEDED;
}

bool IsInHistory(v1::OutcomeStatus status) {
  return status == v1::OUTCOME_STATUS_RECORDED || status == v1::OUTCOME_STATUS_LATE;
}

}  // namespace

bool TrafficClient::Chance(double probability) {
  return std::uniform_real_distribution<double>(0, 1)(random_) < probability;
}

size_t TrafficClient::Draw(size_t below) {
  return std::uniform_int_distribution<size_t>(0, below - 1)(random_);
}

std::string TrafficClient::DrawCustomer() {
  return absl::StrCat("customer ", traffic_.first_customer + Draw(kActiveCustomers));
}

std::string TrafficClient::NewRequestId() {
  return absl::StrCat("client ", number_, " request ", ++last_request_);
}

void TrafficClient::Pace() {
  const std::chrono::duration<double> period(static_cast<double>(traffic_.clients) /
                                             traffic_.calls_per_second);
  std::this_thread::sleep_until(next_call_);
  // Nobody makes up for the time without a server: all at once is not what is tried here.
  next_call_ =
      std::max(next_call_, Clock::now()) + std::chrono::duration_cast<Clock::duration>(period);
}

template <typename Call>
auto TrafficClient::UntilAnswered(const char* what, Call call, bool& was_retried)
    -> std::optional<decltype(call(std::declval<const service::Client&>()).response)> {
  was_retried = false;
  const Clock::time_point give_up = Clock::now() + kRetryPatience;
  for (;; was_retried = true) {
    const std::shared_ptr<const Client> client = traffic_.target->Await();
    if (client == nullptr) return std::nullopt;
    if (was_retried) {
      ++traffic_.retries;
    } else {
      Pace();
    }
    auto answer = call(*client);
    if (answer.ok()) return std::move(answer.response);
    if (!MayRetry(answer.code()) || Clock::now() >= give_up) {
      traffic_.problems->Add(absl::StrCat(what, ": error ", static_cast<int>(answer.code()), ": ",
                                          answer.status.error_message()));
      return std::nullopt;
    }
    std::this_thread::sleep_for(kRetryPause);
  }
}

void TrafficClient::Run() {
  while (!traffic_.stopping) {
    if (traffic_.resting) {
      std::this_thread::sleep_for(kRestPoll);
      continue;
    }
    if (Chance(kImportShare)) {
      Import();
    } else if (Chance(kUpsertShare)) {
      Upsert();
    } else if (number_ == 0 && Chance(kStopShare)) {
      SwitchStop();
    } else {
      Serve();
    }
  }
}

void TrafficClient::Serve() {
  const std::string customer = DrawCustomer();
  v1::DecideRequest request;
  request.set_customer_id(customer);
  if (Chance(kOpenChannelShare)) {
    request.add_open_channels(std::string("*"));
  } else {
    request.set_channel(std::string(kChannels[Draw(std::size(kChannels))]));
  }
  if (Chance(kIntentShare)) request.set_intent(std::string(kIntents[Draw(std::size(kIntents))]));
  (*request.mutable_attributes())["wait_s"] =
      service::Double(static_cast<double>(Draw(kMaxWaitSeconds)));
  request.set_request_id(NewRequestId());
  // What is acknowledged now, the decision must count, even if another server makes it.
  const std::vector<int64_t> accepted_before = traffic_.ledger->AcceptedOffers(customer);

  bool was_retried = false;
  const auto answer = UntilAnswered(
      "Decide", [&](const Client& client) { return client.Decide(request); }, was_retried);
  if (!answer) return;
  CheckAnswer(customer, *answer, accepted_before);
  KnownDecision known;
  known.id = answer->decision_id();
  known.time_ms = TimeUtil::TimestampToMilliseconds(answer->time());
  if (!answer->treatments().empty()) {
    known.treatment = answer->treatments(0).treatment_id();
    known.is_offer = answer->treatments(0).group() == kOfferGroup;
  }
  traffic_.ledger->AddDecision(customer, known);
  if (Chance(kRepeatedShare)) {
    ++traffic_.repeats;
    const auto again = UntilAnswered(
        "Decide", [&](const Client& client) { return client.Decide(request); }, was_retried);
    if (again && again->decision_id() != answer->decision_id()) {
      traffic_.problems->Add(
          absl::StrCat("the decision ", request.request_id(), " of ", customer, " was made twice"));
    }
  }
  if (answer->treatments_size() > 0) ReportOn(customer, known.id, answer->treatments(0));
  if (answer->treatments_size() > 1 && Chance(kSecondTreatmentShare)) {
    ReportOn(customer, known.id, answer->treatments(1));
  }
}

void TrafficClient::CheckAnswer(const std::string& customer, const v1::DecideResponse& answer,
                                const std::vector<int64_t>& accepted_before) const {
  if (answer.degraded()) {
    traffic_.problems->Add(absl::StrCat("a decision for ", customer, " is degraded: ",
                                        absl::StrJoin(answer.degraded_reasons(), ", ")));
  }
  for (const v1::RejectedCount& rejected : answer.rejected_counts()) {
    if (rejected.reason() == "cap_reached") {
      traffic_.caps_reached += static_cast<uint64_t>(rejected.count());
    }
  }
  const int accepted = CountWithin(
      accepted_before, TimeUtil::TimestampToMilliseconds(answer.time()), kAcceptedWindowMs);
  for (const v1::RankedTreatment& treatment : answer.treatments()) {
    if (treatment.group() == kOfferGroup && accepted >= kAcceptedCap) {
      traffic_.problems->Add(absl::StrCat(customer, " was offered ", treatment.treatment_id(),
                                          " after ", accepted, " acknowledged acceptances within ",
                                          kAcceptedWindowMs, " ms, where ", kAcceptedCap,
                                          " end the offers"));
    }
    if (has_stopped_ && treatment.treatment_id() == kStoppable) {
      traffic_.problems->Add(
          absl::StrCat(customer, " was offered ", kStoppable, ", which is stopped"));
    }
  }
}

TrafficClient::Report TrafficClient::NewReport(const std::string& customer,
                                               const std::string& decision_id,
                                               const v1::RankedTreatment& treatment,
                                               const char* outcome) {
  Report report;
  report.known = {.decision_id = decision_id,
                  .treatment = treatment.treatment_id(),
                  .outcome = outcome,
                  .time_ms = traffic_.ledger->NewTimeMs(customer, absl::ToUnixMicros(absl::Now())),
                  .is_offer = treatment.group() == kOfferGroup};
  v1::OutcomeServiceRecordOutcomeRequest& request = report.request;
  request.set_decision_id(decision_id);
  request.set_treatment_id(report.known.treatment);
  request.set_outcome(outcome);
  *request.mutable_time() = TimeUtil::MillisecondsToTimestamp(report.known.time_ms);
  request.set_source(Chance(0.5) ? v1::OUTCOME_SOURCE_CUSTOMER : v1::OUTCOME_SOURCE_SYSTEM);
  request.set_request_id(NewRequestId());
  return report;
}

void TrafficClient::ReportOn(const std::string& customer, const std::string& decision_id,
                             const v1::RankedTreatment& treatment) {
  std::vector<Report> reports;
  std::optional<Report> activated;
  if (Chance(kActivatedShare)) {
    activated = NewReport(customer, decision_id, treatment, "shown");
  } else if (Chance(kReportedShownShare / (1 - kActivatedShare))) {
    reports.push_back(NewReport(customer, decision_id, treatment, "shown"));
  }
  const double taste = std::uniform_real_distribution<double>(0, 1)(random_);
  if (taste < kAcceptedShare) {
    reports.push_back(NewReport(customer, decision_id, treatment, "accepted"));
  } else if (taste < kAcceptedShare + kRejectedShare) {
    reports.push_back(NewReport(customer, decision_id, treatment, "rejected"));
  }
  if (Chance(kSatisfactionShare)) {
    reports.push_back(NewReport(customer, decision_id, treatment, "satisfaction"));
    reports.back().request.set_value(static_cast<double>(1 + Draw(kSatisfactionScores)));
  }
  const bool is_out_of_order = Chance(kOutOfOrderShare);
  if (is_out_of_order) std::reverse(reports.begin(), reports.end());
  if (activated && !is_out_of_order) Activate(customer, *activated);
  if (Chance(kStreamShare)) {
    RecordAsStream(customer, reports);
  } else {
    RecordOneByOne(customer, reports);
  }
  if (activated && is_out_of_order) Activate(customer, *activated);
}

void TrafficClient::Activate(const std::string& customer, const Report& showing) {
  v1::OutcomeServiceActivateRequest request;
  request.set_decision_id(showing.known.decision_id);
  request.add_treatment_ids(showing.known.treatment);
  *request.mutable_time() = showing.request.time();
  bool was_retried = false;
  const auto activate = [&](const Client& client) { return client.Activate(request); };
  const auto answer = UntilAnswered("Activate", activate, was_retried);
  if (!answer || answer->showings_size() != 1) return;
  NoteRecorded(customer, showing, answer->showings(0), was_retried);
  if (!Chance(kRepeatedShare)) return;
  // At another time: a treatment of a decision is shown once all the same.
  *request.mutable_time() = TimeUtil::MillisecondsToTimestamp(
      traffic_.ledger->NewTimeMs(customer, absl::ToUnixMicros(absl::Now())));
  ++traffic_.repeats;
  const auto again = UntilAnswered("Activate", activate, was_retried);
  if (again && again->showings_size() == 1) ExpectKnown(showing, again->showings(0));
}

void TrafficClient::RecordOneByOne(const std::string& customer,
                                   const std::vector<Report>& reports) {
  for (const Report& report : reports) {
    const auto record = [&](const Client& client) { return client.RecordOutcome(report.request); };
    bool was_retried = false;
    const auto answer = UntilAnswered("RecordOutcome", record, was_retried);
    if (!answer) continue;
    NoteRecorded(customer, report, *answer, was_retried);
    if (!Chance(kRepeatedShare)) continue;
    ++traffic_.repeats;
    const auto again = UntilAnswered("RecordOutcome", record, was_retried);
    if (again) ExpectKnown(report, *again);
  }
}

void TrafficClient::RecordAsStream(const std::string& customer,
                                   const std::vector<Report>& reports) {
  std::vector<Report> open = reports;
  // An answer may have been lost with the stream: from then on any of them may be known.
  bool any_retried = false;
  while (!open.empty()) {
    v1::OutcomeServiceRecordOutcomesRequest message;
    for (const Report& report : open) *message.add_entries()->mutable_outcome() = report.request;
    bool was_retried = false;
    const auto answer = UntilAnswered(
        "RecordOutcomes", [&](const Client& client) { return client.RecordOutcomes(message); },
        was_retried);
    if (!answer) return;
    any_retried = any_retried || was_retried;
    if (answer->results_size() != message.entries_size()) {
      traffic_.problems->Add(absl::StrCat("RecordOutcomes: ", answer->results_size(),
                                          " answers to ", message.entries_size(), " entries"));
      return;
    }
    std::vector<Report> left;
    for (int i = 0; i < answer->results_size(); ++i) {
      const v1::OutcomeResult& result = answer->results(i);
      const Report& report = open[static_cast<size_t>(i)];
      if (result.has_recorded()) {
        NoteRecorded(customer, report, result.recorded(), any_retried);
      } else if (MayRetry(static_cast<grpc::StatusCode>(result.error().code()))) {
        left.push_back(report);
      } else {
        traffic_.problems->Add(absl::StrCat("RecordOutcomes: error ", result.error().code(), ": ",
                                            result.error().message()));
      }
    }
    any_retried = any_retried || !left.empty();
    open = std::move(left);
  }
}

void TrafficClient::NoteRecorded(const std::string& customer, const Report& report,
                                 const v1::OutcomeServiceRecordOutcomeResponse& answer,
                                 bool was_retried) const {
  // It was known before only if the call that was cut off was carried out. Late: without a server
  // for longer than the outcome's window. Everything else would say that a decision was forgotten.
  const bool was_known = answer.status() == v1::OUTCOME_STATUS_ALREADY_RECORDED && was_retried;
  const v1::OutcomeStatus status = was_known ? answer.first_status() : answer.status();
  if (!IsInHistory(status)) {
    traffic_.problems->Add(absl::StrCat(KeyOf(report.known), " of ", customer, " was answered ",
                                        v1::OutcomeStatus_Name(status)));
  }
  traffic_.ledger->AddOutcome(customer, report.known);
}

void TrafficClient::ExpectKnown(const Report& report,
                                const v1::OutcomeServiceRecordOutcomeResponse& answer) const {
  if (answer.status() == v1::OUTCOME_STATUS_ALREADY_RECORDED) return;
  traffic_.problems->Add(absl::StrCat(KeyOf(report.known), " was acknowledged, and once more as ",
                                      v1::OutcomeStatus_Name(answer.status())));
}

void TrafficClient::Import() {
  const int64_t mark = ++last_mark_;
  std::vector<std::pair<std::string, std::vector<v1::Value>>> rows;
  // Neighbours, so that none is twice in the batch.
  const uint64_t first = traffic_.first_customer + Draw(kActiveCustomers);
  for (uint64_t i = 0; i < kImportedRows; ++i) {
    rows.emplace_back(
        absl::StrCat("customer ", first + i),
        std::vector<v1::Value>{service::String(kPlans[Draw(std::size(kPlans))]),
                               service::Int(static_cast<int64_t>(Draw(kMaxTenureMonths))),
                               service::Int(mark)});
  }
  const auto batch = service::RowsOf({"plan", "tenure_months", MarkOf(number_)}, rows);
  bool was_retried = false;
  const auto answer = UntilAnswered(
      "BatchUpsert", [&](const Client& client) { return client.BatchUpsert({batch}); },
      was_retried);
  if (!answer) return;
  if (answer->rejected() > 0) {
    traffic_.problems->Add(
        absl::StrCat("BatchUpsert refused: ", answer->rejected_rows(0).reason()));
    return;
  }
  for (const auto& row : rows) traffic_.ledger->SetMark(row.first, number_, mark);
}

void TrafficClient::Upsert() {
  const int64_t mark = ++last_mark_;
  const std::string customer = DrawCustomer();
  auto request = service::UpsertOf(customer, {{MarkOf(number_), service::Int(mark)}});
  request.set_request_id(NewRequestId());
  bool was_retried = false;
  const auto answer = UntilAnswered(
      "Upsert", [&](const Client& client) { return client.Upsert(request); }, was_retried);
  if (answer) traffic_.ledger->SetMark(customer, number_, mark);
}

void TrafficClient::SwitchStop() {
  v1::StrategyServiceSetStopRequest request;
  request.set_treatment_id(kStoppable);
  request.set_stopped(!has_stopped_);
  request.set_by("crash harness");
  request.set_because("It is switched all the time.");
  request.set_request_id(NewRequestId());
  bool was_retried = false;
  const auto answer = UntilAnswered(
      "SetStop", [&](const Client& client) { return client.SetStop(request); }, was_retried);
  if (answer) has_stopped_ = request.stopped();
}

}  // namespace attune::crash
