// What the policy stage costs: 50 treatments, 6 contact policies on everything, quiet hours in the
// customer's own time zone among them, and a history of 40 or 512 interactions; 50 treatments with
// 4 rules each, a quarter of them shared; and what explaining a decision costs beside making it.

#include <time.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "lib/context/value_codec.h"
#include "lib/decision/decider.h"
#include "lib/policy/policy.h"
#include "service/decision_answer.h"
#include "tests/testing/fake_state_store.h"
#include "tests/testing/strategy_builder.h"

namespace attune {
namespace {

constexpr int64_t kNowMs = 1'772'366'400'000;  // 2026-03-01, noon UTC
constexpr int kTreatments = 50;

constexpr char kContact[] = R"pb(
  name: "policies"
  features {
    name: "zone"
    type: VALUE_TYPE_STRING
    default { string_value: "Europe/Berlin" }
  }
  channels { name: "app" }
  channels { name: "mail" }
  models { name: "m" file: "m.yaml" }
  outcomes { name: "shown" }
  outcomes { name: "rejected" }
  groups { name: "care" }
  groups { name: "offer" purpose: "marketing" }
  purposes { name: "marketing" consent: CONSENT_OPT_OUT }
  history { time_zone_feature: "zone" }
  contact {
    name: "a"
    cap { at_most: 2000 outcomes: "decided" window { seconds: 604800 } }
  }
  contact {
    name: "b"
    cap { at_most: 2000 outcomes: "shown" window { seconds: 86400 } per: SCOPE_TREATMENT }
  }
  contact {
    name: "c"
    suppression { outcomes: "rejected" after: 2000 window { seconds: 86400 } for { seconds: 864000 } }
  }
  contact {
    name: "d"
    min_gap { gap { seconds: 60 } outcomes: "shown" channels: "mail" }
  }
  contact {
    name: "e"
    quiet_hours { from: "21:00" until: "08:00" }
  }
  contact {
    name: "f"
    cap { at_most: 2000 outcomes: "shown" window { seconds: 2592000 } per: SCOPE_GROUP }
  }
)pb";

std::shared_ptr<strategy::Strategy> Build(testing::StrategyBuilder& builder, bool with_contact) {
  auto file = testing::FromText<strategy::v1::Strategy>(kContact);
  if (!with_contact) file.clear_contact();
  for (int i = 0; i < kTreatments; ++i) {
    strategy::v1::Treatment* treatment = file.add_treatments();
    treatment->set_name("t" + std::to_string(i));
    treatment->set_group(i % 2 == 0 ? "care" : "offer");
    treatment->set_model("m");
    for (const char* channel : {"app", "mail"}) (*treatment->mutable_content())[channel];
  }
  return builder.Build(file,
                       {testing::FromText<strategy::v1::Model>("linear { link: LINK_LOGISTIC }")});
}

void ApplyPolicies(benchmark::State& state, bool with_contact) {
  testing::StrategyBuilder builder;
  const auto strategy = Build(builder, with_contact);
  std::vector<customer::Interaction> interactions;
  for (int64_t i = 0; i < state.range(0); ++i) {
    const auto treatment = static_cast<size_t>(i) % kTreatments;
    interactions.push_back(
        {i % 3 == 0 ? customer::InteractionKind::kDecided : customer::InteractionKind::kOutcome,
         kNowMs - i * 3'600'000, strategy->context.channels[0].number,
         strategy->catalog.treatments[treatment].number,
         i % 3 == 0 ? 0 : strategy->outcomes[static_cast<int>(i % 2)].number});
  }
  customer::RecordChange change;
  change.interactions = interactions;
  change.bounds = {512, INT64_MAX};
  change.now_ms = kNowMs;
  storage::Record record;
  record.found = true;
  customer::EncodeRecord(customer::CustomerState(), "c", change, record.bytes);
  const auto customer = customer::CustomerState::Parse(record, "c").value();
  context::DecisionContext context;
  context.time_us = kNowMs * 1000;
  std::vector<int> candidates(kTreatments);
  std::iota(candidates.begin(), candidates.end(), 0);
  policy::PolicyResult result;
  for (auto _ : state) {
    policy::ApplyPolicies({strategy->catalog, strategy->engagement, strategy->contact,
                           strategy->context, context, customer, strategy->features.defaults()},
                          candidates, result);
    benchmark::DoNotOptimize(result.kept.data());
  }
  if (result.kept.size() != kTreatments) state.SkipWithError("something was rejected");
}

void WithContact(benchmark::State& state) { ApplyPolicies(state, true); }
BENCHMARK(WithContact)->Name("policy/contact")->ArgName("interactions")->Arg(0)->Arg(40)->Arg(512);

void WithoutContact(benchmark::State& state) { ApplyPolicies(state, false); }
BENCHMARK(WithoutContact)->Name("policy/none")->ArgName("interactions")->Arg(40);

// Ten terms, most of them on the customer.
constexpr char kTenTerms[] = R"pb(
  linear {
    link: LINK_LOGISTIC
    intercept: -0.5
    terms {
      input: "customer.tenure"
      numeric { weight: 0.3 mean: 24 scale: 20 }
    }
    terms {
      input: "customer.tenure"
      buckets {
        bounds: [ 6, 12, 36 ]
        weights: [ 0.4, 0.1, -0.1, -0.3 ]
      }
    }
    terms {
      input: "customer.incidents"
      numeric { weight: -0.2 mean: 1 scale: 1 }
    }
    terms {
      input: "customer.incidents"
      buckets {
        bounds: [ 1, 3 ]
        weights: [ 0.2, -0.1, -0.5 ]
      }
    }
    terms {
      input: "customer.clv"
      numeric { weight: 0.25 mean: 300 scale: 150 }
    }
    terms {
      input: "customer.clv"
      buckets {
        bounds: [ 100, 400 ]
        weights: [ -0.3, 0.05, 0.35 ]
      }
    }
    terms {
      input: "customer.plan"
      one_hot {
        weights { key: "gold" value: 0.6 }
        weights { key: "silver" value: 0.2 }
      }
    }
    terms {
      input: "customer.zone"
      one_hot { weights { key: "Europe/Berlin" value: 0.15 } }
    }
    terms {
      input: "context.channel"
      one_hot {
        weights { key: "app" value: 0.1 }
        weights { key: "mail" value: -0.1 }
      }
    }
    terms {
      input: "treatment.group"
      one_hot {
        weights { key: "care" value: 0.05 }
        weights { key: "offer" value: -0.05 }
      }
    }
  }
)pb";

