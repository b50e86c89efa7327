#include "service/model_service.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lib/base/absl_strings.h"
#include "lib/base/hash.h"
#include "lib/base/text.h"
#include "lib/strategy/model_file.h"
#include "lib/strategy/strategy_sources.h"
#include "lib/trees/model_reader.h"
#include "service/model_health_answer.h"
#include "service/value_conversion.h"

namespace attune::service {
namespace {

namespace pb = attune::v1;
using registry::ModelVersion;
using registry::RegistryState;

constexpr int kDefaultPage = 100;
constexpr int kMaxModelsPage = 1000;

void ToProto(const ModelVersion& version, const RegistryState& state, pb::ModelVersion* out) {
  out->set_name(version.name);
  out->set_hash(version.hash);
  out->set_version(version.version());
  out->set_kind(version.kind);
  out->set_file(version.file);
  out->set_size_bytes(static_cast<int64_t>(version.bytes));
  service::ToProto(version.time_us, out->mutable_time());
  out->set_by(version.by);
  out->set_comment(version.comment);
  out->set_active(state.IsActive(version));
  out->set_in_use(state.IsUsed(version, /*current_only=*/true));
}

// Checks which model is meant; the name and the hash are two fields.
void CheckModel(const std::string& name, const std::string& hash, bool needs_hash,
                Violations& violations) {
  if (!IsName(name)) {
    violations.Add("name", absl::StrCat("is ", Quoted(name), "; it must be lower_snake: a letter ",
                                        "a-z, then letters, digits and underscores, at most ",
                                        kMaxNameBytes, " bytes"));
  }
  if (hash.empty() && needs_hash) {
    violations.Add("hash", "is required: at least the first 12 digits of the version's hash");
  }
  if (!hash.empty() && !registry::ParseModelName("m@" + hash).ok()) {
    violations.Add("hash", "must have 12 to 64 digits 0-9 and a-f");
  }
}

// A part of a list. The token of a page is how many elements come before it.
struct ModelsPage {
  size_t first = 0;
  size_t size = 0;
};

template <typename Request>
ModelsPage ReadModelsPage(const Request& request, Violations& violations) {
  if (request.page_size() < 0) violations.Add("page_size", "must not be negative");
  ModelsPage page;
  page.size = static_cast<size_t>(
      std::min(request.page_size() > 0 ? request.page_size() : kDefaultPage, kMaxModelsPage));
  if (!request.page_token().empty() && !absl::SimpleAtoi(request.page_token(), &page.first)) {
    violations.Add("page_token", "must be a next_page_token from an earlier answer");
  }
  return page;
}

void CheckOptionalText(std::string_view field, std::string_view text, size_t max_bytes,
                       Violations& violations) {
  if (text.empty()) return;
  if (const auto problem = IdProblem(text, max_bytes)) violations.Add(field, *problem);
}

// Copies what a change did into the answer.
template <typename Response>
void ToProto(const ActiveStrategy::Change& change, const RegistryState& state, Response* response) {
  ToProto(change.model, state, response->mutable_model());
  response->set_changed(change.changed);
  response->set_swapped(change.swapped);
  response->set_strategy_version(change.strategy_version);
}

void ToProto(const trees::TreeEnsemble& trees, pb::TreeModelDetails* out) {
  const trees::ModelInfo& info = trees.info();
  out->set_library(info.library);
  out->set_library_version(info.version);
  out->set_booster(info.booster);
  out->set_objective(info.objective);
  out->set_trees(static_cast<int64_t>(info.trees));
  out->set_trees_in_file(static_cast<int64_t>(info.trees_in_file));
  out->set_predictions(static_cast<int64_t>(trees.outputs()));
  out->set_raw_scores(static_cast<int64_t>(trees.raw_outputs()));
  for (size_t i = 0; i < info.features.size(); ++i) {
    pb::ModelFeature* feature = out->add_features();
    feature->set_name(info.features[i]);
    feature->set_categorical(trees.IsCategorical(i));
  }
}

}  // namespace

absl::Status ModelService::ListModels(const pb::ModelServiceListModelsRequest& request,
                                      pb::ModelServiceListModelsResponse* response,
                                      Violations& violations) const {
  if (!request.name().empty()) CheckModel(request.name(), "", false, violations);
  const auto [first, page_size] = ReadModelsPage(request, violations);
  if (!violations.empty()) return violations.ToStatus();
  const auto state = options_.registry->state();
  std::vector<const ModelVersion*> listed;
  for (const std::string& name : state->Names()) {
    if (!request.name().empty() && name != request.name()) continue;
    const std::vector<const ModelVersion*> versions = state->VersionsOf(name);
    listed.insert(listed.end(), versions.rbegin(), versions.rend());
  }
  const size_t end = std::min(listed.size(), first + std::min(page_size, listed.size()));
  for (size_t i = first; i < end; ++i) ToProto(*listed[i], *state, response->add_models());
  if (end < listed.size()) response->set_next_page_token(absl::StrCat(end));
  response->set_total_size(static_cast<int>(listed.size()));
  response->set_total_bytes(static_cast<int64_t>(state->bytes()));
  return absl::OkStatus();
}

absl::Status ModelService::GetModel(const pb::ModelServiceGetModelRequest& request,
                                    pb::ModelServiceGetModelResponse* response,
                                    Violations& violations) const {
  CheckModel(request.name(), request.hash(), false, violations);
  if (!violations.empty()) return violations.ToStatus();
  const auto state = options_.registry->state();
  const auto version = state->Find(request.name(), request.hash());
  if (!version.ok()) return version.status();
  ToProto(**version, *state, response->mutable_model());
  const absl::StatusOr<std::string> bytes = options_.registry->Read(**version);
  if (!bytes.ok()) return bytes.status();
  const auto content = strategy::ReadContent((*version)->file, *bytes);
  if (!content.ok()) return content.status();
  if ((*content)->trees != nullptr) ToProto(*(*content)->trees, response->mutable_trees());
  return absl::OkStatus();
}

absl::Status ModelService::DownloadModel(const pb::ModelServiceDownloadModelRequest& request,
                                         pb::ModelServiceDownloadModelResponse* response,
                                         Violations& violations) const {
  CheckModel(request.name(), request.hash(), false, violations);
  if (request.offset() < 0) violations.Add("offset", "must not be negative");
  if (!violations.empty()) return violations.ToStatus();
  const auto state = options_.registry->state();
  const auto version = state->Find(request.name(), request.hash());
  if (!version.ok()) return version.status();
  ToProto(**version, *state, response->mutable_model());
  absl::StatusOr<std::string> part = options_.registry->ReadPart(
      **version, static_cast<uint64_t>(request.offset()), kDownloadBytes);
  if (!part.ok()) return part.status();
  response->set_content(*std::move(part));
  return absl::OkStatus();
}

absl::Status ModelService::ActivateModel(const pb::ModelServiceActivateModelRequest& request,
                                         pb::ModelServiceActivateModelResponse* response,
                                         Violations& violations) const {
  CheckModel(request.name(), request.hash(), true, violations);
  if (!violations.empty()) return violations.ToStatus();
  const auto change = options_.active->Activate(request.name(), request.hash(), violations);
  if (!change.ok()) return change.status();
  ToProto(*change, *options_.registry->state(), response);
  return absl::OkStatus();
}

absl::Status ModelService::GetHealth(const pb::ModelServiceGetHealthRequest& request,
                                     pb::ModelServiceGetHealthResponse* response,
                                     Violations& violations) const {
  CheckModel(request.name(), "", false, violations);
  if (!violations.empty()) return violations.ToStatus();
  LearnerReport report;
  if (options_.learner != nullptr) report = options_.learner->Report();
  std::vector<std::string> names;
  for (size_t i = 0; i < report.models.size(); ++i) {
    names.push_back(report.models[i].name);
    if (names.back() != request.name()) continue;
    FillModelHealth(*options_.active->strategy(), report, i, options_.learner->Rates(), response);
    return absl::OkStatus();
  }
  return absl::NotFoundError(absl::StrCat("the strategy has no adaptive model ",
                                          Quoted(request.name()),
                                          Suggestion(request.name(), names)));
}

absl::Status ModelService::ListRates(const pb::ModelServiceListRatesRequest& request,
                                     pb::ModelServiceListRatesResponse* response,
                                     Violations& violations) const {
  const auto strategy = options_.active->strategy();
  std::vector<std::string> treatments;
  for (const catalog::Treatment& treatment : strategy->catalog.treatments) {
    treatments.push_back(treatment.name);
  }
  std::vector<std::string> channels;
  channels.reserve(static_cast<size_t>(strategy->context.channels.size()));
  for (int i = 0; i < strategy->context.channels.size(); ++i) {
    channels.push_back(strategy->context.channels[i].name);
  }
  const auto check = [&](std::string_view field, std::string_view noun, const std::string& name,
                         const std::vector<std::string>& known) {
    if (name.empty() || std::find(known.begin(), known.end(), name) != known.end()) return;
    violations.Add(field, absl::StrCat("the strategy has no ", ToAbsl(noun), " ", Quoted(name),
                                       Suggestion(name, known)));
  };
  check("treatment_id", "treatment", request.treatment_id(), treatments);
  check("channel", "channel", request.channel(), channels);
  auto [first, page_size] = ReadModelsPage(request, violations);
  if (!violations.empty()) return violations.ToStatus();
  if (options_.learner == nullptr) {
    return absl::FailedPreconditionError(
        "the strategy has no learning, so no success rates are counted; add learning to it");
  }
  std::vector<RateReport> rates = options_.learner->Rates();
  std::erase_if(rates, [&](const RateReport& rate) {
    const std::string& treatment = treatments[static_cast<size_t>(rate.treatment)];
    const std::string& channel = channels[static_cast<size_t>(rate.channel)];
    return (!request.treatment_id().empty() && treatment != request.treatment_id()) ||
           (!request.channel().empty() && channel != request.channel());
  });
  first = std::min(first, rates.size());
  const size_t end = first + std::min(page_size, rates.size() - first);
  for (size_t i = first; i < end; ++i) FillRate(*strategy, rates[i], response->add_rates());
  if (end < rates.size()) response->set_next_page_token(absl::StrCat(end));
  response->set_total_size(static_cast<int>(rates.size()));
  response->set_currency(strategy->currency);
  return absl::OkStatus();
}

absl::Status ModelService::DeleteModel(const pb::ModelServiceDeleteModelRequest& request,
                                       pb::ModelServiceDeleteModelResponse*,
                                       Violations& violations) const {
  CheckModel(request.name(), request.hash(), false, violations);
  if (!violations.empty()) return violations.ToStatus();
  return options_.active->Delete(request.name(), request.hash());
}

ModelService::Upload::Upload(const ModelService* service)
    : service_(*service), has_place_(service_.uploads_.fetch_add(1) < kMaxUploads) {}

ModelService::Upload::~Upload() { service_.uploads_.fetch_sub(1); }

absl::Status ModelService::Upload::Begin(const pb::ModelHeader& header, Violations& violations) {
  CheckModel(header.name(), "", false, violations);
  if (const auto problem = IdProblem(header.file(), registry::kMaxFileBytes)) {
    violations.Add("file", *problem);
  }
  const auto max_bytes = static_cast<int64_t>(strategy::MaxModelFileBytes(header.file()));
  if (header.size_bytes() <= 0) {
    violations.Add("size_bytes", "is required, and more than 0: how many bytes will follow");
  } else if (header.size_bytes() > max_bytes) {
    violations.Add("size_bytes", absl::StrCat("is ", header.size_bytes(), "; at most ", max_bytes,
                                              " are allowed"));
  }
  if (!header.hash().empty() && (header.hash().size() != kFullHashDigits ||
                                 !registry::ParseModelName("m@" + header.hash()).ok())) {
    violations.Add("hash", "must have 64 digits 0-9 and a-f: the BLAKE2b-256 of the content");
  }
  CheckOptionalText("by", header.by(), registry::kMaxByBytes, violations);
  CheckOptionalText("comment", header.comment(), registry::kMaxCommentBytes, violations);
  if (!violations.empty()) return violations.ToStatus();
  header_ = header;
  return absl::OkStatus();
}

absl::Status ModelService::Upload::Add(const pb::ModelServicePutModelRequest& message,
                                       Violations& violations) {
  if (!has_place_) {
    return absl::ResourceExhaustedError(
        absl::StrCat(kMaxUploads, " models are being put at this moment, as many as may; retry"));
  }
  if (message.has_header() == header_.has_value()) {
    violations.Add("piece", header_ ? "is a second header; the content follows the first one"
                                    : "must be a header in the first message");
    return violations.ToStatus();
  }
  if (message.has_header()) return Begin(message.header(), violations);
  const auto size = static_cast<size_t>(header_->size_bytes());
  if (message.content().size() > size - content_.size()) {
    violations.Add("content", absl::StrCat("is longer than the ", size, " bytes of size_bytes"));
    return violations.ToStatus();
  }
  content_ += message.content();
  return absl::OkStatus();
}

absl::Status ModelService::Upload::Finish(pb::ModelServicePutModelResponse* response,
                                          Violations& violations) {
  if (!header_) {
    violations.Add("piece", "must be a header in the first message; none came");
  } else if (std::ssize(content_) != header_->size_bytes()) {
    violations.Add("content", absl::StrCat("has ", content_.size(), " bytes of the ",
                                           header_->size_bytes(), " of size_bytes"));
  } else if (!header_->hash().empty() &&
             ContentHash(content_, kFullHashDigits) != header_->hash()) {
    violations.Add("hash", "is not that of the content that came: it was damaged on the way");
  }
  if (!violations.empty()) return violations.ToStatus();
  ModelVersion version;
  version.name = header_->name();
  version.file = header_->file();
  version.time_us = absl::ToUnixMicros(service_.options_.clock->Now());
  version.by = header_->by();
  version.comment = header_->comment();
  const auto change = service_.options_.active->Put(std::move(version), content_,
                                                    header_->store_only(), violations);
  if (!change.ok()) return change.status();
  ToProto(*change, *service_.options_.registry->state(), response);
  return absl::OkStatus();
}

}  // namespace attune::service
