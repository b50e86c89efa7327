#include "service/decision_service.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "lib/base/text.h"
#include "lib/decision/explanation.h"

namespace attune::service {
namespace {

namespace pb = attune::v1;

// Workspaces kept for the next decisions; as many as decide at the same time are enough.
constexpr size_t kMaxIdleWorkspaces = 64;

struct DegradationName {
  uint32_t bit;
  const char* name;
};
constexpr DegradationName kDegradations[] = {
    {decision::kCustomerUnavailable, "customer_unavailable"},
    {decision::kNotRemembered, "not_remembered"},
    {decision::kScoreNotFinite, "score_not_finite"},
};

void FillRanked(const strategy::Strategy& strategy, const context::DecisionContext& context,
                const decision::Decision& decision, const arbitration::RankedTreatment& ranked,
                pb::RankedTreatment* out) {
  const catalog::Treatment& treatment =
      strategy.catalog.treatments[static_cast<size_t>(ranked.treatment)];
  out->set_treatment_id(treatment.name);
  out->set_group(strategy.catalog.groups[static_cast<size_t>(treatment.group)].name);
  for (const auto& [name, text] : *treatment.content[static_cast<size_t>(context.channel)]) {
    (*out->mutable_content())[name] = text;
  }
  out->set_propensity(
      decision.result.scored.scored[static_cast<size_t>(ranked.scored)].propensity);
  out->set_value(treatment.value);
  out->set_cost(treatment.cost);
  out->set_context_weight(ranked.context_weight);
  out->set_priority(ranked.priority);
  out->set_model_version(strategy.models.models[static_cast<size_t>(treatment.model)].version);
}

void FillRejected(const strategy::Strategy& strategy, const context::DecisionContext& context,
                  const decision::Decision& decision, pb::DecideResponse* response) {
  std::vector<candidates::Rejection> rejections;
  decision.result.ForEachRejection(
      [&](const candidates::Rejection& rejection) { rejections.push_back(rejection); });
  std::sort(rejections.begin(), rejections.end(),
            [](const auto& a, const auto& b) { return a.treatment < b.treatment; });
  const auto& scored = decision.result.scored.scored;
  auto score = scored.begin();
  for (const candidates::Rejection& rejection : rejections) {
    const catalog::Treatment& treatment =
        strategy.catalog.treatments[static_cast<size_t>(rejection.treatment)];
    pb::RejectedTreatment* out = response->add_rejected_treatments();
    out->set_treatment_id(treatment.name);
    out->set_group(strategy.catalog.groups[static_cast<size_t>(treatment.group)].name);
    out->set_stage(std::string(candidates::ReasonStage(rejection.reason)));
    out->set_reason(std::string(candidates::ReasonName(rejection.reason)));
    out->set_detail(decision::ExplainRejection(strategy, context, decision, rejection));
    while (score != scored.end() && score->treatment < rejection.treatment) ++score;
    if (score != scored.end() && score->treatment == rejection.treatment) {
      out->set_propensity(score->propensity);
      out->set_priority(
          decision.result.arbitration.priority[static_cast<size_t>(score - scored.begin())]);
    }
  }
}

}  // namespace

void FillResponse(const strategy::Strategy& strategy, const context::DecisionContext& context,
                  const decision::Decision& decision, bool explain,
                  pb::DecideResponse* response) {
  response->set_decision_id(absl::BytesToHexString(
      {reinterpret_cast<const char*>(decision.id.data()), decision.id.size()}));
  response->set_strategy_version(strategy.version);
  ToProto(context.time_us, response->mutable_time());
  for (const arbitration::RankedTreatment& ranked : decision.result.arbitration.ranked) {
    pb::RankedTreatment* out = response->add_treatments();
    FillRanked(strategy, context, decision, ranked, out);
    if (!explain) continue;
    for (std::string& reason : decision::ExplainRanked(strategy, context, decision, ranked)) {
      out->add_reasons(std::move(reason));
    }
  }
  const auto counts = decision.result.RejectedCounts();
  for (const candidates::Reason reason : candidates::kAllReasons) {
    const int count = counts[static_cast<size_t>(reason)];
    if (count == 0) continue;
    pb::RejectedCount* out = response->add_rejected_counts();
    const std::string_view stage = candidates::ReasonStage(reason);
    const std::string_view name = candidates::ReasonName(reason);
    out->set_stage(stage.data(), stage.size());
    out->set_reason(name.data(), name.size());
    out->set_count(count);
  }
  if (explain) FillRejected(strategy, context, decision, response);
  response->set_degraded(decision.degradation != 0);
  for (const DegradationName& degradation : kDegradations) {
    if (decision.degradation & degradation.bit) response->add_degraded_reasons(degradation.name);
  }
  response->set_unknown_customer(decision.unknown_customer);
}

DecisionService::DecisionService(const Options& options)
    : options_(options), decider_(options.store, options.seed) {}

std::unique_ptr<DecisionService::Workspace> DecisionService::TakeWorkspace() {
  {
    MutexLock lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Workspace> workspace = std::move(idle_.back());
      idle_.pop_back();
      return workspace;
    }
  }
  return std::make_unique<Workspace>();
}