// One rule in four is shared: it stands on a group.
std::shared_ptr<strategy::Strategy> BuildWithRules(testing::StrategyBuilder& builder) {
  auto file = testing::FromText<strategy::v1::Strategy>(kContact);
  file.clear_contact();
  const auto declare = [](auto* list, const char* name, strategy::v1::ValueType type) {
    strategy::v1::Declaration* declaration = list->Add();
    declaration->set_name(name);
    declaration->set_type(type);
  };
  declare(file.mutable_features(), "tenure", strategy::v1::VALUE_TYPE_INT);
  declare(file.mutable_features(), "incidents", strategy::v1::VALUE_TYPE_INT);
  declare(file.mutable_features(), "plan", strategy::v1::VALUE_TYPE_STRING);
  declare(file.mutable_features(), "clv", strategy::v1::VALUE_TYPE_DOUBLE);
  declare(file.mutable_treatment_attributes(), "margin", strategy::v1::VALUE_TYPE_DOUBLE);
  int rules = 0;
  const auto add = [&](auto* list, const std::string& when) {
    strategy::v1::Rule* rule = list->Add();
    rule->set_name("r" + std::to_string(rules++));
    rule->set_when(when);
  };
  for (int g = 0; g < file.groups_size(); ++g) {
    add(file.mutable_groups(g)->mutable_eligibility(),
        "customer.incidents < " + std::to_string(2 + g) + " && customer.plan != 'prepaid'");
  }
  for (int i = 0; i < kTreatments; ++i) {
    const std::string number = std::to_string(i);
    strategy::v1::Treatment* treatment = file.add_treatments();
    treatment->set_name("t" + number);
    treatment->set_group(i % 2 == 0 ? "care" : "offer");
    treatment->set_model("m");
    (*treatment->mutable_attributes())["margin"].set_double_value(i % 20);
    for (const char* channel : {"app", "mail"}) (*treatment->mutable_content())[channel];
    add(treatment->mutable_eligibility(), "customer.tenure >= " + std::to_string(i % 40) +
                                              " && customer.clv > " + number +
                                              ".5 && customer.plan == 'gold'");
    add(treatment->mutable_applicability(),
        "treatment.margin >= 0.0 && customer.clv < " + std::to_string(1000 + i) + ".0");
    add(treatment->mutable_suitability(), "customer.plan in ['gold', 'silver', 'p" + number +
                                              "'] && (context.channel == 'app' || "
                                              "customer.tenure > " +
                                              number + ")");
  }
  return builder.Build(file, {testing::FromText<strategy::v1::Model>(kTenTerms)});
}

