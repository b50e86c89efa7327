#include "service/customer_service.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/base/absl_strings.h"
#include "lib/base/text.h"
#include "lib/catalog/outcome_terms.h"
#include "lib/context/decision_request.h"
#include "lib/customer/consent.h"
#include "lib/customer/customer_record.h"

namespace attune::service {
namespace {

namespace pb = attune::v1;

constexpr int kMaxFeaturePage = 1000;
constexpr size_t kMaxRecentDecisions = 64;
constexpr size_t kMaxRecentInteractions = 64;
constexpr std::string_view kFeaturePath = "features.";

void CheckCustomerId(std::string_view field, std::string_view id, Violations& violations) {
  if (const auto problem = IdProblem(id, kMaxCustomerIdBytes)) violations.Add(field, *problem);
}

// `violations`: when they are full already, nobody will read this.
std::string UnknownFeature(const ValueSchema& features, std::string_view name,
                           const Violations& violations) {
  if (violations.full()) return "";
  return absl::StrCat("the strategy declares no feature ", Quoted(name),
                      DidYouMean(name.substr(0, kMaxNameBytes), features.Names()));
}

// What is wrong with a value for the feature; converts an int where a double is declared.
std::optional<std::string> FeatureProblem(const ValueDeclaration& feature, ValueRef& value) {
  const ValueType given = value.type();
  if (!ConvertTo(feature.type, value)) {
    return absl::StrCat("must be of type ", ToAbsl(ValueTypeName(feature.type)), ", not ",
                        ToAbsl(ValueTypeName(given)));
  }
  return context::ValueProblem(value);
}

// The last ones, at most `count`.
absl::Span<const customer::Interaction> Latest(const std::vector<customer::Interaction>& all,
                                               size_t count) {
  return absl::MakeConstSpan(all).subspan(all.size() - std::min(all.size(), count));
}

void SortByNumber(std::vector<customer::FeatureEdit>& edits) {
  std::sort(edits.begin(), edits.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
}

}  // namespace

CustomerService::CustomerService(const Options& options)
    : options_(options), writer_(options.store, options.clock, options.seed, options.observer) {}

absl::Status CustomerService::Get(const pb::CustomerServiceGetRequest& request,
                                  pb::CustomerServiceGetResponse* response,
                                  Violations& violations) const {
  CheckCustomerId("customer_id", request.customer_id(), violations);
  if (!violations.empty()) return violations.ToStatus();
  storage::Record record;
  absl::Status status = options_.store->Load(options_.store->KeyOf(request.customer_id()), record);
  if (!status.ok()) return status;
  auto state = customer::CustomerState::Parse(record, request.customer_id());
  if (!state.ok()) return state.status();
  if (!state->found()) return absl::NotFoundError("nothing is held about this customer");

  const ValueSchema& schema = strategy().features;
  std::vector<ValueRef> features(static_cast<size_t>(schema.size()));
  status = schema.Decode(state->features(), absl::MakeSpan(features));
  if (!status.ok()) return status;
  response->mutable_customer()->set_customer_id(request.customer_id());
  for (int slot = 0; slot < schema.size(); ++slot) {
    const ValueRef& value = features[static_cast<size_t>(slot)];
    if (value.known()) {
      ToProto(value, &(*response->mutable_customer()->mutable_features())[schema[slot].name]);
    }
  }
  response->set_version(record.version.number);
  if (state->features_time_us() != 0) {
    ToProto(state->features_time_us(), response->mutable_update_time());
  }
  FillHistory(*state, response);
  status = FillConsents(*state, response);
  if (!status.ok()) return status;
  response->set_decision_count(state->decision_count());
  return absl::OkStatus();
}

void CustomerService::FillHistory(const customer::CustomerState& state,
                                  pb::CustomerServiceGetResponse* response) const {
  std::vector<customer::Interaction> history = state.History();
  // Earlier versions remembered decisions for which nothing qualified.
  std::erase_if(history, [](const customer::Interaction& interaction) {
    return interaction.kind == customer::InteractionKind::kDecided && !interaction.treatment;
  });
  std::vector<customer::Interaction> decisions = history;
  std::erase_if(decisions, [](const customer::Interaction& interaction) {
    return interaction.kind != customer::InteractionKind::kDecided;
  });
  for (const customer::Interaction& interaction : Latest(decisions, kMaxRecentDecisions)) {
    const pb::Interaction shown = Show(interaction);
    pb::PastDecision* past = response->add_recent_decisions();
    *past->mutable_time() = shown.time();
    past->set_channel(shown.channel());
    past->set_treatment_id(shown.treatment_id());
  }
  for (const customer::Interaction& interaction : Latest(history, kMaxRecentInteractions)) {
    *response->add_recent_interactions() = Show(interaction);
  }
}

pb::Interaction CustomerService::Show(const customer::Interaction& interaction) const {
  const auto name = [&](storage::NameKind kind, uint32_t number) {
    return std::string(options_.names->NameOf(kind, number));
  };
  pb::Interaction shown;
  // By way of a time, which has no overflow, whatever a damaged record holds.
  ToProto(absl::ToUnixMicros(absl::FromUnixMillis(interaction.time_ms)), shown.mutable_time());
  shown.set_channel(name(storage::NameKind::kChannel, interaction.channel));
  if (interaction.treatment) {
    shown.set_treatment_id(name(storage::NameKind::kTreatment, *interaction.treatment));
  }
  shown.set_outcome(interaction.kind == customer::InteractionKind::kDecided
                        ? std::string(catalog::kDecidedName)
                        : name(storage::NameKind::kOutcome, interaction.outcome));
  return shown;
}

absl::Status CustomerService::FillConsents(const customer::CustomerState& state,
                                           pb::CustomerServiceGetResponse* response) const {
  customer::ConsentReader reader(state.consents());
  customer::Consent consent;
  while (reader.Next(consent)) {
    pb::Consent* said = response->add_consents();
    said->set_purpose(
        std::string(options_.names->NameOf(storage::NameKind::kPurpose, consent.purpose)));
    if (consent.channel) {
      said->set_channel(
          std::string(options_.names->NameOf(storage::NameKind::kChannel, *consent.channel)));
    }
    said->set_granted(consent.granted);
    said->set_source(std::string(consent.source));
    ToProto(consent.time_us, said->mutable_time());
  }
  if (!reader.ok()) return absl::DataLossError("the customer's consents are malformed");
  auto& consents = *response->mutable_consents();
  std::sort(consents.begin(), consents.end(), [](const pb::Consent& a, const pb::Consent& b) {
    return std::tie(a.purpose(), a.channel()) < std::tie(b.purpose(), b.channel());
  });
  return absl::OkStatus();
}

void CustomerService::ReadFeatures(const pb::Customer& customer, ListBuffers& lists,
                                   std::vector<customer::FeatureEdit>& edits,
                                   Violations& violations) const {
  const ValueSchema& schema = strategy().features;
  for (const auto& [name, given] : customer.features()) {
    const auto field = [&, name = std::string_view(name)] {
      return absl::StrCat("customer.features[", Quoted(name), "]");
    };
    const int slot = schema.SlotOf(name);
    if (slot < 0) {
      violations.Add(field(), UnknownFeature(schema, name, violations));
      continue;
    }
    customer::FeatureEdit edit{schema[slot].number, ToValueRef(given, lists)};
    if (edit.value) {
      if (const auto problem = FeatureProblem(schema[slot], *edit.value)) {
        violations.Add(field(), *problem);
      }
    }
    edits.push_back(edit);
  }
  SortByNumber(edits);
}

void CustomerService::ApplyMask(const pb::CustomerServiceUpsertRequest& request,
                                customer::ProfileChange& change, Violations& violations) const {
  const ValueSchema& schema = strategy().features;
  absl::flat_hash_set<uint32_t> named;
  for (int i = 0; i < request.update_mask().paths_size(); ++i) {
    const std::string& path = request.update_mask().paths(i);
    if (path == "*" || path == "features") {
      change.replace = true;
      continue;
    }
    const std::string field = absl::StrCat("update_mask.paths[", i, "]");
    if (!path.starts_with(kFeaturePath)) {
      violations.Add(field,
                     absl::StrCat("is ", Quoted(path), "; must be features.<name>, features or *"));
      continue;
    }
    const std::string_view name = std::string_view(path).substr(kFeaturePath.size());
    const int slot = schema.SlotOf(name);
    if (slot < 0) {
      violations.Add(field, UnknownFeature(schema, name, violations));
      continue;
    }
    named.insert(schema[slot].number);
  }
  // A mask without paths is what many clients send who set none.
  if (change.replace || request.update_mask().paths().empty()) return;
  std::erase_if(change.edits,
                [&](const customer::FeatureEdit& edit) { return !named.contains(edit.number); });
  for (const customer::FeatureEdit& edit : change.edits) named.erase(edit.number);
  for (const uint32_t number : named) change.edits.push_back({number, std::nullopt});
  SortByNumber(change.edits);
}

absl::Status CustomerService::Upsert(const pb::CustomerServiceUpsertRequest& request,
                                     pb::CustomerServiceUpsertResponse* response,
                                     Violations& violations) const {
  CheckCustomerId("customer.customer_id", request.customer().customer_id(), violations);
  if (!request.request_id().empty()) {
    if (const auto problem = IdProblem(request.request_id(), kMaxRequestIdBytes)) {
      violations.Add("request_id", *problem);
    }
  }
  ListBuffers lists;
  customer::ProfileChange change;
  change.customer_id = request.customer().customer_id();
  ReadFeatures(request.customer(), lists, change.edits, violations);
  ApplyMask(request, change, violations);
  if (!violations.empty()) return violations.ToStatus();
  auto result = writer_.Upsert(change, request.request_id());
  if (!result.ok()) return result.status();
  response->set_version(result->version);
  response->set_created(result->kind == customer::ProfileResult::Kind::kCreated);
  return absl::OkStatus();
}

absl::Status CustomerService::Erase(const pb::CustomerServiceEraseRequest& request,
                                    pb::CustomerServiceEraseResponse* response,
                                    Violations& violations) const {
  CheckCustomerId("customer_id", request.customer_id(), violations);
  if (!violations.empty()) return violations.ToStatus();
  const storage::CustomerKey key = options_.store->KeyOf(request.customer_id());
  const customer::ObservedWrite write(options_.observer);
  // What is written of the customer between this and the erasure counts on in what observers sum
  // up, nameless, until they read all customers again.
  storage::Record record;
  customer::CustomerState before;
  if (options_.observer != nullptr && options_.store->Load(key, record).ok()) {
    if (const auto state = customer::CustomerState::Parse(record, request.customer_id());
        state.ok()) {
      before = *state;
    }
  }
  auto erased = options_.store->Erase(key);
  if (!erased.ok()) {
    write.Uncertain();
    return erased.status();
  }
  write.Changed({.key = key,
                 .version = record.version.number,
                 // Of two who erase at once, the one who did.
                 .was_known = before.known() && erased->record,
                 .erased = true,
                 .before = before.features(),
                 .after = ""});
  response->set_erased(erased->record || erased->events > 0);
  response->set_erased_events(erased->events);
  return absl::OkStatus();
}

absl::Status CustomerService::ListFeatures(const pb::CustomerServiceListFeaturesRequest& request,
                                           pb::CustomerServiceListFeaturesResponse* response,
                                           Violations& violations) const {
  const ValueSchema& schema = strategy().features;
  int start = 0;
  if (!request.page_token().empty() &&
      (!absl::SimpleAtoi(request.page_token(), &start) || start < 0 || start > schema.size())) {
    violations.Add("page_token", "must be a next_page_token from an earlier answer");
  }
  if (request.page_size() < 0) violations.Add("page_size", "must not be negative");
  if (!violations.empty()) return violations.ToStatus();
  const int wanted = request.page_size() == 0 ? kMaxFeaturePage : request.page_size();
  const int end = std::min(schema.size(), start + std::min(wanted, kMaxFeaturePage));
  for (int slot = start; slot < end; ++slot) {
    const ValueDeclaration& declaration = schema[slot];
    pb::Feature* feature = response->add_features();
    feature->set_name(declaration.name);
    feature->set_type(std::string(ValueTypeName(declaration.type)));
    ToProto(declaration.default_value.ref(), feature->mutable_default_value());
    feature->set_description(declaration.description);
    feature->set_protected_(declaration.is_protected);
  }
  if (end < schema.size()) response->set_next_page_token(absl::StrCat(end));
  response->set_strategy_version(options_.strategy_version ? options_.strategy_version()
                                                           : strategy().version);
  return absl::OkStatus();
}

absl::Status CustomerService::Batch::SetColumns(
    const pb::CustomerServiceBatchUpsertRequest& message, Violations& violations) {
  const ValueSchema& schema = service_.strategy().features;
  columns_.clear();
  absl::flat_hash_set<int> seen;
  for (int i = 0; i < message.feature_names_size(); ++i) {
    const std::string field = absl::StrCat("feature_names[", i, "]");
    const int slot = schema.SlotOf(message.feature_names(i));
    if (slot < 0) {
      violations.Add(field, UnknownFeature(schema, message.feature_names(i), violations));
    } else if (!seen.insert(slot).second) {
      violations.Add(field, absl::StrCat("names ", Quoted(message.feature_names(i)), " again"));
    } else {
      columns_.push_back({slot, static_cast<size_t>(i)});
    }
  }
  if (!violations.empty()) return violations.ToStatus();
  std::sort(columns_.begin(), columns_.end(), [&](const Column& a, const Column& b) {
    return schema[a.slot].number < schema[b.slot].number;
  });
  column_count_ = static_cast<size_t>(message.feature_names_size());
  has_columns_ = true;
  return absl::OkStatus();
}

std::string CustomerService::Batch::ReadRow(const pb::CustomerRow& row,
                                            customer::ProfileChange& change) {
  change.customer_id = row.customer_id();
  change.edits.clear();
  change.replace = false;
  if (const auto problem = IdProblem(row.customer_id(), kMaxCustomerIdBytes)) {
    return absl::StrCat("customer_id ", *problem);
  }
  if (static_cast<size_t>(row.values_size()) != column_count_) {
    return absl::StrCat("has ", row.values_size(), " values; ", column_count_,
                        " features were named");
  }
  const ValueSchema& schema = service_.strategy().features;
  for (const Column& column : columns_) {
    std::optional<ValueRef> value = ToValueRef(row.values(static_cast<int>(column.value)), lists_);
    if (!value) continue;
    const ValueDeclaration& feature = schema[column.slot];
    if (const auto problem = FeatureProblem(feature, *value)) {
      return absl::StrCat(feature.name, " ", *problem);
    }
    change.edits.push_back({feature.number, *value});
  }
  return "";
}

absl::Status CustomerService::Batch::Add(const pb::CustomerServiceBatchUpsertRequest& message,
                                         Violations& violations) {
  if (message.feature_names_size() > 0) {
    if (absl::Status status = SetColumns(message, violations); !status.ok()) return status;
  } else if (!has_columns_) {
    violations.Add("feature_names", "is required in the first message");
  }
  CheckRowCount(message.rows_size(), violations);
  if (!violations.empty()) return violations.ToStatus();
  lists_.clear();
  rows_.ReadAll(message.rows(), [&](const pb::CustomerRow& row, customer::ProfileChange& change) {
    return ReadRow(row, change);
  });
  pb::CustomerServiceBatchUpsertResponse& counts = rows_.response();
  return rows_.Take(service_.writer_.UpsertMany(rows_.changes()),
                    [&](const customer::ProfileResult& result) {
                      switch (result.kind) {
                        case customer::ProfileResult::Kind::kCreated:
                          counts.set_created(counts.created() + 1);
                          break;
                        case customer::ProfileResult::Kind::kUpdated:
                          counts.set_updated(counts.updated() + 1);
                          break;
                        case customer::ProfileResult::Kind::kUnchanged:
                          counts.set_unchanged(counts.unchanged() + 1);
                          break;
                      }
                    });
}

absl::Status CustomerService::Batch::Finish(pb::CustomerServiceBatchUpsertResponse* response) {
  if (absl::Status status = service_.options_.store->Sync(); !status.ok()) return status;
  *response = rows_.response();
  return absl::OkStatus();
}

}  // namespace attune::service
