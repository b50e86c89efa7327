#include "service/server.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/issue.h"
#include "lib/base/mutex.h"
#include "lib/evidence/evidence_fold.h"
#include "lib/registry/model_registry.h"
#include "lib/stops/stop_list.h"
#include "lib/storage/name_dictionary.h"
#include "lib/storage/rocksdb_store.h"
#include "lib/strategy/strategy_loader.h"
#include "prometheus/exposer.h"
#include "service/active_strategy.h"
#include "service/customer_service.h"
#include "service/decision_service.h"
#include "service/history_service.h"
#include "service/inference/remote_connections.h"
#include "service/learner.h"
#include "service/learner_metrics.h"
#include "service/log_retention.h"
#include "service/metrics.h"
#include "service/model_service.h"
#include "service/outcome_metrics.h"
#include "service/outcome_service.h"
#include "service/rpc_services.h"
#include "service/strategy_service.h"
#include "service/value_service.h"
#include "service/value_updater.h"
#include "spdlog/spdlog.h"

namespace attune::service {
namespace {

constexpr auto kSyncPeriod = std::chrono::seconds(1);
constexpr int kTrimEverySyncs = 10;
// For so long evidence is counted in each period, while there is any, plus one step.
constexpr auto kCountEvidenceFor = std::chrono::milliseconds(200);
// A connection to the metrics endpoint that says nothing holds one thread until the timeout: the
// others go on answering scrapes.
constexpr char kMetricsThreads[] = "4";
constexpr char kMetricsTimeoutMs[] = "2000";
// Purposes of keys that are derived from the store's secret or from --seed.
constexpr std::string_view kDecisionKeyPurpose = "attune: key of decision ids and request ids";
constexpr uint64_t kIdKeySeedOffset = 1;

// Writes what was committed to disk once a second, so that power loss takes at most the last second
// of decisions, counts the evidence that came with it, and keeps the log within its size and age,
// or within twice its size while there is evidence left to count, or something to learn.
class Housekeeping {
 public:
  // `evidence`: nullptr when there are no ramps; `learner`: when nothing is learned.
  Housekeeping(storage::StateStore* store, evidence::EvidenceFold* evidence, Learner* learner,
               LogRetention* retention)
      : store_(*store),
        evidence_(evidence),
        learner_(learner),
        retention_(*retention),
        thread_([this] { Run(); }) {}

  ~Housekeeping() {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    changed_.NotifyAll();
    thread_.join();
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr Clock::duration kNoWait = Clock::duration::zero();

  void Run() {
    auto next = Clock::now() + kSyncPeriod;
    for (int round = 1;; ++round) {
      {
        MutexLock lock(mutex_);
        if (!stopping_) changed_.WaitFor(mutex_, std::max(next - Clock::now(), kNoWait));
        if (stopping_) return;
      }
      next = Clock::now() + kSyncPeriod;
      sync_.Report(store_.Sync());
      const bool all_counted = CountEvidence();
      if (round % kTrimEverySyncs != 0) continue;
      if (evidence_ != nullptr) evidence_save_.Report(evidence_->Save());
      const bool all_read = all_counted && SaveLearned();
      trim_.Report(retention_.Apply(all_read));
    }
  }

  // What was learned is stored before the events that it was learned from may go: after a crash
  // they would be missing. Returns whether all is learned and stored.
  bool SaveLearned() {
    if (learner_ == nullptr) return true;
    absl::Status saved;
    if (retention_.MayDrop()) saved = learner_->Save();
    learner_save_.Report(saved);
    return saved.ok() && !learner_->is_behind();
  }

  // Leaves the cores to decisions for most of the time: what is more waits for the next round.
  // Returns whether there is nothing left to count.
  bool CountEvidence() {
    if (evidence_ == nullptr) return true;
    const auto until = Clock::now() + kCountEvidenceFor;
    absl::StatusOr<bool> more = true;
    while (more.ok() && *more && Clock::now() < until) more = evidence_->Step();
    evidence_chore_.Report(more.status());
    return more.ok() && !*more;
  }

  // Logs the first of a series of failures and the return to normal, not every second the same.
  class Chore {
   public:
    explicit Chore(const char* what) : what_(what) {}
    void Report(const absl::Status& status) {
      if (!status.ok() && !failing_) {
        spdlog::error("store, {}: {}", what_, std::string(status.message()));
      }
      if (status.ok() && failing_) spdlog::info("store, {}: works again", what_);
      failing_ = !status.ok();
    }

   private:
    const char* const what_;
    bool failing_ = false;
  };

  storage::StateStore& store_;
  evidence::EvidenceFold* const evidence_;
  Learner* const learner_;
  LogRetention& retention_;
  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Chore sync_{"sync"};                              // of the thread
  Chore trim_{"log retention"};                     // of the thread
  Chore evidence_chore_{"counting evidence"};       // of the thread
  Chore evidence_save_{"saving evidence"};          // of the thread
  Chore learner_save_{"storing what was learned"};  // of the thread
  std::thread thread_;                              // last: it uses the others
};

absl::StatusOr<std::unique_ptr<prometheus::Exposer>> Expose(
    const std::string& address, const std::shared_ptr<telemetry::Registry>& registry) {
  std::unique_ptr<prometheus::Exposer> exposer;
  if (address.empty()) return exposer;
  try {
    exposer = std::make_unique<prometheus::Exposer>(
        std::vector<std::string>{"listening_ports", address, "num_threads", kMetricsThreads,
                                 "request_timeout_ms", kMetricsTimeoutMs});
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat(
        "can't serve metrics on ", address, " (", error.what(),
        "): is the port taken? Choose another with --metrics_listen, or \"\" for none"));
  }
  exposer->RegisterCollectable(registry);
  return exposer;
}

class AttuneServer : public Server {
 public:
  ~AttuneServer() override { Drain().IgnoreError(); }

