#include "service/metrics.h"

#include <algorithm>

#include "absl/strings/str_split.h"
#include "service/version.h"

namespace attune::service {
namespace {

constexpr const char* kCodeNames[] = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

// By index of the model.
std::vector<telemetry::Counter*> AddModelErrors(telemetry::Registry& registry,
                                                const strategy::Strategy& strategy) {
  std::vector<telemetry::Counter*> counters;
  counters.reserve(strategy.models.models.size());
  for (const scoring::NamedModel& model : strategy.models.models) {
    counters.push_back(registry.AddCounter(
        "attune_model_errors_total",
        "Decisions in which a model gave treatments no usable score, by what its on_error says.",
        {{"model", model.name},
         {"action", std::string(scoring::OnErrorName(model.on_error.action))}}));
  }
  return counters;
}

}  // namespace

DecisionMetrics::DecisionMetrics(telemetry::Registry& registry, const strategy::Strategy& strategy)
    : strategy_(strategy) {
  const auto& treatments = strategy.catalog.treatments;
  const auto channels = static_cast<size_t>(strategy.context.channels.size());
  const bool by_treatment = channels * treatments.size() <= kMaxTreatmentSeries;
  on_top_.resize(channels * treatments.size());
  explored_.resize(channels * treatments.size());
  const auto on_top = [&](const std::string& channel, const std::string& group,
                          const std::string& treatment) {
    return registry.AddCounter(
        "attune_decisions_total",
        "Decisions made, by the treatment on top of the ranking and its channel; \"none\" when "
        "nothing qualified, on channel \"_open\" when no channel was named.",
        {{"channel", channel}, {"group", group}, {"treatment", treatment}});
  };
  empty_anywhere_ = on_top("_open", "none", "none");
  for (size_t c = 0; c < channels; ++c) {
    const std::string& channel = strategy.context.channels[static_cast<int>(c)].name;
    empty_.push_back(on_top(channel, "none", "none"));
    for (size_t t = 0; t < treatments.size(); ++t) {
      if (!treatments[t].content[c]) continue;
      const std::string& group =
          strategy.catalog.groups[static_cast<size_t>(treatments[t].group)].name;
      const size_t series = c * treatments.size() + t;
      on_top_[series] = on_top(channel, group, by_treatment ? treatments[t].name : "_any");
      explored_[series] = registry.AddCounter(
          "attune_explored_decisions_total",
          "Decisions in which exploration put another treatment on top than the greedy choice, by "
          "the group of the one on top.",
          {{"channel", channel}, {"group", group}});
    }
  }
  const bool by_rule = strategy.engagement.size() + strategy.contact.size() <= kMaxRuleSeries;
  rejections_.resize(decision::CauseCount(strategy));
  decision::ForEachCause(strategy, [&](size_t number, const decision::RejectionCause& cause) {
    const std::string rule(by_rule || cause.rule.empty() ? cause.rule : "_any");
    rejections_[number] =
        registry.AddCounter("attune_rejections_total",
                            "Treatments that were dropped from decisions, by stage, reason and "
                            "the strategy's rule or contact policy; \"\" when it was none.",
                            {{"stage", std::string(candidates::ReasonStage(cause.reason))},
                             {"reason", std::string(candidates::ReasonName(cause.reason))},
                             {"rule", rule}});
  });
  for (int stage = 0; stage < decision::kStages; ++stage) {
    stages_[static_cast<size_t>(stage)] = registry.AddHistogram(
        "attune_stage_duration_seconds", "Time that each stage of a decision took.",
        {{"stage", std::string(decision::StageName(static_cast<decision::Stage>(stage)))}});
  }
  const auto degraded = [&](const char* reason) {
    return registry.AddCounter("attune_degraded_decisions_total",
                               "Decisions that were safe but not as good as they should be.",
                               {{"reason", reason}});
  };
  customer_unavailable_ = degraded("customer_unavailable");
  customer_damaged_ = degraded("customer_damaged");
  not_remembered_ = degraded("not_remembered");
  score_not_finite_ = degraded("score_not_finite");
  model_failed_ = degraded("model_failed");
  model_errors_ = AddModelErrors(registry, strategy);
  unknown_customers_ =
      registry.AddCounter("attune_unknown_customer_decisions_total",
                          "Decisions for customers whose features were never written.");
  unknown_time_zones_ = registry.AddCounter(
      "attune_unknown_time_zone_decisions_total",
      "Decisions by the default time zone because the customer's has a name that is not known.");
  incomplete_histories_ = registry.AddCounter(
      "attune_incomplete_history_decisions_total",
      "Decisions in which what is remembered of the customer did not tell what a contact policy or "
      "a rule counts, so that the worst was assumed.");
  dry_runs_ = registry.AddCounter("attune_dry_run_decisions_total",
                                  "Decisions that were asked for with dry_run; counted here only.");
  answered_again_ =
      registry.AddCounter("attune_repeated_requests_total",
                          "Requests with a known request_id that got the earlier answer.");
  conflicts_ = registry.AddCounter(
      "attune_commit_conflicts_total",
      "Decisions that were made again because the customer was changed in between.");
}

void DecisionMetrics::Count(const context::DecisionContext& context,
                            const decision::Decision& decision) {
  const auto& ranked = decision.result.arbitration.ranked;
  const auto channel = static_cast<size_t>(decision.result.ChannelOf(context));
  if (ranked.empty()) {
    (context.is_channel_open() ? empty_anywhere_ : empty_[channel])->Increment();
  } else {
    const size_t series = channel * strategy_.catalog.treatments.size() +
                          static_cast<size_t>(ranked.front().treatment);
    on_top_[series]->Increment();
    if (decision.result.arbitration.explored()) explored_[series]->Increment();
  }
  for (const decision::RejectionCounts::Entry& entry : decision.result.rejected_counts.entries()) {
    rejections_[entry.cause]->Increment(static_cast<uint64_t>(entry.count));
  }
  for (size_t stage = 0; stage < stages_.size(); ++stage) {
    // A stage that did not run took no time at all: without a store there is nothing to commit.
    if (decision.times.nanos[stage] > 0) stages_[stage]->ObserveNanos(decision.times.nanos[stage]);
  }
  if (decision.degradation & decision::kCustomerUnavailable) customer_unavailable_->Increment();
  if (decision.degradation & decision::kCustomerDamaged) customer_damaged_->Increment();
  if (decision.degradation & decision::kNotRemembered) not_remembered_->Increment();
  if (decision.degradation & decision::kScoreNotFinite) score_not_finite_->Increment();
  if (decision.degradation & decision::kModelFailed) model_failed_->Increment();
  for (const scoring::FailedModel& failed : decision.result.scored.failed) {
    model_errors_[static_cast<size_t>(failed.model)]->Increment();
  }
  if (decision.unknown_customer) unknown_customers_->Increment();
  if (decision.result.policy.time_zone_unknown) unknown_time_zones_->Increment();
  if (decision.result.policy.history_incomplete) incomplete_histories_->Increment();
  if (decision.conflicts > 0) conflicts_->Increment(decision.conflicts);
}

RpcMetrics::RpcMetrics(telemetry::Registry& registry,
                       const std::vector<std::pair<std::string, std::string>>& methods) {
  const auto add = [&](const std::string& service, const std::string& name,
                       const std::string& type) {
    const telemetry::Labels labels = {
        {"grpc_service", service}, {"grpc_method", name}, {"grpc_type", type}};
    Method method;
    method.started = registry.AddCounter("grpc_server_started_total",
                                         "Calls that were started, by method.", labels);
    for (int code = 0; code < kCodes; ++code) {
      telemetry::Labels with_code = labels;
      with_code.emplace_back("grpc_code", kCodeNames[code]);
      method.handled[static_cast<size_t>(code)] =
          registry.AddCounter("grpc_server_handled_total",
                              "Calls that were completed, by method and status code.", with_code);
    }
    method.handling = registry.AddHistogram(
        "grpc_server_handling_seconds",
        "Time from the arrival of a call to the end of its handling, by method.", labels);
    methods_.push_back(method);
  };
  for (const auto& [full_name, type] : methods) {
    // "/attune.v1.DecisionService/Decide"
    const std::vector<std::string> parts = absl::StrSplit(full_name, '/');
    add(parts.size() > 1 ? parts[1] : full_name, parts.size() > 2 ? parts[2] : "", type);
  }
  add("unknown", "unknown", "unary");
  malformed_ = registry.AddCounter("attune_malformed_requests_total",
                                   "Requests whose bytes were no message of their method.");
  exceptions_ = registry.AddCounter("attune_handler_exceptions_total",
                                    "Calls that ended because their handler threw.");
}

void RpcMetrics::CountStarted(int method) { Find(method).started->Increment(); }

void RpcMetrics::CountHandled(int method, int code, int64_t nanos) {
  Method& entry = Find(method);
  entry.handled[static_cast<size_t>(code >= 0 && code < kCodes ? code : 2)]->Increment();
  entry.handling->ObserveNanos(nanos);
}

void AddStoreMetrics(telemetry::Registry& registry, const storage::StateStore* store) {
  // Scrapes are serialised by the registry, so the snapshot needs no lock of its own.
  auto stats = std::make_shared<storage::StoreStats>();
  registry.BeforeScrape([store, stats] { *stats = store->Stats(); });
  const auto gauge = [&](const char* name, const char* help, auto read) {
    registry.AddGauge(name, help, [stats, read] { return static_cast<double>(read(*stats)); });
  };
  const auto counter = [&](const char* name, const char* help, auto read) {
    registry.AddCounterFunction(name, help,
                                [stats, read] { return static_cast<double>(read(*stats)); });
  };
  using Stats = storage::StoreStats;
  gauge("attune_store_customers", "Customers in the store, estimated.",
        [](const Stats& s) { return s.customers_estimate; });
  gauge("attune_store_log_entries", "Events in the log, estimated.",
        [](const Stats& s) { return s.log_entries_estimate; });
  gauge("attune_store_log_bytes", "Size of the log, in bytes, estimated.",
        [](const Stats& s) { return s.log_bytes; });
  gauge("attune_store_live_bytes", "Size of the store's live files, in bytes.",
        [](const Stats& s) { return s.live_bytes; });
  gauge("attune_store_memtable_bytes", "Memory in write buffers, in bytes.",
        [](const Stats& s) { return s.memtable_bytes; });
  gauge("attune_store_block_cache_bytes", "Memory in the block cache, in bytes.",
        [](const Stats& s) { return s.block_cache_bytes; });
  counter("attune_store_block_cache_hits_total", "Block reads that the cache answered.",
          [](const Stats& s) { return s.cache_hits; });
  counter("attune_store_block_cache_misses_total", "Block reads that went to a file.",
          [](const Stats& s) { return s.cache_misses; });
  gauge("attune_store_compaction_pending_bytes", "Bytes that compaction still has to rewrite.",
        [](const Stats& s) { return s.compaction_pending_bytes; });
  counter("attune_store_written_bytes_total",
          "Bytes written by write-ahead log, flush and compaction.",
          [](const Stats& s) { return s.written_bytes; });
  gauge("attune_store_write_stopped",
        "1 while the store can't write, and until the next write that succeeds; else 0.",
        [](const Stats& s) { return s.write_stopped ? 1 : 0; });
  counter("attune_store_conflicts_total",
          "Commits that were refused because the customer had changed.",
          [](const Stats& s) { return s.conflicts; });
}

void AddStopMetrics(telemetry::Registry& registry, const stops::StopList* stops) {
  registry.AddGauge("attune_stops",
                    "Treatments and groups of the active strategy that people have stopped.",
                    [stops] { return static_cast<double>(stops->state()->set.size()); });
}

void AddRampMetrics(telemetry::Registry& registry, const catalog::Catalog& catalog,
                    const evidence::EvidenceFold* evidence) {
  // Scrapes are serialised by the registry, so the reference needs no lock of its own.
  auto shares = std::make_shared<std::shared_ptr<const evidence::RampShares>>(evidence->shares());
  registry.BeforeScrape([evidence, shares] { *shares = evidence->shares(); });
  for (size_t i = 0; i < catalog.ramps.size(); ++i) {
    const auto ramp = static_cast<int>(i);
    const auto treatment = static_cast<size_t>(catalog.ramps[i].treatment);
    const telemetry::Labels labels = {{"treatment", catalog.treatments[treatment].name}};
    registry.AddGauge(
        "attune_treatment_ramp_share",
        "Share of the customers that a treatment reaches by its ramp.",
        [shares, ramp] { return (*shares)->share(ramp); }, labels);
    registry.AddGauge(
        "attune_treatment_ramp_evidence", "What a treatment's ramp has counted as evidence.",
        [shares, ramp] { return static_cast<double>((*shares)->evidence(ramp)); }, labels);
  }
  const auto counter = [&](const char* name, const char* help, auto read) {
    registry.AddCounterFunction(name, help,
                                [evidence, read] { return static_cast<double>(read(*evidence)); });
  };
  using Fold = evidence::EvidenceFold;
  counter("attune_evidence_events_total", "Events of the log that were read for evidence.",
          [](const Fold& fold) { return fold.events(); });
  counter("attune_evidence_uncounted_events_total",
          "Events that could not be counted: damaged, or of too many treatments and outcomes.",
          [](const Fold& fold) { return fold.uncounted(); });
  counter("attune_evidence_gaps_total",
          "How often events had left the log before they were counted.",
          [](const Fold& fold) { return fold.gaps(); });
  counter("attune_evidence_failures_total",
          "How often counting or storing evidence failed, or events could not be read.",
          [](const Fold& fold) { return fold.failures(); });
}

void AddInfoMetrics(telemetry::Registry& registry,
                    const std::function<std::shared_ptr<const strategy::Strategy>()>& strategy) {
  registry.AddInfo("attune_build_info", "The program's version; always 1.", [] {
    return std::vector<telemetry::Labels>{telemetry::Labels{{"version", kVersion}}};
  });
  registry.AddInfo("attune_strategy_info", "The active strategy; always 1.", [strategy] {
    const auto active = strategy();
    return std::vector<telemetry::Labels>{
        telemetry::Labels{{"strategy", active->name}, {"version", active->version}}};
  });
  registry.AddInfo("attune_model_info", "The models of the active strategy; always 1.", [strategy] {
    const auto active = strategy();
    std::vector<telemetry::Labels> models;
    for (const strategy::ModelOrigin& model : active->model_origins) {
      models.push_back({{"model", model.name}, {"version", model.version}, {"kind", model.kind}});
    }
    return models;
  });
}

void AddRemoteModelMetrics(telemetry::Registry& registry, const std::string& model,
                           const std::shared_ptr<const scoring::RemoteScorer>& scorer) {
  using scoring::ModelFailure;
  for (const ModelFailure result :
       {ModelFailure::kNone, ModelFailure::kNoTime, ModelFailure::kBusy, ModelFailure::kBreakerOpen,
        ModelFailure::kTimeout, ModelFailure::kUnavailable, ModelFailure::kRefused,
        ModelFailure::kBadAnswer}) {
    registry.AddCounterFunction(
        "attune_remote_model_requests_total",
        "Calls to the servers of remote models, by what became of them; those of dry runs, too.",
        [scorer, result] { return static_cast<double>(scorer->count(result)); },
        {{"model", model}, {"result", std::string(scoring::ModelFailureName(result))}});
  }
  registry.AddGauge(
      "attune_remote_model_breaker_state",
      "Circuit breaker of a remote model: 0 closed, 1 half-open, 2 open, so that nothing is asked.",
      [scorer] { return static_cast<double>(scorer->breaker_state()); }, {{"model", model}});
}

ModelMetrics::ModelMetrics(telemetry::Registry& registry, const registry::ModelRegistry* models)
    : swaps_(registry.AddCounter("attune_model_swaps_total",
                                 "How often another version of a model has begun to decide.")) {
  for (int i = 0; i < kModelRefusals; ++i) {
    refusals_[static_cast<size_t>(i)] = registry.AddCounter(
        "attune_model_refusals_total", "Versions of models that were refused, by cause.",
        {{"cause", std::string(ModelRefusalName(static_cast<ModelRefusal>(i)))}});
  }
  registry.AddGauge("attune_model_registry_versions", "Versions of models in the registry.",
                    [models] { return static_cast<double>(models->state()->versions.size()); });
  registry.AddGauge("attune_model_registry_bytes", "Bytes of all models in the registry.",
                    [models] { return static_cast<double>(models->state()->bytes()); });
}

}  // namespace attune::service
