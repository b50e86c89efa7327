// How long the adaptive model takes to learn, to predict, and for what surrounds both: snapshots
// and stored states. items_per_second of BM_Learn is updates per second.

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "lib/learning/adaptive_model.h"
#include "lib/learning/adaptive_snapshot.h"
#include "lib/learning/model_health.h"

namespace attune::learning {
namespace {

constexpr int kInputs = 40;
constexpr int kCustomers = 4096;
constexpr uint32_t kGroups = 3;

// Of forty: half numbers, a quarter bools, a quarter categories.
InputKind KindOf(int input) {
  switch (input % 4) {
    case 0:
      return InputKind::kBool;
    case 1:
      return InputKind::kCategory;
    default:
      return InputKind::kNumber;
  }
}

std::shared_ptr<const InputLayout> FortyInputs() {
  std::vector<InputSpec> inputs;
  inputs.reserve(kInputs);
  for (int i = 0; i < kInputs; ++i) inputs.push_back({absl::StrCat("input_", i), KindOf(i)});
  return *InputLayout::Create(inputs, {}, {});
}

// Customers with random values; the views of categories are into the names.
class RandomCustomers {
 public:
  RandomCustomers() {
    std::mt19937_64 random(1);
    for (int i = 0; i < 12; ++i) names_.push_back(absl::StrCat("category_", i));
    for (int i = 0; i < kCustomers * kInputs; ++i) {
      switch (KindOf(i % kInputs)) {
        case InputKind::kBool:
          values_.push_back(InputValue::Bool(random() % 2 == 0));
          break;
        case InputKind::kCategory:
          values_.push_back(InputValue::Category(names_[random() % names_.size()]));
          break;
        case InputKind::kNumber:
          values_.push_back(InputValue::Number(std::normal_distribution<>(0, 100)(random)));
          break;
      }
    }
    for (int i = 0; i < kCustomers; ++i) labels_.push_back(random() % 10 == 0 ? 1 : 0);
  }

  absl::Span<const InputValue> Values(uint64_t i) const {
    return absl::MakeConstSpan(values_).subspan(i % kCustomers * kInputs, kInputs);
  }
  double Label(uint64_t i) const { return labels_[i % kCustomers]; }

 private:
  std::vector<std::string> names_;
  std::vector<InputValue> values_;
  std::vector<double> labels_;
};

const RandomCustomers& Customers() {
  static const RandomCustomers customers;
  return customers;
}

bool LearnOne(uint64_t i, uint32_t treatments, AdaptiveModel& model) {
  Example example;
  example.id = i;
  example.time = absl::FromUnixSeconds(static_cast<int64_t>(1'700'000'000 + i));
  example.treatment = static_cast<uint32_t>(i * 7919 % treatments);
  example.group = example.treatment % kGroups;
  example.label = Customers().Label(i);
  example.inputs = Customers().Values(i);
  return model.Learn(example).ok();
}

AdaptiveModel LearnedModel(uint32_t treatments) {
  AdaptiveModel model = *AdaptiveModel::Create(FortyInputs(), {});
  for (uint64_t i = 0; i < 20'000; ++i) LearnOne(i, treatments, model);
  return model;
}

void BM_Learn(benchmark::State& state) {
  const auto treatments = static_cast<uint32_t>(state.range(0));
  AdaptiveModel model = LearnedModel(treatments);
  uint64_t i = model.examples();
  for (auto _ : state) {
    if (!LearnOne(i++, treatments, model)) state.SkipWithError("an example was refused");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Learn)->Arg(50)->Arg(1000);

void BM_LearnAndMeasure(benchmark::State& state) {
  AdaptiveModel model = LearnedModel(50);
  ModelHealth health(FortyInputs(), {});
  uint64_t i = model.examples();
  for (auto _ : state) {
    if (!LearnOne(i, 50, model) ||
        !health.Add({i, model.last_update(), 0.1, Customers().Label(i), Customers().Values(i)})
             .ok()) {
      state.SkipWithError("an example was refused");
    }
    ++i;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_LearnAndMeasure);

void BM_Encode(benchmark::State& state) {
  const auto snapshot = LearnedModel(50).MakeSnapshot();
  EncodedInputs encoded;
  uint64_t i = 0;
  for (auto _ : state) {
    snapshot->Encode(Customers().Values(i++), encoded);
    benchmark::DoNotOptimize(encoded.active.data());
  }
}
BENCHMARK(BM_Encode);

// Fifty treatments of as many as the model has, in one situation; encoding not included.
void BM_PredictFifty(benchmark::State& state) {
  const auto treatments = static_cast<uint32_t>(state.range(0));
  const auto snapshot = LearnedModel(treatments).MakeSnapshot();
  std::vector<EncodedInputs> encoded(64);
  for (size_t i = 0; i < encoded.size(); ++i) snapshot->Encode(Customers().Values(i), encoded[i]);
  std::vector<uint32_t> rows;
  for (uint32_t i = 0; i < 50; ++i) {
    const uint32_t treatment = i * 37 % treatments;
    rows.push_back(snapshot->RowOf(treatment, treatment % kGroups));
  }
  std::vector<Prediction> predictions(rows.size());
  size_t i = 0;
  for (auto _ : state) {
    snapshot->Predict(encoded[i++ % encoded.size()], rows, absl::MakeSpan(predictions));
    benchmark::DoNotOptimize(predictions.data());
  }
}
BENCHMARK(BM_PredictFifty)->Arg(50)->Arg(1000);

void BM_MakeSnapshot(benchmark::State& state) {
  const AdaptiveModel model = LearnedModel(static_cast<uint32_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(model.MakeSnapshot());
}
BENCHMARK(BM_MakeSnapshot)->Arg(50)->Arg(1000)->Unit(benchmark::kMillisecond);

void BM_SerializeAndParse(benchmark::State& state) {
  const AdaptiveModel model = LearnedModel(50);
  const auto layout = FortyInputs();
  size_t bytes = 0;
  for (auto _ : state) {
    const std::string stored = model.Serialize();
    bytes = stored.size();
    if (!AdaptiveModel::Parse(stored, layout, {}).ok()) state.SkipWithError("not read");
  }
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(BM_SerializeAndParse)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace attune::learning
