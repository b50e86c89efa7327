#ifndef ATTUNE_TESTS_INTEGRATION_CRASH_CRASH_STRATEGY_H_
#define ATTUNE_TESTS_INTEGRATION_CRASH_CRASH_STRATEGY_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace attune::crash {

// The strategy that is run under kill -9: an adaptive model in mode online, exploration so that
// picks vary, and caps over all channels with windows so short that they fill and empty many times.

// Of its file; what it learns is in the blob "learner/crash".
inline constexpr char kStrategyName[] = "crash";
inline constexpr char kModelName[] = "response";

// The names that the clients use.
inline constexpr std::string_view kChannels[] = {"app", "ivr", "web"};
inline constexpr std::string_view kIntents[] = {"report_outage", "browse_plans"};
inline constexpr char kOfferGroup[] = "offer";
inline constexpr char kRareTreatment[] = "accessory";

// At most so many decisions put an offer on top in the window, ...
inline constexpr int kOfferCap = 2;
inline constexpr int64_t kOfferWindowMs = 4'000;
// ... at most so many the rare offer, ...
inline constexpr int kRareCap = 1;
inline constexpr int64_t kRareWindowMs = 6'000;
// ... and nobody is made an offer who has accepted so many in the window.
inline constexpr int kAcceptedCap = 2;
inline constexpr int64_t kAcceptedWindowMs = 10'000;

// The longest attribution window. A decision is remembered for at least so long, so a report that
// is sent again within it is recognised: longer than a client may have to wait for a server.
inline constexpr int64_t kLongestWindowSeconds = 60;

// The feature that the client with this number, and nobody else, writes: how often it has written.
inline std::string MarkOf(size_t client) { return absl::StrCat("mark_", client); }

// The whole strategy, with a mark for each of the clients.
inline std::string CrashStrategy(size_t clients) {
  std::string marks;
  for (size_t i = 0; i < clients; ++i) {
    absl::StrAppend(&marks, "  - {name: ", MarkOf(i), ", type: int}\n");
  }
  return absl::StrCat(R"yaml(name: crash
currency: EUR
history: {max_interactions: 4096}
features:
  - {name: plan, type: string, default: basic}
  - {name: tenure_months, type: int, default: 12}
)yaml",
                      marks, R"yaml(attributes:
  - {name: wait_s, type: double}
channels:
  - {name: app}
  - {name: ivr}
  - {name: web}
intents:
  - {name: report_outage}
  - {name: browse_plans}
groups:
  - {name: resolution}
  - name: offer
    contact:
      - name: offers_in_a_row
        cap: {at_most: )yaml",
                      kOfferCap, ", outcomes: [decided], window: ", kOfferWindowMs / 1000,
                      R"yaml(s, per: group}
      - name: accepted_lately
        cap: {at_most: )yaml",
                      kAcceptedCap, ", outcomes: [accepted], window: ", kAcceptedWindowMs / 1000,
                      R"yaml(s, per: group}
outcomes:
  - {name: shown, showing: true, window: 20s}
  - {name: accepted, window: 40s, final: true}
  - {name: rejected, window: 40s, final: true}
  - {name: satisfaction, window: )yaml",
                      kLongestWindowSeconds, R"yaml(s, min_value: 1, max_value: 5}
learning:
  reward: "outcome.accepted.seen ? treatment.value - treatment.cost : -treatment.cost"
models:
  - name: response
    adaptive:
      inputs: [customer.plan, customer.tenure_months, context.channel, context.intent,
               context.attributes.wait_s]
      crosses:
        - {first: customer.plan, second: context.channel}
      half_life: 1d
      prior: 0.3
treatments:
  - {name: fast_callback, group: resolution, value: 20, cost: 1, model: response,
     content: {app: {text: a}, ivr: {text: a}, web: {text: a}}}
  - {name: goodwill_credit, group: resolution, value: 25, cost: 3, model: response,
     content: {app: {text: b}, ivr: {text: b}, web: {text: b}}}
  - {name: upgrade, group: offer, value: 60, cost: 1, model: response,
     content: {app: {text: c}, ivr: {text: c}, web: {text: c}}}
  - {name: bundle, group: offer, value: 50, cost: 1, model: response,
     content: {app: {text: d}, ivr: {text: d}, web: {text: d}}}
  - name: accessory
    group: offer
    value: 55
    cost: 1
    model: response
    contact:
      - name: rarely
        cap: {at_most: )yaml",
                      kRareCap, ", outcomes: [decided], window: ", kRareWindowMs / 1000, R"yaml(s}
    content: {app: {text: e}, ivr: {text: e}, web: {text: e}}
arbitration:
  max_treatments: 2
  exploration: {thompson_sampling: {evidence: 100}, floor: 0.02}
)yaml");
}

}  // namespace attune::crash

#endif  // ATTUNE_TESTS_INTEGRATION_CRASH_CRASH_STRATEGY_H_