void DecisionService::ReturnWorkspace(std::unique_ptr<Workspace> workspace) {
  MutexLock lock(mutex_);
  if (idle_.size() < kMaxIdleWorkspaces) idle_.push_back(std::move(workspace));
}

absl::Status DecisionService::Decide(const pb::DecideRequest& request,
                                     pb::DecideResponse* response, Violations& violations) {
  std::unique_ptr<Workspace> workspace = TakeWorkspace();
  absl::Status status = DecideWith(request, *workspace, response, violations);
  ReturnWorkspace(std::move(workspace));
  return status;
}

void DecisionService::FillRequest(const pb::DecideRequest& request, Workspace& workspace,
                                  Violations& violations) const {
  context::DecisionRequest& out = workspace.request;
  out.Clear();
  workspace.lists.clear();
  out.customer_id = request.customer_id();
  out.channel = request.channel();
  out.intent = request.intent();
  out.request_id = request.request_id();
  out.max_treatments = request.max_treatments();
  if (request.has_time()) out.time = ToTime(request.time());
  for (const std::string& treatment : request.treatment_ids()) {
    out.treatment_ids.push_back(treatment);
  }
  for (const auto& [name, value] : request.attributes()) {
    if (const auto converted = ToValueRef(value, workspace.lists)) {
      out.attributes.emplace_back(name, *converted);
    } else {
      violations.Add(absl::StrCat("attributes[", Quoted(name), "]"), "has no value; set one kind");
    }
  }
}

absl::Status DecisionService::DecideWith(const pb::DecideRequest& request, Workspace& workspace,
                                         pb::DecideResponse* response, Violations& violations) {
  const auto start = std::chrono::steady_clock::now();
  const strategy::Strategy& strategy = *options_.strategy;
  const context::DecisionContext& context = workspace.context;
  FillRequest(request, workspace, violations);
  if (options_.replay_clock != nullptr && workspace.request.time &&
      context::IsDecidable(*workspace.request.time)) {
    options_.replay_clock->AdvanceTo(*workspace.request.time);
  }
  const auto find_treatment = [&](std::string_view name) { return strategy.catalog.Find(name); };
  const context::RequestRules rules{
      .schema = strategy.context,
      .find_treatment = find_treatment,
      .default_max_treatments = strategy.arbitration.max_treatments,
      .now = options_.clock->Now(),
      .max_clock_skew = options_.max_clock_skew,
  };
  context::NormaliseRequest(workspace.request, rules, workspace.context, violations);
  if (!violations.empty()) return violations.ToStatus();
  const auto context_nanos = std::chrono::steady_clock::now() - start;

  decision::DecideOptions decide;
  decide.dry_run = request.dry_run();
  decide.request_id = workspace.request.request_id;
  decide.time_given = request.has_time();
  decide.explain = request.explain();
  const auto encode_answer = [&](const decision::Decision& decision, std::string* bytes) {
    pb::DecideResponse answer;
    FillResponse(strategy, context, decision, request.explain(), &answer);
    answer.SerializeToString(bytes);
  };
  decision::Decision& decision = workspace.decision;
  const absl::Status status =
      decider_.Decide(strategy, context, decide, encode_answer, decision);
  if (!status.ok()) return status;
  if (decision.answered_before) {
    options_.metrics->CountAnsweredAgain();
    if (response->ParseFromString(decision.stored_answer)) return absl::OkStatus();
    return absl::DataLossError("the earlier answer to this request_id is damaged; use a new one");
  }
  decision.times.nanos[static_cast<size_t>(decision::Stage::kContext)] =
      std::chrono::nanoseconds(context_nanos).count();
  FillResponse(strategy, context, decision, request.explain(), response);
  options_.metrics->Count(context, decision);
  if (decide.dry_run) options_.metrics->CountDryRun();
  return absl::OkStatus();
}

}  // namespace attune::service