  absl::Status Init(const Options& options, const Clock* clock, const OpenStoreWith& open) {
    options_ = options;
    if (absl::Status status = OpenStore(open); !status.ok()) return status;
    auto names = storage::NameDictionary::Load(*store_);
    if (!names.ok()) return names.status();
    names_ = std::make_unique<storage::NameDictionary>(*std::move(names));
    auto models = registry::ModelRegistry::Load(store_.get());
    if (!models.ok()) return models.status();
    models_ = *std::move(models);
    active_ = std::make_unique<ActiveStrategy>(options.strategy, names_.get(), models_.get());
    active_->SetConnector(&remotes_);
    SetClock(clock);
    for (const StoredFile& file : options.stored) {
      if (absl::Status status = active_->PutIfAbsent(file, clock_->Now()); !status.ok()) {
        return status;
      }
    }
    if (absl::Status status = active_->Load(); !status.ok()) return status;
    strategy_ = active_->strategy();
    if (absl::Status status = CheckLogAge(); !status.ok()) return status;
    if (absl::Status status = names_->Save(*store_); !status.ok()) return status;
    auto stops = stops::StopList::Load(store_.get(), &strategy_->catalog);
    if (!stops.ok()) return stops.status();
    stops_ = *std::move(stops);
    if (absl::Status status = LoadEvidence(); !status.ok()) return status;
    if (absl::Status status = LoadLearner(); !status.ok()) return status;
    MakeServices();
    auto exposer = Expose(options.metrics_listen, registry_);
    if (!exposer.ok()) return exposer.status();
    exposer_ = *std::move(exposer);
    if (absl::Status status = Listen(); !status.ok()) return status;
    housekeeping_ = std::make_unique<Housekeeping>(store_.get(), evidence_.get(), learner_.get(),
                                                   retention_.get());
    // In a replay decisions learn first what has happened before them.
    if (learner_ != nullptr && !options.replay_clock) learner_->Start();
    spdlog::info("strategy {}: {} treatments, {} features, {} models", strategy_->version,
                 strategy_->catalog.treatments.size(), strategy_->features.size(),
                 strategy_->models.models.size());
    spdlog::info("state in {}", options.data_dir);
    spdlog::info("serving gRPC on port {}, {}", port(),
                 exposer_ == nullptr ? "no metrics endpoint"
                                     : absl::StrCat("metrics on port ", metrics_port()));
    if (const int stopped = stops_->state()->set.size(); stopped > 0) {
      spdlog::warn("{} stopped: attunectl stop list",
                   stopped == 1 ? "1 treatment or group is"
                                : absl::StrCat(stopped, " treatments and groups are"));
    }
    if (options.replay_clock) {
      spdlog::warn("--replay_clock: requests drive the clock; not for live traffic");
    }
    return absl::OkStatus();
  }

  int port() const override { return rpc_server_->port(); }
  int metrics_port() const override {
    return exposer_ == nullptr ? 0 : exposer_->GetListeningPorts().front();
  }
  const telemetry::Registry& metrics() const override { return *registry_; }

