// What a decision costs in process: stage by stage, as a whole without a store, and as a whole on
// RocksDB. With 40 features, 50 treatments and 10 or 50 linear models of 40 terms each.

#include <time.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attune/v1/decision_service.pb.h"
#include "benchmark/benchmark.h"
#include "google/protobuf/arena.h"
#include "lib/customer/customer_record.h"
#include "lib/customer/profile_writer.h"
#include "lib/decision/decider.h"
#include "lib/decision/formula_values.h"
#include "lib/scoring/tree_model.h"
#include "lib/storage/rocksdb_store.h"
#include "lib/trees/parsed_model.h"
#include "lib/trees/tree_ensemble.h"
#include "service/decision_answer.h"
#include "service/decision_service.h"
#include "service/metrics.h"
#include "tests/testing/allocation_counter.h"
#include "tests/testing/decision_message.h"
#include "tests/testing/large_strategy.h"
#include "tests/testing/temp_dir.h"

namespace attune {
namespace {

namespace pb = attune::v1;

constexpr uint64_t kCustomers = 100'000;
constexpr int64_t kNowUs = 1'772'323'200'000'000;
// How many decisions a customer's record remembers when the benchmark starts.
constexpr int kHistory = 20;

std::string CustomerId(uint64_t number) { return "customer-" + std::to_string(number); }

// Hands out one record for every customer and forgets what is committed: what a decision costs
// besides the store.
class NoStore : public storage::StateStore {
 public:
  void SetRecord(std::string bytes) {
    record_.found = true;
    record_.version.number = 1;
    record_.bytes = std::move(bytes);
  }

  storage::CustomerKey KeyOf(std::string_view id) const override { return KeyedHash128(key_, id); }
  absl::Status Load(const storage::CustomerKey&, storage::Record& record) const override {
    record.found = true;
    record.version = record_.version;
    record.bytes.assign(record_.bytes);
    return absl::OkStatus();
  }
  absl::StatusOr<storage::CommitReceipt> Commit(const storage::CustomerCommit& commit,
                                                storage::Durability) override {
    benchmark::DoNotOptimize(commit.bytes.data());
    return storage::CommitReceipt{2};
  }

  absl::Status LoadMany(absl::Span<const storage::CustomerKey>,
                        absl::Span<storage::Record>) const override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<std::optional<storage::CustomerKey>> Scan(
      const std::optional<storage::CustomerKey>&, size_t, const VisitRecord&) const override {
    return absl::UnimplementedError("");
  }
  std::vector<absl::StatusOr<storage::CommitReceipt>> CommitMany(
      absl::Span<const storage::CustomerCommit>, storage::Durability) override {
    return {};
  }
  absl::Status Flush(uint64_t) override { return absl::OkStatus(); }
  absl::Status Sync() override { return absl::OkStatus(); }
  absl::StatusOr<Erased> Erase(const storage::CustomerKey&) override { return Erased(); }
  absl::Status ReadLog(uint64_t,
                       const std::function<bool(const storage::LogEntry&)>&) const override {
    return absl::OkStatus();
  }
  absl::StatusOr<std::optional<storage::LogEntry>> ReadLogAt(uint64_t) const override {
    return std::nullopt;
  }
  storage::LogSpan SpanOfLog() const override { return {}; }
  absl::Status TrimLog(uint64_t) override { return absl::OkStatus(); }
  absl::Status TrimLogBefore(uint64_t) override { return absl::OkStatus(); }
  absl::StatusOr<std::optional<std::string>> GetBlob(std::string_view) const override {
    return std::nullopt;
  }
  absl::Status PutBlob(std::string_view, std::string_view) override { return absl::OkStatus(); }
  absl::StatusOr<std::optional<std::string>> GetBlobPart(std::string_view, uint64_t,
                                                         size_t) const override {
    return std::nullopt;
  }
  absl::Status DeleteBlob(std::string_view) override { return absl::OkStatus(); }
  storage::StoreStats Stats() const override { return {}; }

