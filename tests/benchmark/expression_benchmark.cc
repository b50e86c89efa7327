// The cost of rules, beside the same rules written by hand.

#include <benchmark/benchmark.h>

#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/codec.h"
#include "lib/expression/evaluator.h"
#include "lib/expression/explanation.h"

namespace attune::expression {
namespace {

constexpr std::string_view kPlans[] = {"gold", "silver", "basic", "platinum"};
constexpr std::string_view kThreeComparisons =
    "customer.tenure_months >= 12 && customer.open_incidents < 2 && customer.plan == 'gold'";

// The customer as handwritten code would have it.
struct Customer {
  int64_t tenure_months;
  int64_t open_incidents;
  std::string_view plan;
  double clv;
  std::string tags;  // encoded
};

enum Slot : uint32_t { kTenure, kIncidents, kPlan, kClv, kTags, kChannel, kIntent, kSlots };

std::shared_ptr<Environment> MakeEnvironment() {
  auto environment = std::make_shared<Environment>();
  const auto add = [&](std::string_view path, std::string_view type, Scope scope, uint32_t slot) {
    environment->AddVariable(path, environment->types().Parse(type), scope, slot).IgnoreError();
  };
  add("customer.tenure_months", "int", Scope::kDecision, kTenure);
  add("customer.open_incidents", "int", Scope::kDecision, kIncidents);
  add("customer.plan", "string", Scope::kDecision, kPlan);
  add("customer.clv", "double", Scope::kDecision, kClv);
  add("customer.tags", "list(string)", Scope::kDecision, kTags);
  add("context.channel", "string", Scope::kDecision, kChannel);
  add("context.intent", "string", Scope::kDecision, kIntent);
  add("treatment.margin", "double", Scope::kCandidate, 0);
  add("treatment.min_tenure", "int", Scope::kCandidate, 1);
  return environment;
}

std::vector<Customer> MakeCustomers() {
  std::mt19937_64 random(1);
  std::vector<Customer> customers(256);
  for (Customer& customer : customers) {
    // Each comparison holds for about three of four.
    customer = {static_cast<int64_t>(random() % 48), static_cast<int64_t>(random() % 3),
                kPlans[random() % 4 == 0 ? random() % 4 : 0], static_cast<double>(random() % 1000),
                ""};
    for (const std::string_view tag : {"fibre", "family", "roaming"}) {
      if (random() % 2 == 0) PutBytes(customer.tags, tag);
    }
  }
  return customers;
}

std::vector<std::vector<Value>> MakeSlots(const std::vector<Customer>& customers) {
  std::vector<std::vector<Value>> all;
  for (const Customer& customer : customers) {
    std::vector<Value>& slots = all.emplace_back(kSlots);
    slots[kTenure] = Value::Int(customer.tenure_months);
    slots[kIncidents] = Value::Int(customer.open_incidents);
    slots[kPlan] = Value::String(customer.plan);
    slots[kClv] = Value::Double(customer.clv);
    slots[kTags] = Value::EncodedList(customer.tags);
    slots[kChannel] = Value::String("app");
    slots[kIntent] = Value::String("upgrade");
  }
  return all;
}

__attribute__((noinline)) bool Handwritten(const Customer& customer) {
  return customer.tenure_months >= 12 && customer.open_incidents < 2 && customer.plan == "gold";
}

void BM_ThreeComparisonsHandwritten(benchmark::State& state) {
  const std::vector<Customer> customers = MakeCustomers();
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(Handwritten(customers[i++ % customers.size()]));
}
BENCHMARK(BM_ThreeComparisonsHandwritten);

void BM_ThreeComparisons(benchmark::State& state) {
  const std::vector<Customer> customers = MakeCustomers();
  const std::vector<std::vector<Value>> slots = MakeSlots(customers);
  IssueList issues;
  const auto rules = CompileOne(MakeEnvironment(), "rule", kThreeComparisons, {}, issues);
  Evaluator evaluator(*rules);
  size_t i = 0;
  for (auto _ : state) {
    evaluator.StartDecision(slots[i++ % slots.size()].data());
    benchmark::DoNotOptimize(evaluator.Test(0));
  }
}
BENCHMARK(BM_ThreeComparisons);

// Four rules of a treatment, the first one of four that all treatments share.
std::vector<std::string> RulesOf(int treatment) {
  constexpr std::string_view kShared[] = {
      "context.channel in ['app', 'web', 'ivr'] && customer.open_incidents < 2",
      "customer.tenure_months > 3 && customer.plan != 'prepaid'",
      "'fibre' in customer.tags || customer.clv > 250.0",
      "context.intent == 'upgrade' && customer.clv > 10.0 && customer.open_incidents == 0"};
  return {std::string(kShared[treatment % 4]),
          absl::StrCat("customer.tenure_months >= ", treatment % 40, " && customer.clv > ",
                       treatment * 3, ".5 && customer.plan == 'gold'"),
          absl::StrCat("treatment.margin > ", treatment % 10, ".0 && customer.clv < ",
                       1000 + treatment, ".0 && customer.tenure_months >= treatment.min_tenure"),
          absl::StrCat("customer.plan in ['gold', 'silver', 'p", treatment,
                       "'] && (context.intent == 'upgrade' || customer.tenure_months > ", treatment,
                       ")")};
}

std::unique_ptr<const RuleSet> CompileTreatments(int treatments, bool explain) {
  RuleSetBuilder builder(MakeEnvironment());
  IssueList issues;
  CompileOptions options;
  options.explain = explain;
  options.result = SimpleType(TypeKind::kBool);
  options.for_many_candidates = false;  // they are a treatment's own
  for (int treatment = 0; treatment < treatments; ++treatment) {
    for (const std::string& rule : RulesOf(treatment)) builder.Add("rule", rule, options, issues);
  }
  return builder.Build();
}

void BM_FiftyTreatmentsOfFourRules(benchmark::State& state) {
  constexpr int kTreatments = 50;
  const auto rules = CompileTreatments(kTreatments, true);
  if (rules->size() != 4 * kTreatments) state.SkipWithError("the rules don't compile");
  const std::vector<Customer> customers = MakeCustomers();
  const std::vector<std::vector<Value>> slots = MakeSlots(customers);
  std::vector<std::vector<Value>> attributes;
  for (int treatment = 0; treatment < kTreatments; ++treatment) {
    attributes.push_back({Value::Double(treatment % 20), Value::Int(treatment % 30)});
  }
  Evaluator evaluator(*rules);
  size_t i = 0;
  int held = 0;
  for (auto _ : state) {
    evaluator.StartDecision(slots[i++ % slots.size()].data());
    for (uint32_t treatment = 0; treatment < kTreatments; ++treatment) {
      evaluator.StartCandidate(attributes[treatment].data());
      for (uint32_t rule = 0; rule < 4; ++rule) {
        held += evaluator.Test(4 * treatment + rule) == Verdict::kTrue;
      }
    }
  }
  benchmark::DoNotOptimize(held);
}
BENCHMARK(BM_FiftyTreatmentsOfFourRules)->Unit(benchmark::kMicrosecond);

void BM_ExplainOneRejection(benchmark::State& state) {
  const std::vector<Customer> customers = {{24, 2, "gold", 10, ""}};
  const std::vector<std::vector<Value>> slots = MakeSlots(customers);
  IssueList issues;
  const auto rules = CompileOne(MakeEnvironment(), "rule", kThreeComparisons, {}, issues);
  Evaluator evaluator(*rules);
  Findings findings;
  for (auto _ : state) {
    evaluator.StartDecision(slots[0].data());
    Explain(evaluator, 0, findings);
    benchmark::DoNotOptimize(findings.parts.data());
  }
}
BENCHMARK(BM_ExplainOneRejection);

void BM_CompileTwoThousandTreatments(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(CompileTreatments(2000, true));
}
BENCHMARK(BM_CompileTwoThousandTreatments)->Unit(benchmark::kMillisecond);

void BM_StringFunctions(benchmark::State& state) {
  const std::vector<Customer> customers = MakeCustomers();
  const std::vector<std::vector<Value>> slots = MakeSlots(customers);
  IssueList issues;
  const auto rules =
      CompileOne(MakeEnvironment(), "rule",
                 "customer.plan.startsWith('go') && customer.plan.matches('^g.*d$')", {}, issues);
  Evaluator evaluator(*rules);
  size_t i = 0;
  for (auto _ : state) {
    evaluator.StartDecision(slots[i++ % slots.size()].data());
    benchmark::DoNotOptimize(evaluator.Test(0));
  }
}
BENCHMARK(BM_StringFunctions);

void BM_ExistsOverARecordList(benchmark::State& state) {
  const std::vector<Customer> customers = MakeCustomers();
  const std::vector<std::vector<Value>> slots = MakeSlots(customers);
  IssueList issues;
  const auto rules = CompileOne(MakeEnvironment(), "rule",
                                "customer.tags.exists(t, t.endsWith('ming'))", {}, issues);
  Evaluator evaluator(*rules);
  size_t i = 0;
  for (auto _ : state) {
    evaluator.StartDecision(slots[i++ % slots.size()].data());
    benchmark::DoNotOptimize(evaluator.Test(0));
  }
}
BENCHMARK(BM_ExistsOverARecordList);

}  // namespace
}  // namespace attune::expression