  absl::Status CountEvidence() override {
    return evidence_ == nullptr ? absl::OkStatus() : evidence::CountAll(*evidence_);
  }

  absl::Status LearnFromOutcomes() override {
    return learner_ == nullptr ? absl::OkStatus() : learner_->CatchUp();
  }

  absl::Status Drain() override {
    MutexLock lock(drain_mutex_);
    if (drained_) return drain_status_;
    drained_ = true;
    if (rpc_server_ != nullptr) rpc_server_->Drain(options_.drain_delay, options_.drain_timeout);
    housekeeping_.reset();
    // First: the metrics endpoint takes its time to end, and a supervisor may lose its patience.
    if (store_ != nullptr) drain_status_ = store_->Sync();
    if (evidence_ != nullptr) drain_status_.Update(evidence_->Save());
    if (learner_ != nullptr && options_.replay_clock) learner_->CatchUp().IgnoreError();
    if (learner_ != nullptr) drain_status_.Update(learner_->Stop());
    exposer_.reset();
    // The services speak to the store until the last call has ended.
    rpc_server_.reset();
    decisions_.reset();
    customers_.reset();
    histories_.reset();
    outcomes_.reset();
    strategies_.reset();
    model_service_.reset();
    value_service_.reset();
    values_.reset();
    active_.reset();
    models_.reset();
    stops_.reset();
    evidence_.reset();
    learner_.reset();
    store_.reset();
    return drain_status_;
  }

 private:
  absl::Status OpenStore(const OpenStoreWith& open) {
    storage::RocksDbOptions store_options;
    store_options.path = options_.data_dir;
    // Records serve decisions, blocks only what is not among them.
    store_options.block_cache_bytes = (options_.cache_mb << 20) / 4;
    store_options.record_cache_bytes = (options_.cache_mb << 20) - store_options.block_cache_bytes;
    if (options_.seed) store_options.id_key = HashKeyFromSeed(*options_.seed + kIdKeySeedOffset);
    auto store = open ? open(store_options) : storage::OpenRocksDbStore(store_options);
    if (!store.ok()) return store.status();
    store_ = *std::move(store);
    return absl::OkStatus();
  }

  // A log that is too young for the strategy would lose decisions whose outcomes are still to come.
  absl::Status CheckLogAge() const {
    const absl::Duration needed = absl::Microseconds(strategy_->decisions_kept_us);
    if (options_.log_max_age == absl::ZeroDuration() || options_.log_max_age >= needed) {
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "--log_max_age is ", absl::FormatDuration(options_.log_max_age),
        ", but the windows of the strategy's outcomes reach back ", absl::FormatDuration(needed),
        ": let the log keep at least as much, or make the windows shorter"));
  }

  // Without ramps in the strategy nothing is counted.
  absl::Status LoadEvidence() {
    if (strategy_->catalog.ramps.empty()) return absl::OkStatus();
    auto evidence = evidence::EvidenceFold::Load(store_.get(), &strategy_->catalog);
    if (!evidence.ok()) return evidence.status();
    evidence_ = *std::move(evidence);
    if (evidence_->was_damaged()) {
      spdlog::error(
          "the stored evidence of treatments is damaged: it is counted anew from what the "
          "log still has, so ramps may have come less far");
    }
    if (evidence_->lost_end()) {
      spdlog::error(
          "the log ends before the stored evidence of treatments: it has lost its last events. "
          "Their "
          "evidence is kept, and counting goes on from where the log ends");
    }
    // What can't be counted keeps nobody from deciding; housekeeping tries again.
    if (const absl::Status status = evidence_->Step().status(); !status.ok()) {
      spdlog::error("store, counting evidence: {}", std::string(status.message()));
    }
    return absl::OkStatus();
  }

  // Without learning in the strategy nothing is learned.
  absl::Status LoadLearner() {
    constexpr uint64_t kOutcomesPerWaiting = 4;  // on average
    if (strategy_->attribution == nullptr) return absl::OkStatus();
    auto learner = Learner::Load(
        {.strategy = strategy_,
         .store = store_.get(),
         .clock = clock_,
         .writes_clock_events = !options_.replay_clock,
         .save_period = absl::ToChronoMilliseconds(options_.learner_save_period),
         .limits = {.open_treatments = options_.learner_max_waiting,
                    .open_outcomes = kOutcomesPerWaiting * options_.learner_max_waiting}});
    if (!learner.ok()) return learner.status();
    learner_ = *std::move(learner);
    return absl::OkStatus();
  }

