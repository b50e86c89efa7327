#include "service/decision_service.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/base/text.h"
#include "lib/decision/warm_up.h"
#include "spdlog/spdlog.h"

namespace attune::service {
namespace {

namespace pb = attune::v1;

// Workspaces kept for the next decisions; as many as decide at the same time are enough.
constexpr size_t kMaxIdleWorkspaces = 64;
// One that a long explanation has made larger isn't kept.
constexpr size_t kMaxIdleBytes = 256 << 10;
// Channels that a decision left open times treatments: beyond that the memory of the channels is
// given back.
constexpr size_t kMaxIdleCandidates = 16 << 10;
constexpr int64_t kLogPeriodUs = 1'000'000;

bool HasWaitingModel(const strategy::Strategy& strategy) {
  const auto& models = strategy.models.models;
  return std::any_of(models.begin(), models.end(),
                     [](const scoring::NamedModel& model) { return model.model->Waits(); });
}

absl::Status DamagedAnswer() {
  return absl::DataLossError("the earlier answer to this request_id is damaged; use a new one");
}

}  // namespace

struct DecisionService::Prepared {
  std::shared_ptr<const Snapshot> snapshot;
  std::vector<std::unique_ptr<Workspace>> workspaces;
};

DecisionService::DecisionService(const Options& options)
    : options_(options),
      decider_(options.store, options.seed),
      waits_(HasWaitingModel(*options.strategy)) {
  Publish(Prepare(options.strategy));
}

DecisionService::~DecisionService() = default;

std::shared_ptr<DecisionService::Prepared> DecisionService::Prepare(
    std::shared_ptr<const strategy::Strategy> strategy) const {
  auto prepared = std::make_shared<Prepared>();
  prepared->snapshot = std::make_shared<const Snapshot>(std::move(strategy));
  const int64_t now_us = absl::ToUnixMicros(options_.clock->Now());
  for (int i = 0; i < options_.warm_decisions; ++i) {
    auto workspace = std::make_unique<Workspace>();
    workspace->snapshot = prepared->snapshot;
    decision::WarmUp(*prepared->snapshot->strategy, now_us, workspace->decision);
    prepared->workspaces.push_back(std::move(workspace));
  }
  return prepared;
}

void DecisionService::Publish(const std::shared_ptr<Prepared>& prepared) {
  MutexLock lock(mutex_);
  // What was there before is destroyed with `prepared`, by the caller, outside of the lock.
  snapshot_.swap(prepared->snapshot);
  idle_.swap(prepared->workspaces);
}

std::unique_ptr<DecisionService::Workspace> DecisionService::TakeWorkspace() {
  std::unique_ptr<Workspace> workspace;
  std::shared_ptr<const Snapshot> snapshot;
  {
    MutexLock lock(mutex_);
    if (!idle_.empty()) {
      workspace = std::move(idle_.back());
      idle_.pop_back();
      return workspace;
    }
    snapshot = snapshot_;
  }
  workspace = std::make_unique<Workspace>();
  workspace->snapshot = std::move(snapshot);
  return workspace;
}

void DecisionService::ReturnWorkspace(std::unique_ptr<Workspace> workspace) {
  decision::Decision& decision = workspace->decision;
  const size_t treatments = workspace->snapshot->strategy->catalog.treatments.size();
  if (decision.result.channels.size() * treatments > kMaxIdleCandidates) {
    decision.result.channels.clear();
    decision.result.open_channels = 0;
  }
  const size_t bytes = decision.answer.capacity() + decision.stored_answer.capacity() +
                       decision.event_bytes.capacity();
  if (bytes > kMaxIdleBytes) return;
  workspace->standings.Rest();
  workspace->learned.Rest();
  MutexLock lock(mutex_);
  // One of a strategy that was swapped meanwhile is destroyed, after the lock is released.
  if (workspace->snapshot == snapshot_ && idle_.size() < kMaxIdleWorkspaces) {
    idle_.push_back(std::move(workspace));
  }
}

absl::Status DecisionService::Decide(const pb::DecideRequest& request, std::string* answer,
                                     Violations& violations, absl::Time deadline,
                                     storage::Durability durability, bool* is_unflushed) {
  std::unique_ptr<Workspace> workspace = TakeWorkspace();
  absl::Status status = DecideWith(request, deadline, durability, *workspace, violations);
  if (status.ok()) {
    const decision::Decision& decision = workspace->decision;
    if (is_unflushed != nullptr) {
      *is_unflushed = durability == storage::Durability::kFlush && !request.dry_run() &&
                      !decision.answered_before &&
                      (decision.degradation & decision::kNotRemembered) == 0;
    }
    if (!decision.answer.empty()) {
      *answer += decision.answer;
    } else if (!decision.answered_before) {
      workspace->snapshot->encoder.Append(workspace->context, decision, request.explain(), *answer);
    } else if (pb::DecideResponse().ParseFromString(decision.stored_answer)) {
      *answer += decision.stored_answer;
    } else {
      status = DamagedAnswer();
    }
  }
  ReturnWorkspace(std::move(workspace));
  return status;
}

absl::Status DecisionService::Flush() {
  absl::Status status = options_.store->Flush();
  // The next write goes to another file of the journal: what was wrong with this one is over then.
  if (!status.ok()) status = options_.store->Flush();
  if (!status.ok()) LogStoreStatus(status);
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
  if (request.has_time()) {
    out.time = ToTime(request.time());
    if (request.time().nanos() < 0 || request.time().nanos() > 999'999'999) {
      violations.Add("time", "has nanos out of range; they must be 0 to 999999999");
    }
  }
  for (const std::string& treatment : request.treatment_ids()) {
    out.treatment_ids.push_back(treatment);
  }
  for (const std::string& channel : request.open_channels()) out.open_channels.push_back(channel);
  for (const std::string& placement : request.placements()) out.placements.push_back(placement);
  const size_t first = violations.kept().size();
  for (const auto& [name, value] : request.attributes()) {
    if (const auto converted = ToValueRef(value, workspace.lists)) {
      out.attributes.emplace_back(name, *converted);
    } else {
      violations.Add(absl::StrCat("attributes[", Quoted(name), "]"), "has no value; set one kind");
    }
  }
  violations.SortFrom(first);
}

absl::Status DecisionService::DecideWith(const pb::DecideRequest& request, absl::Time deadline,
                                         storage::Durability durability, Workspace& workspace,
                                         Violations& violations) {
  const auto start = std::chrono::steady_clock::now();
  const strategy::Strategy& strategy = *workspace.snapshot->strategy;
  const context::DecisionContext& context = workspace.context;
  FillRequest(request, workspace, violations);
  const auto find_treatment = [&](std::string_view name) { return strategy.catalog.Find(name); };
  const context::RequestRules rules{
      .schema = strategy.context,
      .find_treatment = find_treatment,
      .default_max_treatments = strategy.arbitration.max_treatments,
      .now = options_.clock->Now(),
      .max_clock_skew =
          options_.replay_clock != nullptr ? absl::InfiniteDuration() : options_.max_clock_skew,
  };
  context::NormaliseRequest(workspace.request, rules, workspace.context, violations);
  if (options_.replay_clock != nullptr && !request.has_time() && rules.now <= kReplayStart) {
    violations.Add("time", "is required until a first request has set the replay clock");
  }
  if (!violations.empty()) return violations.ToStatus();
  workspace.context.deadline = deadline;
  if (options_.replay_clock != nullptr && workspace.request.time && !request.dry_run()) {
    options_.replay_clock->AdvanceTo(*workspace.request.time);
  }
  const auto context_nanos = std::chrono::steady_clock::now() - start;

  decision::DecideOptions decide;
  decide.dry_run = request.dry_run();
  if (options_.stops != nullptr) decide.stops = &workspace.stops.Read(*options_.stops);
  decide.ramps = ReadRamps(workspace);
  if (options_.values != nullptr) decide.standings = &workspace.standings.Read(*options_.values);
  decide.learned = ReadLearned(workspace);
  decide.request_id = workspace.request.request_id;
  decide.time_given = request.has_time();
  decide.explain = request.explain();
  decide.durability = durability;
  const auto encode_answer = [&](const decision::Decision& decision, decision::AnswerForm form,
                                 std::string* bytes) {
    const bool whole = form == decision::AnswerForm::kAsAsked;
    workspace.snapshot->encoder.Append(context, decision, request.explain() && whole, *bytes);
    if (!whole) AppendExplanationIncomplete(bytes);
  };
  decision::Decision& decision = workspace.decision;
  const absl::Status status = decider_.Decide(strategy, context, decide, encode_answer, decision);
  if (!status.ok()) return status;
  if (decision.answered_before) {
    options_.metrics->CountAnsweredAgain();
    return absl::OkStatus();
  }
  decision.times.nanos[static_cast<size_t>(decision::Stage::kContext)] =
      std::chrono::nanoseconds(context_nanos).count();
  if (!decision.store_status.ok()) LogStoreStatus(decision.store_status);
  if (!decision.result.scored.failed.empty()) LogFailedModels(strategy, decision.result.scored);
  if (decide.dry_run) {
    options_.metrics->CountDryRun();
  } else {
    options_.metrics->Count(context, decision);
  }
  return absl::OkStatus();
}

const evidence::RampShares* DecisionService::ReadRamps(Workspace& workspace) {
  if (options_.evidence == nullptr) return nullptr;
  if (options_.replay_clock != nullptr) {
    const absl::Status status = evidence::CountAll(*options_.evidence);
    if (!status.ok()) LogStoreStatus(status);
  }
  return &workspace.ramps.Read(*options_.evidence);
}

const scoring::LearnedModels* DecisionService::ReadLearned(Workspace& workspace) {
  if (options_.learner == nullptr) return nullptr;
  if (options_.replay_clock != nullptr) {
    const absl::Status status = options_.learner->CatchUp();
    if (!status.ok() && MayLog(next_failure_log_us_)) {
      spdlog::error("learning from the log: {}", std::string(status.message()));
    }
  }
  if (!workspace.snapshot->strategy->learns()) return nullptr;
  return &workspace.learned.Read(*options_.learner);
}

bool DecisionService::MayLog(std::atomic<int64_t>& next_log_us) {
  const int64_t now_us = absl::ToUnixMicros(absl::Now());
  int64_t next_us = next_log_us.load(std::memory_order_relaxed);
  return now_us >= next_us && next_log_us.compare_exchange_strong(next_us, now_us + kLogPeriodUs);
}

void DecisionService::LogFailedModels(const strategy::Strategy& strategy,
                                      const scoring::ScoredCandidates& scored) {
  if (!MayLog(next_failure_log_us_)) return;
  for (const scoring::FailedModel& failed : scored.failed) {
    const scoring::NamedModel& model = strategy.models.models[static_cast<size_t>(failed.model)];
    spdlog::warn("the model {} {}{} (counted in attune_model_errors_total)", model.version,
                 model.model->FailureText(failed.failure),
                 failed.text.empty() ? "" : absl::StrCat(": ", failed.text));
  }
}

void DecisionService::LogStoreStatus(const absl::Status& status) {
  if (!MayLog(next_log_us_)) return;
  spdlog::error(
      "decisions are degraded by the store (counted in attune_degraded_decisions_total): {}",
      std::string(status.message()));
}

}  // namespace attune::service
