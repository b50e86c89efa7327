#include "service/outcome_service.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/context/decision_request.h"
#include "service/value_conversion.h"

namespace attune::service {
namespace {

namespace pb = attune::v1;

constexpr size_t kDecisionIdDigits = 2 * sizeof(customer::DecisionId);

// So many of a batch get a "did you mean", which looks at every name.
constexpr size_t kSuggestedRequests = 100;

std::string UndeclaredName(std::string_view what, std::string_view name,
                           const std::vector<std::string_view>& names) {
  return absl::StrCat("is ", Quoted(name), ", which is no ", ToAbsl(what), " of the strategy",
                      DidYouMean(name.substr(0, kMaxNameBytes), names));
}

// How often at most problems of one kind are logged.
constexpr int64_t kProblemLogPeriodUs = 10'000'000;

// Logs a problem that may come with every report: now and then, `next_us` saying when.
void LogNowAndThen(const char* what, const absl::Status& problem, std::atomic<int64_t>& next_us) {
  const int64_t now_us = absl::ToUnixMicros(absl::Now());
  int64_t due_us = next_us.load(std::memory_order_relaxed);
  const int64_t then_us = now_us + kProblemLogPeriodUs;
  if (now_us < due_us || !next_us.compare_exchange_strong(due_us, then_us)) return;
  spdlog::error("{}: {}", what, std::string(problem.message()));
}

// As the request has it; nullopt: it has none that there is.
std::optional<outcome::Source> ReportedSource(pb::OutcomeSource source) {
  if (!pb::OutcomeSource_IsValid(source) || source == pb::OUTCOME_SOURCE_UNSPECIFIED) {
    return std::nullopt;
  }
  return static_cast<outcome::Source>(source);
}

// The store's error, with what to do about it: whether it is recorded is not known, and need not
// be.
absl::Status Unrecorded(const absl::Status& status) {
  if (!absl::IsUnavailable(status) && !absl::IsResourceExhausted(status)) return status;
  return absl::Status(status.code(), absl::StrCat(status.message(),
                                                  ". The outcome is not acknowledged: report it "
                                                  "again later, with the same request_id or time"));
}

// An error for an answer that is none of the response's.
absl::Status ErrorOf(const outcome::Report& report, outcome::Status status) {
  switch (status) {
    case outcome::Status::kUnknownId:
      return absl::NotFoundError(
          "decision_id is none that this server gave: it is another server's, or made up");
    case outcome::Status::kTooMany:
      return absl::FailedPreconditionError(
          absl::StrCat("the decision has ", customer::kMaxRememberedOutcomes,
                       " outcomes; no more are recorded (kMaxRememberedOutcomes)"));
    case outcome::Status::kOtherContent:
      return absl::AlreadyExistsError(
          report.request_id.empty()
              ? "an outcome of this decision, treatment and time was reported with another "
                "content; give each a request_id"
              : "this request_id was used for this customer with another content; use a new one");
    default:
      return absl::OkStatus();
  }
}

}  // namespace

std::vector<OutcomeService::Answer> OutcomeService::RecordMany(
    absl::Span<const Request* const> requests) const {
  std::vector<Answer> answers(requests.size());
  std::vector<Reading> good;
  std::vector<Answer*> answers_of_good;
  for (size_t i = 0; i < requests.size(); ++i) {
    Reading reading = Read(*requests[i], i < kSuggestedRequests, answers[i].violations);
    if (!answers[i].violations.empty()) continue;
    good.push_back(reading);
    answers_of_good.push_back(&answers[i]);
  }
  Record(good, answers_of_good);
  return answers;
}

absl::Status OutcomeService::Activate(const pb::OutcomeServiceActivateRequest& request,
                                      pb::OutcomeServiceActivateResponse* response,
                                      Violations& violations) const {
  if (options_.strategy->showing_outcome < 0) {
    return absl::FailedPreconditionError(
        "the strategy declares no outcome as the showing (outcomes: [{name: shown, showing: "
        "true}]), so nothing can be activated");
  }
  if (!request.has_time() && !options_.times.ProblemOf(nullptr).empty()) {
    return absl::FailedPreconditionError(
        "there is no now until a decision has set the replay clock; give a time");
  }
  Reading shared;
  SetOutcome(options_.strategy->showing_outcome, shared);
  ReadId(request.decision_id(), shared, violations);
  shared.report.channel = ReadChannel(request.channel(), violations);
  const auto source = ReportedSource(request.source());
  if (!source && request.source() != pb::OUTCOME_SOURCE_UNSPECIFIED) {
    violations.Add("source", "is none: the customer, an employee or a system");
  }
  shared.report.source = source.value_or(outcome::Source::kSystem);
  ReadTime(request.has_time() ? &request.time() : nullptr, shared, violations);
  shared.report.once = true;
  std::vector<Reading> readings;
  absl::flat_hash_set<uint32_t> seen;
  if (request.treatment_ids_size() > kMaxActivatedTreatments) {
    violations.Add("treatment_ids",
                   absl::StrCat("has ", request.treatment_ids_size(), " entries; at most ",
                                kMaxActivatedTreatments, " are allowed"));
    return violations.ToStatus();
  }
  for (int i = 0; i < request.treatment_ids_size(); ++i) {
    const std::string path = absl::StrCat("treatment_ids[", i, "]");
    Reading& reading = readings.emplace_back(shared);
    if (request.treatment_ids(i).empty()) {
      violations.Add(path, "is empty; leave the list empty for the treatment on top");
      continue;
    }
    reading.report.treatment = ReadTreatment(request.treatment_ids(i), path, true, violations);
    if (reading.report.treatment && !seen.insert(*reading.report.treatment).second) {
      violations.Add(path, absl::StrCat(Quoted(request.treatment_ids(i)), " is listed twice"));
    }
  }
  if (!violations.empty()) return violations.ToStatus();
  if (readings.empty()) readings.push_back(shared);
  std::vector<Answer> answers(readings.size());
  std::vector<Answer*> pointers;
  pointers.reserve(answers.size());
  for (Answer& answer : answers) pointers.push_back(&answer);
  Record(readings, pointers);
  for (Answer& answer : answers) {
    if (!answer.status.ok()) return answer.status;
    *response->add_showings() = std::move(answer.response);
  }
  return absl::OkStatus();
}

OutcomeService::Reading OutcomeService::Read(const Request& request, bool suggests,
                                             Violations& violations) const {
  const context::NameTable& outcomes = options_.strategy->outcomes;
  Reading reading;
  ReadId(request.decision_id(), reading, violations);
  if (!request.treatment_id().empty()) {
    reading.report.treatment =
        ReadTreatment(request.treatment_id(), "treatment_id", suggests, violations);
  }
  if (const int outcome = outcomes.IndexOf(request.outcome()); outcome >= 0) {
    SetOutcome(outcome, reading);
    ReadValue(request, reading, violations);
  } else if (request.outcome().empty()) {
    violations.Add("outcome", "is required: one of the strategy's outcomes");
  } else {
    violations.Add("outcome", UndeclaredName("outcome", request.outcome(), outcomes.Names()));
  }
  if (request.has_time() || !request.request_id().empty()) {
    ReadTime(request.has_time() ? &request.time() : nullptr, reading, violations);
  } else {
    violations.Add("request_id",
                   "or a time is required, so that a retry is not taken for another outcome");
  }
  if (const auto source = ReportedSource(request.source())) {
    reading.report.source = *source;
  } else {
    violations.Add("source", "is required: who says so, the customer, an employee or a system");
  }
  reading.report.channel = ReadChannel(request.channel(), violations);
  if (!request.reason().empty()) {
    if (const auto problem = IdProblem(request.reason(), outcome::kMaxReasonBytes)) {
      violations.Add("reason", *problem);
    }
    reading.report.reason = request.reason();
  }
  if (!request.request_id().empty()) {
    if (const auto problem = IdProblem(request.request_id(), kMaxRequestIdBytes)) {
      violations.Add("request_id", *problem);
    }
    reading.report.request_id = request.request_id();
  }
  return reading;
}

void OutcomeService::ReadId(const std::string& decision_id, Reading& reading,
                            Violations& violations) const {
  const bool is_id = decision_id.size() == kDecisionIdDigits &&
                     std::all_of(decision_id.begin(), decision_id.end(), [](char c) {
                       return absl::ascii_isxdigit(static_cast<unsigned char>(c));
                     });
  if (!is_id) {
    violations.Add("decision_id", absl::StrCat("must be ", kDecisionIdDigits,
                                               " hexadecimal digits, as the decision's answer has "
                                               "it"));
    return;
  }
  const std::string bytes = absl::HexStringToBytes(decision_id);
  std::copy(bytes.begin(), bytes.end(), reading.report.id.begin());
  if (const auto parts = ids_.Read(reading.report.id)) {
    reading.report.decision = *parts;
    reading.genuine = true;
  }
}

std::optional<uint32_t> OutcomeService::ReadTreatment(const std::string& name,
                                                      const std::string& path, bool suggests,
                                                      Violations& violations) const {
  const auto number = options_.names->Find(storage::NameKind::kTreatment, name);
  if (number) return *number;
  std::vector<std::string_view> names;
  if (suggests) {
    for (const catalog::Treatment& treatment : options_.strategy->catalog.treatments) {
      names.push_back(treatment.name);
    }
  }
  violations.Add(path, UndeclaredName("treatment", name, names));
  return std::nullopt;
}

std::optional<uint32_t> OutcomeService::ReadChannel(const std::string& name,
                                                    Violations& violations) const {
  if (name.empty()) return std::nullopt;
  const auto number = options_.names->Find(storage::NameKind::kChannel, name);
  if (number) return *number;
  violations.Add("channel",
                 UndeclaredName("channel", name, options_.strategy->context.channels.Names()));
  return std::nullopt;
}

void OutcomeService::SetOutcome(int outcome, Reading& reading) const {
  reading.outcome = outcome;
  reading.report.outcome = options_.strategy->outcomes[outcome].number;
  reading.report.terms = options_.strategy->outcome_terms[static_cast<size_t>(outcome)];
  reading.report.without_treatment = options_.strategy->MayLackTreatment(outcome);
}

void OutcomeService::ReadValue(const Request& request, Reading& reading,
                               Violations& violations) const {
  if (!request.has_value()) return;
  const double value = request.value();
  const catalog::OutcomeTerms& terms = reading.report.terms;
  reading.report.value = value;
  if (!std::isfinite(value)) {
    violations.Add("value", "must be finite");
  } else if (value < terms.min_value || value > terms.max_value) {
    violations.Add("value",
                   absl::StrCat("must be between ", terms.min_value, " and ", terms.max_value,
                                " for ", Quoted(request.outcome()), ", not ", value));
  }
}

void OutcomeService::ReadTime(const google::protobuf::Timestamp* time, Reading& reading,
                              Violations& violations) const {
  if (const std::string problem = options_.times.ProblemOf(time); !problem.empty()) {
    violations.Add("time", problem);
    return;
  }
  if (time != nullptr) reading.report.time_us = ToUnixMicros(*time);
}

void OutcomeService::Record(absl::Span<const Reading> readings,
                            absl::Span<Answer* const> answers) const {
  std::vector<outcome::Report> reports;
  std::vector<size_t> reading_of;  // by report
  for (size_t i = 0; i < readings.size(); ++i) {
    if (!readings[i].genuine) {
      outcome::Result forged;
      forged.status = outcome::Status::kUnknownId;
      Fill(readings[i], forged, *answers[i]);
      continue;
    }
    reports.push_back(readings[i].report);
    reading_of.push_back(i);
  }
  if (reports.empty()) return;
  const auto results = writer_.RecordMany(reports, options_.strategy->history);
  for (size_t r = 0; r < results.size(); ++r) {
    const size_t i = reading_of[r];
    if (results[r].ok()) {
      Fill(readings[i], *results[r], *answers[i]);
    } else {
      options_.metrics->Count(readings[i].outcome, readings[i].report.source,
                              outcome::Status::kFailed);
      answers[i]->status = Unrecorded(results[r].status());
      LogNowAndThen("outcomes can't be recorded (attune_outcomes_total counts them as failed)",
                    results[r].status(), next_failure_log_us_);
    }
  }
}

void OutcomeService::Fill(const Reading& reading, const outcome::Result& result,
                          Answer& answer) const {
  options_.metrics->Count(reading.outcome, reading.report.source, result.status);
  if (!result.damage.ok()) {
    LogNowAndThen("a decision of which an outcome was reported can't be read", result.damage,
                  next_damage_log_us_);
  }
  answer.status = ErrorOf(reading.report, result.status);
  if (!answer.status.ok()) return;
  answer.response.set_status(static_cast<pb::OutcomeStatus>(result.status));
  if (result.first_status) {
    answer.response.set_first_status(static_cast<pb::OutcomeStatus>(*result.first_status));
  }
  if (!result.treatment) return;
  answer.response.set_treatment_id(
      std::string(options_.names->NameOf(storage::NameKind::kTreatment, *result.treatment)));
}

}  // namespace attune::service