 private:
  const HashKey key_ = HashKeyFromSeed(1);
  storage::Record record_;
};

// A strategy, a customer and a request.
class Fixture {
 public:
  explicit Fixture(int models, const testing::LargeFormulas& formulas = {})
      : strategy_(testing::BuildLargeStrategy(builder_, models, formulas)),
        metrics_(registry_, *strategy_) {
    request_.set_customer_id(id_);
    request_.set_channel("channel_1");
    request_.set_intent("intent_3");
    (*request_.mutable_attributes())["attribute_0"].set_double_value(12.5);
    (*request_.mutable_attributes())["attribute_2"].set_int_value(3);
    const std::string features = testing::LargeFeatures(*strategy_, 1);
    customer::RecordChange change;
    change.features = features;
    change.features_time_us = kNowUs;
    storage::Record record;
    for (int i = 0; i < kHistory; ++i) {
      const customer::Interaction decided{customer::InteractionKind::kDecided,
                                          kNowUs / 1000 - (kHistory - i) * 86'400'000, 1, 7, 0};
      change.interactions = absl::MakeConstSpan(&decided, 1);
      change.now_ms = decided.time_ms;
      std::string bytes;
      customer::EncodeRecord(*customer::CustomerState::Parse(record, id_), id_, change, bytes);
      record.found = true;
      record.bytes = bytes;
    }
    no_store_.SetRecord(record.bytes);
    Normalise();
  }

  // The stage context.
  void Normalise() {
    decision_request_.Clear();
    lists_.clear();
    decision_request_.customer_id = request_.customer_id();
    decision_request_.channel = request_.channel();
    decision_request_.intent = request_.intent();
    for (const auto& [name, value] : request_.attributes()) {
      decision_request_.attributes.emplace_back(name, *service::ToValueRef(value, lists_));
    }
    const auto find = [&](std::string_view name) { return strategy_->catalog.Find(name); };
    Violations violations;
    context::NormaliseRequest(decision_request_,
                              {.schema = strategy_->context,
                               .find_treatment = find,
                               .default_max_treatments = strategy_->arbitration.max_treatments,
                               .now = clock_.Now(),
                               .max_clock_skew = absl::Minutes(5)},
                              context_, violations);
    if (!violations.empty()) std::abort();
  }

  absl::Status Decide(decision::Decision& decision) {
    return decision::Decider(&no_store_, seed_)
        .Decide(
            *strategy_, context_, {},
            [](const decision::Decision&, decision::AnswerForm, std::string*) {}, decision);
  }

  service::DecisionService Service(storage::StateStore* store) {
    return service::DecisionService({.strategy = strategy_,
                                     .store = store,
                                     .seed = seed_,
                                     .clock = &clock_,
                                     .metrics = &metrics_});
  }

  const std::string id_ = CustomerId(1);
  const HashKey seed_ = HashKeyFromSeed(1);
  testing::StrategyBuilder builder_;
  const std::shared_ptr<strategy::Strategy> strategy_;
  NoStore no_store_;
  ManualClock clock_{absl::FromUnixMicros(kNowUs)};
  telemetry::Registry registry_;
  service::DecisionMetrics metrics_;
  pb::DecideRequest request_;
  context::DecisionRequest decision_request_;
  context::DecisionContext context_;
  service::ListBuffers lists_;
};

// Reports how often an iteration called operator new.
class AllocationReport {
 public:
  void Finish(benchmark::State& state) const {
    state.counters["allocations"] =
        benchmark::Counter(static_cast<double>(testing::AllocationsOfThisThread() - before_),
                           benchmark::Counter::kAvgIterations);
  }