  void SetClock(const Clock* clock) {
    if (options_.replay_clock) {
      clock_ = &replay_clock_;
    } else {
      clock_ = clock == nullptr ? &system_clock_ : clock;
    }
  }

  void MakeServices() {
    MakeValues();
    decision_metrics_ = std::make_unique<DecisionMetrics>(*registry_, *strategy_);
    const HashKey seed =
        options_.seed ? HashKeyFromSeed(*options_.seed) : store_->KeyOf(kDecisionKeyPurpose);
    decisions_ = std::make_unique<DecisionService>(DecisionService::Options{
        .strategy = strategy_,
        .warm_decisions = WarmDecisions(),
        .store = store_.get(),
        .seed = seed,
        .clock = clock_,
        .replay_clock = options_.replay_clock ? &replay_clock_ : nullptr,
        .max_clock_skew = options_.max_clock_skew,
        .stops = stops_.get(),
        .evidence = evidence_.get(),
        .learner = learner_.get(),
        .metrics = decision_metrics_.get(),
        .values = values_.get(),
    });
    customers_ = std::make_unique<CustomerService>(CustomerService::Options{
        .strategy = strategy_,
        .store = store_.get(),
        .clock = clock_,
        .seed = seed,
        .names = names_.get(),
        .strategy_version = [this] { return active_->strategy()->version; },
        .observer = values_.get(),
    });
    histories_ = std::make_unique<HistoryService>(HistoryService::Options{
        .strategy = strategy_,
        .store = store_.get(),
        .clock = clock_,
        .seed = seed,
        .names = names_.get(),
        .max_clock_skew =
            options_.replay_clock ? absl::InfiniteDuration() : options_.max_clock_skew,
        .clock_not_set =
            options_.replay_clock ? std::optional(DecisionService::kReplayStart) : std::nullopt,
    });
    MakeOutcomeService(seed);
    strategies_ =
        std::make_unique<StrategyService>(StrategyService::Options{.strategy = strategy_,
                                                                   .stops = stops_.get(),
                                                                   .clock = clock_,
                                                                   .evidence = evidence_.get()});
    AddStoreMetrics(*registry_, store_.get());
    retention_ =
        std::make_unique<LogRetention>(LogRetention::Options{.store = store_.get(),
                                                             .clock = clock_,
                                                             .max_bytes = options_.log_max_mb << 20,
                                                             .max_age = options_.log_max_age});
    AddLogMetrics(*registry_, retention_.get(), clock_);
    AddStopMetrics(*registry_, stops_.get());
    if (evidence_ != nullptr) AddRampMetrics(*registry_, strategy_->catalog, evidence_.get());
    if (learner_ != nullptr) AddLearnerMetrics(*registry_, learner_.get());
    MakeModelService();
    telemetry::AddProcessMetrics(*registry_);
  }

  void MakeOutcomeService(const HashKey& seed) {
    outcome_metrics_ = std::make_unique<OutcomeMetrics>(*registry_, *strategy_);
    ReportedTimes times{
        .clock = clock_, .max_clock_skew = options_.max_clock_skew, .clock_not_set = std::nullopt};
    if (options_.replay_clock) {
      times.max_clock_skew = absl::InfiniteDuration();
      times.clock_not_set = DecisionService::kReplayStart;
    }
    outcomes_ = std::make_unique<OutcomeService>(OutcomeService::Options{
        .strategy = strategy_,
        .store = store_.get(),
        .seed = seed,
        .names = names_.get(),
        .times = times,
        .metrics = outcome_metrics_.get(),
    });
  }

  // Before what decides and what writes customers.
  void MakeValues() {
    if (strategy_->engagement.scores().scores.empty()) {
      ForgetStoredScores(*store_);
    } else {
      values_ = std::make_unique<ValueUpdater>(
          ValueUpdater::Options{.strategy = strategy_, .store = store_.get(), .clock = clock_});
      values_->Start();
    }
    AddValueMetrics(*registry_, values_.get());
    value_service_ = std::make_unique<ValueService>(ValueService::Options{
        .strategy = strategy_, .store = store_.get(), .clock = clock_, .updater = values_.get()});
  }

  // As many as decide at the same time.
  int WarmDecisions() const {
    if (options_.threads > 0) return options_.threads;
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }

  void MakeModelService() {
    AddInfoMetrics(*registry_, [this] { return active_->strategy(); });
    for (const auto& [name, scorer] : remotes_.scorers()) {
      AddRemoteModelMetrics(*registry_, name, scorer);
    }
    model_metrics_ = std::make_unique<ModelMetrics>(*registry_, models_.get());
    active_->OnSwap([this] { model_metrics_->CountSwap(); });
    active_->OnRefusal([this](ModelRefusal refusal) { model_metrics_->CountRefusal(refusal); });
    active_->SetPrepare([this](std::shared_ptr<const strategy::Strategy> strategy) {
      return [this, prepared = decisions_->Prepare(strategy), strategy = std::move(strategy)] {
        decisions_->Publish(prepared);
        if (values_ != nullptr) values_->Follow(strategy);
      };
    });
    model_service_ =
        std::make_unique<ModelService>(ModelService::Options{.active = active_.get(),
                                                             .registry = models_.get(),
                                                             .clock = clock_,
                                                             .learner = learner_.get()});
  }

  absl::Status Listen() {
    auto server = RpcServices::Start(options_, *registry_,
                                     {*decisions_, *customers_, *histories_, *outcomes_,
                                      *strategies_, *model_service_, *value_service_});
    if (!server.ok()) return server.status();
    rpc_server_ = *std::move(server);
    return absl::OkStatus();
  }

  Options options_;
  SystemClock system_clock_;
  ManualClock replay_clock_{DecisionService::kReplayStart};
  const Clock* clock_ = nullptr;
  RemoteConnections remotes_{&system_clock_};
  std::shared_ptr<telemetry::Registry> registry_ = std::make_shared<telemetry::Registry>();
  std::unique_ptr<storage::StateStore> store_;
  std::unique_ptr<storage::NameDictionary> names_;
  std::unique_ptr<registry::ModelRegistry> models_;
  std::unique_ptr<ActiveStrategy> active_;
  // As it was at the start: what is the same whatever becomes of its models.
  std::shared_ptr<const strategy::Strategy> strategy_;
  std::unique_ptr<stops::StopList> stops_;
  std::unique_ptr<evidence::EvidenceFold> evidence_;  // nullptr: the strategy has no ramps
  std::unique_ptr<Learner> learner_;                  // nullptr: the strategy has no learning
  std::unique_ptr<LogRetention> retention_;
  std::unique_ptr<DecisionMetrics> decision_metrics_;
  std::unique_ptr<ModelMetrics> model_metrics_;
  std::unique_ptr<OutcomeMetrics> outcome_metrics_;
  std::unique_ptr<DecisionService> decisions_;
  std::unique_ptr<CustomerService> customers_;
  std::unique_ptr<HistoryService> histories_;
  std::unique_ptr<OutcomeService> outcomes_;
  std::unique_ptr<StrategyService> strategies_;
  std::unique_ptr<ModelService> model_service_;
  std::unique_ptr<ValueUpdater> values_;
  std::unique_ptr<ValueService> value_service_;
  std::unique_ptr<RpcServices> rpc_server_;
  std::unique_ptr<prometheus::Exposer> exposer_;
  std::unique_ptr<Housekeeping> housekeeping_;

  Mutex drain_mutex_;
  bool drained_ ABSL_GUARDED_BY(drain_mutex_) = false;
  absl::Status drain_status_ ABSL_GUARDED_BY(drain_mutex_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Options& options, const Clock* clock,
                                                      const OpenStoreWith& open) {
  auto server = std::make_unique<AttuneServer>();
  if (absl::Status status = server->Init(options, clock, open); !status.ok()) return status;
  return server;
}

bool ValidateStrategy(const Options& options) {
  storage::NameDictionary names;
  IssueList issues;
  strategy::StrategySources sources = SourcesWith(options.stored);
  const auto strategy = strategy::LoadStrategy(options.strategy, sources, names, issues);
  issues.Sort();
  std::cerr << issues.ToString();
  if (strategy == nullptr) {
    std::cerr << issues.errors() << (issues.errors() == 1 ? " error\n" : " errors\n");
    return false;
  }
  std::cout << strategy->version << " is valid: " << strategy->catalog.treatments.size()
            << " treatments, " << strategy->features.size() << " features, "
            << strategy->models.models.size() << " models\n";
  return true;
}

}  // namespace attune::service