// A customer for whom the rules of all treatments hold, or those of about half of them.
class RulesFixture {
 public:
  explicit RulesFixture(bool all) : strategy_(BuildWithRules(builder_)) {
    features_.assign(strategy_->features.defaults().begin(), strategy_->features.defaults().end());
    const auto set = [&](const char* name, ValueRef value) {
      features_[static_cast<size_t>(strategy_->features.SlotOf(name))] = value;
    };
    set("tenure", ValueRef::Int(all ? 90 : 20));
    set("plan", ValueRef::String("gold"));
    set("clv", ValueRef::Double(500));
    context_.customer_id = "c";
    context_.time_us = kNowMs * 1000;
    context_.max_treatments = 3;
    std::string values;
    for (int i = 0; i < strategy_->features.size(); ++i) {
      const ValueRef& value = features_[static_cast<size_t>(i)];
      if (value.known()) AppendValue(values, strategy_->features[i].number, value);
    }
    customer::RecordChange change;
    change.features = values;
    std::string bytes;
    customer::EncodeRecord(customer::CustomerState(), "c", change, bytes);
    store_.SetRecord("c", bytes);
  }

  testing::StrategyBuilder builder_;
  const std::shared_ptr<strategy::Strategy> strategy_;
  std::vector<ValueRef> features_;
  context::DecisionContext context_;
  testing::FakeStateStore store_;
};

void Rules(benchmark::State& state) {
  RulesFixture fixture(true);
  const strategy::Strategy& strategy = *fixture.strategy_;
  std::vector<int> candidates(kTreatments);
  std::iota(candidates.begin(), candidates.end(), 0);
  const customer::CustomerState customer;
  policy::PolicyResult result;
  for (auto _ : state) {
    policy::ApplyPolicies({strategy.catalog, strategy.engagement, strategy.contact,
                           strategy.context, fixture.context_, customer, fixture.features_},
                          candidates, result);
    benchmark::DoNotOptimize(result.kept.data());
  }
  if (result.kept.size() != kTreatments) state.SkipWithError("something was rejected");
}
BENCHMARK(Rules)->Name("policy/rules");

// Processor time of this thread, in seconds: what else runs on the machine is not in it.
double ThreadSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Dry runs and their answers; explained: with why 47 of 50 treatments were not ranked, 19 of them
// for rules, and what each of ten terms added to the scores of the others.
class Answers {
 public:
  void Make(bool explain) {
    const absl::Status status = decider_.Decide(
        *fixture_.strategy_, fixture_.context_, options_,
        [](const decision::Decision&, decision::AnswerForm, std::string*) {}, decision_);
    if (!status.ok()) std::abort();
    bytes_.clear();
    encoder_.Append(fixture_.context_, decision_, explain, bytes_);
    benchmark::DoNotOptimize(bytes_.data());
  }
  // How much processor time so many take, in seconds.
  double Measure(bool explain, int times) {
    const double start = ThreadSeconds();
    for (int i = 0; i < times; ++i) Make(explain);
    return ThreadSeconds() - start;
  }
  void Report(benchmark::State& state) const {
    state.counters["by_rules"] = static_cast<double>(decision_.result.policy.rejected.size());
    state.counters["bytes"] = static_cast<double>(bytes_.size());
  }

 private:
  RulesFixture fixture_{false};
  const decision::Decider decider_{&fixture_.store_, HashKeyFromSeed(1)};
  const decision::DecideOptions options_{.dry_run = true};
  const service::AnswerEncoder encoder_{*fixture_.strategy_};
  decision::Decision decision_;
  std::string bytes_;
};

void DecideAndAnswer(benchmark::State& state, bool explain) {
  Answers answers;
  answers.Make(explain);
  for (auto _ : state) answers.Make(explain);
  answers.Report(state);
}
void Decide(benchmark::State& state) { DecideAndAnswer(state, false); }
BENCHMARK(Decide)->Name("policy/decide");
void DecideAndExplain(benchmark::State& state) { DecideAndAnswer(state, true); }
BENCHMARK(DecideAndExplain)->Name("policy/decide_and_explain");

// What explaining a decision costs as a multiple of the decision: the counter `times_a_decision`,
// which is to be 2 at most. Both are measured in turns, so that they see the same machine; the time
// shown is the processor time of one explained.
void ExplainedToDecided(benchmark::State& state) {
  constexpr int kBatch = 64;
  Answers answers;
  answers.Measure(true, kBatch);  // warm
  double decided = 0;
  double explained = 0;
  for (auto _ : state) {
    decided += answers.Measure(false, kBatch);
    const double seconds = answers.Measure(true, kBatch);
    explained += seconds;
    state.SetIterationTime(seconds / kBatch);
  }
  state.counters["times_a_decision"] = explained / decided;
  answers.Report(state);
}
BENCHMARK(ExplainedToDecided)
    ->Name("policy/explained_to_decided")
    ->UseManualTime()
    ->Iterations(200);

}  // namespace
}  // namespace attune