 private:
  const uint64_t before_ = testing::AllocationsOfThisThread();
};

void Models(benchmark::internal::Benchmark* b) { b->ArgName("models")->Arg(10)->Arg(50); }

void Context(benchmark::State& state) {
  Fixture fixture(10);
  const AllocationReport allocations;
  for (auto _ : state) {
    fixture.Normalise();
    benchmark::DoNotOptimize(fixture.context_.attributes.data());
  }
  allocations.Finish(state);
}
BENCHMARK(Context)->Name("pipeline/context");

// Parsing the record and decoding its features; the read of the store is not in it.
void Customer(benchmark::State& state) {
  Fixture fixture(10);
  storage::Record record;
  if (!fixture.no_store_.Load({}, record).ok()) std::abort();
  std::vector<ValueRef> features(static_cast<size_t>(fixture.strategy_->features.size()));
  const AllocationReport allocations;
  for (auto _ : state) {
    const auto parsed = customer::CustomerState::Parse(record, fixture.id_);
    if (!fixture.strategy_->features.Decode(parsed->features(), absl::MakeSpan(features)).ok()) {
      state.SkipWithError("malformed");
    }
    benchmark::DoNotOptimize(features.data());
  }
  allocations.Finish(state);
}
BENCHMARK(Customer)->Name("pipeline/customer");

void Candidates(benchmark::State& state) {
  Fixture fixture(10);
  candidates::CandidateSet result;
  for (auto _ : state) {
    candidates::SelectCandidates(fixture.strategy_->catalog, stops::StopSet(), fixture.context_,
                                 result);
    benchmark::DoNotOptimize(result.kept.data());
  }
}
BENCHMARK(Candidates)->Name("pipeline/candidates");

void Policy(benchmark::State& state) {
  Fixture fixture(10);
  decision::Decision decision;
  if (!fixture.Decide(decision).ok()) state.SkipWithError("not decided");
  const auto customer = customer::CustomerState::Parse(decision.record, fixture.id_).value();
  policy::PolicyResult result;
  for (auto _ : state) {
    policy::ApplyPolicies(
        {fixture.strategy_->catalog, fixture.strategy_->engagement, fixture.strategy_->contact,
         fixture.strategy_->context, fixture.context_, customer, decision.features},
        decision.result.candidates.kept, result);
    benchmark::DoNotOptimize(result.kept.data());
  }
}
BENCHMARK(Policy)->Name("pipeline/policy");

void Scoring(benchmark::State& state) {
  Fixture fixture(static_cast<int>(state.range(0)));
  decision::Decision decision;
  if (!fixture.Decide(decision).ok()) state.SkipWithError("not decided");
  scoring::ScoredCandidates result;
  for (auto _ : state) {
    scoring::Score(fixture.strategy_->models, fixture.strategy_->catalog,
                   fixture.strategy_->context, fixture.context_, decision.features,
                   decision.result.policy.kept, result);
    benchmark::DoNotOptimize(result.scored.data());
  }
}
BENCHMARK(Scoring)->Name("pipeline/scoring")->Apply(Models);

void Arbitration(benchmark::State& state) {
  Fixture fixture(10);
  decision::Decision decision;
  if (!fixture.Decide(decision).ok()) state.SkipWithError("not decided");
  arbitration::ArbitrationResult result;
  for (auto _ : state) {
    arbitration::Arbitrate(fixture.strategy_->arbitration, fixture.strategy_->catalog,
                           fixture.context_, decision.result.scored, std::nullopt, result);
    benchmark::DoNotOptimize(result.ranked.data());
  }
}
BENCHMARK(Arbitration)->Name("pipeline/arbitration");

// Scoring with formulas in place of the models, each evaluated for all of its treatments.
void ScoringByFormulas(benchmark::State& state) {
  Fixture fixture(static_cast<int>(state.range(0)), {.models = true});
  decision::Decision decision;
  if (!fixture.Decide(decision).ok()) state.SkipWithError("not decided");
  decision::ModelFormulas formulas(*fixture.strategy_, decision.result.policy.engagement);
  scoring::ScoredCandidates result;
  const AllocationReport allocations;
  for (auto _ : state) {
    // What is the same for all treatments is remembered from one iteration to the next.
    scoring::Score(fixture.strategy_->models, fixture.strategy_->catalog,
                   fixture.strategy_->context, fixture.context_, decision.features,
                   decision.result.policy.kept, result, &formulas);
    benchmark::DoNotOptimize(result.scored.data());
  }
  allocations.Finish(state);
}
BENCHMARK(ScoringByFormulas)->Name("pipeline/scoring_by_formulas")->Apply(Models);

// Arbitration by a formula that has the terms of the default priority and looks at the customer.
void ArbitrationByFormula(benchmark::State& state) {
  Fixture fixture(10, {.priority = true});
  decision::Decision decision;
  if (!fixture.Decide(decision).ok()) state.SkipWithError("not decided");
  decision::FormulaValues formulas(*fixture.strategy_, fixture.context_, decision.result, nullptr);
  arbitration::ArbitrationResult result;
  const AllocationReport allocations;
  for (auto _ : state) {
    arbitration::Arbitrate(fixture.strategy_->arbitration, fixture.strategy_->catalog,
                           fixture.context_, decision.result.scored, std::nullopt, result,
                           formulas.computed());
    benchmark::DoNotOptimize(result.ranked.data());
  }
  allocations.Finish(state);
}
BENCHMARK(ArbitrationByFormula)->Name("pipeline/arbitration_by_formula");

// Arbitration with a draw among 45 treatments, by the method of that number.
void Exploration(benchmark::State& state) {
  Fixture fixture(10);
  decision::Decision decision;
  if (!fixture.Decide(decision).ok()) state.SkipWithError("not decided");
  arbitration::Settings settings = fixture.strategy_->arbitration;
  settings.explorations = {{.method = static_cast<arbitration::Exploration::Method>(state.range(0)),
                            .epsilon = 0.1,
                            .temperature = 5,
                            .gamma = 1,
                            .evidence = 200,
                            .floor = 0.001}};
  settings.exploration_of_group = {0, 0, 0};
  arbitration::ArbitrationResult result;
  for (auto _ : state) {
    arbitration::Arbitrate(settings, fixture.strategy_->catalog, fixture.context_,
                           decision.result.scored, 0.9, result);
    benchmark::DoNotOptimize(result.ranked.data());
  }
}
BENCHMARK(Exploration)->Name("pipeline/exploration")->DenseRange(1, 4);

// Thompson sampling among 5000 arms that have so many different scores.
void ThompsonSampling(benchmark::State& state) {
  std::vector<arbitration::Arm> arms(5'000);
  for (size_t i = 0; i < arms.size(); ++i) {
    arms[i] = {static_cast<double>(i % static_cast<size_t>(state.range(0))) * 1e-4, 1};
  }
  arbitration::ExplorationScratch scratch;
  std::vector<double> probability;
  for (auto _ : state) {
    arbitration::SelectionProbabilities({.method = arbitration::Exploration::Method::kThompson},
                                        arms, 0, scratch, probability);
    benchmark::DoNotOptimize(probability.data());
  }
}
BENCHMARK(ThompsonSampling)->Name("pipeline/thompson_sampling")->Arg(5)->Arg(50)->Arg(5'000);

// The whole pipeline with so many channels open; 0: with one that is named.
void OpenChannels(benchmark::State& state) {
  Fixture fixture(10);
  decision::Decision decision;
  if (!fixture.Decide(decision).ok()) state.SkipWithError("not decided");
  const auto customer = customer::CustomerState::Parse(decision.record, fixture.id_).value();
  context::DecisionContext context = fixture.context_;
  for (int channel = 0; channel < state.range(0); ++channel) {
    context.open_channels.push_back(channel);
    context.channel = 0;
  }
  decision::StageTimer timer(decision.times);
  decision::PipelineResult result;
  decision::RunPipeline(*fixture.strategy_, stops::StopSet(), context, customer, decision.features,
                        std::nullopt, timer, result);
  const AllocationReport allocations;
  for (auto _ : state) {
    decision::RunPipeline(*fixture.strategy_, stops::StopSet(), context, customer,
                          decision.features, std::nullopt, timer, result);
    benchmark::DoNotOptimize(result.arbitration.ranked.data());
  }
  allocations.Finish(state);
}
BENCHMARK(OpenChannels)->Name("pipeline/open_channels")->ArgName("open")->Arg(0)->Arg(1)->Arg(4);

// The event and the new record, up to the commit: by the decider's own watch. The decision's id is
// part of the stage before the pipeline.
void Remember(benchmark::State& state) {
  Fixture fixture(10);
  decision::Decision decision;
  for (auto _ : state) {
    if (!fixture.Decide(decision).ok()) state.SkipWithError("not decided");
    state.SetIterationTime(
        1e-9 *
        static_cast<double>(decision.times.nanos[static_cast<size_t>(decision::Stage::kDecision)]));
  }
}
BENCHMARK(Remember)->Name("pipeline/decision")->UseManualTime();

// The answer as bytes, as gRPC's calls get it.
void EncodeAnswer(benchmark::State& state, bool explain) {
  Fixture fixture(10);
  decision::Decision decision;
  if (!fixture.Decide(decision).ok()) state.SkipWithError("not decided");
  const service::AnswerEncoder encoder(*fixture.strategy_);
  std::string bytes;
  const AllocationReport allocations;
  for (auto _ : state) {
    bytes.clear();
    encoder.Append(fixture.context_, decision, explain, bytes);
    benchmark::DoNotOptimize(bytes.data());
  }
  allocations.Finish(state);
  state.counters["bytes"] = static_cast<double>(bytes.size());
}
void Answer(benchmark::State& state) { EncodeAnswer(state, false); }
BENCHMARK(Answer)->Name("pipeline/answer");
void AnswerExplained(benchmark::State& state) { EncodeAnswer(state, true); }
BENCHMARK(AnswerExplained)->Name("pipeline/answer_explained");

// The answer by way of its message.
void Response(benchmark::State& state) {
  Fixture fixture(10);
  decision::Decision decision;
  if (!fixture.Decide(decision).ok()) state.SkipWithError("not decided");
  std::string bytes;
  google::protobuf::Arena arena;
  const AllocationReport allocations;
  for (auto _ : state) {
    auto* response = google::protobuf::Arena::CreateMessage<pb::DecideResponse>(&arena);
    testing::FillResponse(*fixture.strategy_, fixture.context_, decision, false, response);
    response->SerializeToString(&bytes);
    benchmark::DoNotOptimize(bytes.data());
    arena.Reset();
  }
  allocations.Finish(state);
  state.counters["bytes"] = static_cast<double>(bytes.size());
}
BENCHMARK(Response)->Name("pipeline/response");

// From the bytes of the request to those of the answer, with the message on an arena, as the server
// does. `next_id` names the customer of each decision.
template <typename NextId>
void DecideAll(benchmark::State& state, Fixture& fixture, storage::StateStore* store,
               NextId next_id) {
  service::DecisionService service = fixture.Service(store);
  std::string request_bytes;
  std::string response_bytes;
  char block[16 << 10];
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = sizeof block;
  google::protobuf::Arena arena(options);
  pb::DecideRequest request = fixture.request_;
  const AllocationReport allocations;
  for (auto _ : state) {
    request.set_customer_id(next_id());
    request.SerializeToString(&request_bytes);
    auto* received = google::protobuf::Arena::CreateMessage<pb::DecideRequest>(&arena);
    Violations violations;
    response_bytes.clear();
    if (!received->ParseFromString(request_bytes) ||
        !service.Decide(*received, &response_bytes, violations).ok()) {
      state.SkipWithError("not decided");
    }
    arena.Reset();
  }
  allocations.Finish(state);
  pb::DecideResponse last;
  if (!last.ParseFromString(response_bytes) || last.degraded()) state.SkipWithError("degraded");
}

void WholeWithoutStore(benchmark::State& state) {
  Fixture fixture(static_cast<int>(state.range(0)));
  DecideAll(state, fixture, &fixture.no_store_,
            [&]() -> const std::string& { return fixture.id_; });
}
BENCHMARK(WholeWithoutStore)
    ->Name("pipeline/whole_without_store")
    ->Apply(Models)
    ->MeasureProcessCPUTime();

// A store with 100,000 customers in it, made once for all benchmarks of the program.
class LoadedStore {
 public:
  static storage::StateStore* Get(const Fixture& fixture) {
    // Closed at exit: RocksDB's threads must not outlive what they use.
    static const LoadedStore store(fixture);
    return store.store_.get();
  }

 private:
  explicit LoadedStore(const Fixture& fixture) {
    storage::RocksDbOptions options;
    options.path = dir_.File("store");
    auto opened = storage::OpenRocksDbStore(options);
    if (!opened.ok()) std::abort();
    store_ = *std::move(opened);
    const customer::ProfileWriter writer(store_.get(), &fixture.clock_, fixture.seed_);
    constexpr uint64_t kBatch = 1'000;
    for (uint64_t begin = 0; begin < kCustomers; begin += kBatch) {
      std::vector<std::string> ids;
      std::vector<std::string> features;
      for (uint64_t i = begin; i < begin + kBatch; ++i) {
        ids.push_back(CustomerId(i));
        features.push_back(testing::LargeFeatures(*fixture.strategy_, i));
      }
      std::vector<customer::ProfileChange> changes;
      for (size_t i = 0; i < kBatch; ++i) {
        customer::ProfileChange& change = changes.emplace_back();
        change.customer_id = ids[i];
        ValueReader reader(features[i]);
        for (ValueEntry entry; reader.Next(entry);) {
          change.edits.push_back({entry.number, entry.value});
        }
      }
      for (const auto& result : writer.UpsertMany(changes)) {
        if (!result.ok()) std::abort();
      }
    }
    if (!store_->Sync().ok()) std::abort();
  }

  const testing::TempDir dir_;
  std::unique_ptr<storage::StateStore> store_;
};

void WholeWithStore(benchmark::State& state) {
  Fixture fixture(static_cast<int>(state.range(0)));
  storage::StateStore* const store = LoadedStore::Get(fixture);
  std::mt19937_64 random(3);
  DecideAll(state, fixture, store, [&] { return CustomerId(random() % kCustomers); });
}
BENCHMARK(WholeWithStore)
    ->Name("pipeline/whole_with_store")
    ->Apply(Models)
    ->MeasureProcessCPUTime();

// Processor time of all threads, in seconds.
double ProcessSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// 100 trees of depth 6 on the features that are numbers, none on the treatment.
trees::TreeEnsemble RandomTrees(const strategy::Strategy& strategy, std::mt19937_64& random) {
  constexpr size_t kTrees = 100;
  constexpr size_t kSplits = 63;
  trees::ParsedModel model;
  for (int slot = 0; slot < strategy.features.size(); ++slot) {
    if (strategy.features[slot].type != ValueType::kDouble) continue;
    model.info.features.push_back(strategy.features[slot].name);
  }
  model.arithmetic = trees::Arithmetic::kFloat;
  model.link = trees::Link::kSigmoid;
  model.base = {0};
  model.info.trees = model.info.trees_in_file = kTrees;
  for (size_t number = 0; number < kTrees; ++number) {
    trees::ParsedTree& tree = model.trees.emplace_back();
    tree.nodes.resize(2 * kSplits + 1);
    for (size_t i = 0; i < tree.nodes.size(); ++i) {
      trees::ParsedNode& node = tree.nodes[i];
      node.cover = 1;
      node.output = static_cast<double>(random() % 256) / 1024 - 0.125;
      if (i >= kSplits) continue;
      node.left = static_cast<int64_t>(2 * i + 1);
      node.right = node.left + 1;
      node.feature = static_cast<int64_t>(random() % model.info.features.size());
      node.threshold = static_cast<double>(random() % 100);
    }
    for (size_t i = kSplits; i-- > 0;) {
      tree.nodes[i].cover = tree.nodes[2 * i + 1].cover + tree.nodes[2 * i + 2].cover;
    }
  }
  auto ensemble = trees::TreeEnsemble::Create(std::move(model));
  if (!ensemble.ok()) std::abort();
  return *std::move(ensemble);
}

// Puts trees in the place of every model.
void UseTrees(strategy::Strategy& strategy) {
  std::mt19937_64 random(5);
  const scoring::InputNames names{strategy.features, strategy.context, strategy.catalog};
  for (scoring::NamedModel& model : strategy.models.models) {
    strategy::v1::ModelReference reference;
    reference.set_name(model.name);
    model.model = scoring::TreeModel::Create(
        RandomTrees(strategy, random), reference, names, strategy.models.inputs,
        [](std::string_view, const std::string&) { std::abort(); });
  }
}

// The same decisions with an explanation of all 50 treatments, and without one: the counter
// `times_a_decision` is what the former cost as a multiple of the latter, which is to be 2 at most.
// Both are made in turns, so that they see the same machine and the same store; the time shown is
// the processor time of one explained.
void WholeExplained(benchmark::State& state, bool with_trees) {
  constexpr int kBatch = 64;
  Fixture fixture(static_cast<int>(state.range(0)));
  if (with_trees) UseTrees(*fixture.strategy_);
  service::DecisionService service = fixture.Service(LoadedStore::Get(fixture));
  std::mt19937_64 random(4);
  pb::DecideRequest request = fixture.request_;
  request.set_max_treatments(static_cast<int>(state.range(1)));
  std::string answer;
  const auto decide = [&](bool explain) {
    request.set_explain(explain);
    const double start = ProcessSeconds();
    for (int i = 0; i < kBatch; ++i) {
      request.set_customer_id(CustomerId(random() % kCustomers));
      Violations violations;
      answer.clear();
      if (!service.Decide(request, &answer, violations).ok()) state.SkipWithError("not decided");
    }
    return ProcessSeconds() - start;
  };
  decide(true);  // warm
  double plain = 0;
  double explained = 0;
  for (auto _ : state) {
    plain += decide(false);
    const double seconds = decide(true);
    explained += seconds;
    state.SetIterationTime(seconds / kBatch);
  }
  state.counters["times_a_decision"] = explained / plain;
  state.counters["bytes"] = static_cast<double>(answer.size());
}

// By models, and how many treatments are ranked at most: 45 can be.
void Ranked(benchmark::internal::Benchmark* b) {
  b->ArgNames({"models", "ranked"})->Args({10, 3})->Args({10, 50})->UseManualTime();
}
void WholeExplainedLinear(benchmark::State& state) { WholeExplained(state, false); }
BENCHMARK(WholeExplainedLinear)->Name("pipeline/whole_explained")->Apply(Ranked)->Args({50, 3});
void WholeExplainedTrees(benchmark::State& state) { WholeExplained(state, true); }
BENCHMARK(WholeExplainedTrees)->Name("pipeline/whole_explained_trees")->Apply(Ranked);

}  // namespace
}  // namespace attune
