#include "service/history_service.h"

#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/catalog/outcome_terms.h"
#include "service/reported_times.h"
#include "service/value_conversion.h"

namespace attune::service {
namespace {

namespace pb = attune::v1;

// So many refused rows of a batch get a "did you mean", which looks at every name.
constexpr int64_t kMaxSuggestions = 100;

std::string Path(std::string_view path, std::string_view field) {
  return absl::StrCat(ToAbsl(path), ToAbsl(field));
}

// `names` are what it may have been meant to be.
std::string UnknownName(std::string_view what, std::string_view name,
                        const std::vector<std::string_view>& names) {
  if (name.empty()) return absl::StrCat("is required: one of the strategy's ", ToAbsl(what), "s");
  return absl::StrCat("is ", Quoted(name), ", which is no ", ToAbsl(what), " of the strategy",
                      DidYouMean(name.substr(0, kMaxNameBytes), names));
}

std::vector<std::string_view> PurposeNames(const catalog::Catalog& catalog) {
  std::vector<std::string_view> names;
  for (const catalog::Purpose& purpose : catalog.purposes) names.push_back(purpose.name);
  return names;
}

std::vector<std::string_view> TreatmentNames(const catalog::Catalog& catalog) {
  std::vector<std::string_view> names;
  for (const catalog::Treatment& treatment : catalog.treatments) names.push_back(treatment.name);
  return names;
}

const catalog::Purpose* FindPurpose(const catalog::Catalog& catalog, std::string_view name) {
  for (const catalog::Purpose& purpose : catalog.purposes) {
    if (purpose.name == name) return &purpose;
  }
  return nullptr;
}

void CheckIds(std::string_view customer_id, std::string_view request_id, Violations& violations) {
  if (const auto problem = IdProblem(customer_id, kMaxCustomerIdBytes)) {
    violations.Add("customer_id", *problem);
  }
  if (request_id.empty()) return;
  if (const auto problem = IdProblem(request_id, kMaxRequestIdBytes)) {
    violations.Add("request_id", *problem);
  }
}

}  // namespace

void HistoryService::CheckTime(std::string_view path, const google::protobuf::Timestamp* time,
                               Violations& violations) const {
  const ReportedTimes times{options_.clock, options_.max_clock_skew, options_.clock_not_set};
  if (const std::string problem = times.ProblemOf(time); !problem.empty()) {
    violations.Add(Path(path, "time"), problem);
  }
}

uint32_t HistoryService::ReadChannel(std::string_view name, const Place& place,
                                     Violations& violations) const {
  if (const auto number = options_.names->Find(storage::NameKind::kChannel, name)) return *number;
  violations.Add(Path(place.path, "channel"),
                 UnknownName("channel", name, options_.strategy->context.channels.Names()));
  return 0;
}

uint32_t HistoryService::ReadTreatment(std::string_view name, const Place& place,
                                       Violations& violations) const {
  if (const auto number = options_.names->Find(storage::NameKind::kTreatment, name)) return *number;
  // There may be thousands, so not for what nobody will read.
  const bool suggests = place.suggests && !violations.full() && !name.empty();
  violations.Add(Path(place.path, "treatment_id"),
                 UnknownName("treatment", name,
                             suggests ? TreatmentNames(options_.strategy->catalog)
                                      : std::vector<std::string_view>()));
  return 0;
}

customer::Interaction HistoryService::ReadInteraction(const pb::Interaction& interaction,
                                                      const Place& place,
                                                      Violations& violations) const {
  customer::Interaction read;
  read.kind = customer::InteractionKind::kOutcome;
  read.time_ms = customer::kTimeOfRecording;
  if (place.needs_time && !interaction.has_time()) {
    violations.Add(Path(place.path, "time"), "is required, so that repeating a batch is harmless");
  } else {
    CheckTime(place.path, interaction.has_time() ? &interaction.time() : nullptr, violations);
  }
  if (interaction.has_time()) read.time_ms = absl::ToUnixMillis(ToTime(interaction.time()));
  read.channel = ReadChannel(interaction.channel(), place, violations);
  const context::NameTable& outcomes = options_.strategy->outcomes;
  const int outcome = outcomes.IndexOf(interaction.outcome());
  if (!interaction.treatment_id().empty() || !options_.strategy->MayLackTreatment(outcome)) {
    read.treatment = ReadTreatment(interaction.treatment_id(), place, violations);
  }
  if (outcome >= 0) {
    read.outcome = outcomes[outcome].number;
  } else if (interaction.outcome() == catalog::kDecidedName) {
    violations.Add(Path(place.path, "outcome"),
                   "is \"decided\", which decisions record themselves; say what became of it");
  } else {
    violations.Add(Path(place.path, "outcome"),
                   UnknownName("outcome", interaction.outcome(), outcomes.Names()));
  }
  return read;
}

absl::Status HistoryService::SetConsent(const pb::CustomerServiceSetConsentRequest& request,
                                        pb::CustomerServiceSetConsentResponse* response,
                                        Violations& violations) const {
  const catalog::Catalog& catalog = options_.strategy->catalog;
  const context::NameTable& channels = options_.strategy->context.channels;
  CheckIds(request.customer_id(), request.request_id(), violations);
  customer::ConsentChange change;
  change.customer_id = request.customer_id();
  customer::Consent& said = change.said;
  if (const catalog::Purpose* purpose = FindPurpose(catalog, request.purpose())) {
    said.purpose = purpose->number;
  } else {
    violations.Add("purpose", UnknownName("purpose", request.purpose(), PurposeNames(catalog)));
  }
  if (!request.channel().empty()) {
    const int channel = channels.IndexOf(request.channel());
    if (channel >= 0) {
      said.channel = channels[channel].number;
    } else {
      violations.Add("channel", UnknownName("channel", request.channel(), channels.Names()));
    }
  }
  if (!request.has_granted()) {
    violations.Add("granted", "is required: true when the customer said yes, false for no");
  }
  said.granted = request.granted();
  said.source = request.source();
  if (const auto problem = IdProblem(said.source, customer::kMaxConsentSourceBytes)) {
    violations.Add("source", *problem);
  }
  CheckTime("", request.has_time() ? &request.time() : nullptr, violations);
  said.time_us = request.has_time() ? ToUnixMicros(request.time()) : customer::kTimeOfRecording;
  if (!violations.empty()) return violations.ToStatus();
  const auto result = writer_.SetConsent(change, request.request_id());
  if (!result.ok()) return result.status();
  response->set_changed(result->changed);
  response->set_version(result->version);
  return absl::OkStatus();
}

absl::Status HistoryService::RecordInteractions(
    const pb::CustomerServiceRecordInteractionsRequest& request,
    pb::CustomerServiceRecordInteractionsResponse* response, Violations& violations) const {
  CheckIds(request.customer_id(), request.request_id(), violations);
  customer::HistoryChange change;
  change.customer_id = request.customer_id();
  if (request.interactions().empty()) violations.Add("interactions", "needs at least one");
  if (request.interactions_size() > kMaxInteractionsPerRequest) {
    violations.Add("interactions",
                   absl::StrCat("has ", request.interactions_size(), " entries; at most ",
                                kMaxInteractionsPerRequest,
                                " are allowed; use BatchRecordInteractions for more"));
  } else {
    for (int i = 0; i < request.interactions_size(); ++i) {
      const std::string path = absl::StrCat("interactions[", i, "].");
      change.interactions.push_back(
          ReadInteraction(request.interactions(i), {.path = path}, violations));
    }
  }
  if (!violations.empty()) return violations.ToStatus();
  const auto result =
      writer_.RecordInteractions(change, options_.strategy->history, request.request_id());
  if (!result.ok()) return result.status();
  response->set_recorded(result->recorded);
  response->set_already_known(result->already_known);
  response->set_too_old(result->too_old);
  response->set_version(result->version);
  return absl::OkStatus();
}

std::string HistoryService::Batch::ReadRow(const pb::InteractionRow& row,
                                           customer::HistoryChange& change) {
  change.customer_id = row.customer_id();
  change.interactions.clear();
  if (const auto problem = IdProblem(row.customer_id(), kMaxCustomerIdBytes)) {
    return absl::StrCat("customer_id ", *problem);
  }
  Violations violations;
  const Place place = {
      .path = "", .needs_time = true, .suggests = rows_.response().rejected() < kMaxSuggestions};
  change.interactions.push_back(service_.ReadInteraction(row.interaction(), place, violations));
  if (violations.empty()) return "";
  const Violations::Violation& first = violations.kept().front();
  return absl::StrCat(first.field, " ", first.description);
}

absl::Status HistoryService::Batch::Add(
    const pb::CustomerServiceBatchRecordInteractionsRequest& message, Violations& violations) {
  CheckRowCount(message.rows_size(), violations);
  if (!violations.empty()) return violations.ToStatus();
  rows_.ReadAll(message.rows(),
                [&](const pb::InteractionRow& row, customer::HistoryChange& change) {
                  return ReadRow(row, change);
                });
  pb::CustomerServiceBatchRecordInteractionsResponse& counts = rows_.response();
  return rows_.Take(
      service_.writer_.RecordMany(rows_.changes(), service_.options_.strategy->history),
      [&](const customer::HistoryResult& result) {
        counts.set_recorded(counts.recorded() + result.recorded);
        counts.set_already_known(counts.already_known() + result.already_known);
        counts.set_too_old(counts.too_old() + result.too_old);
      });
}

absl::Status HistoryService::Batch::Finish(
    pb::CustomerServiceBatchRecordInteractionsResponse* response) {
  if (absl::Status status = service_.options_.store->Sync(); !status.ok()) return status;
  *response = rows_.response();
  return absl::OkStatus();
}

}  // namespace attune::service
