// What the policy stage costs: 50 treatments, 6 contact policies on everything, quiet hours in the
// customer's own time zone among them, and a history of 40 or 512 interactions.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "lib/policy/policy.h"
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

}  // namespace
}  // namespace attune
