#ifndef ATTUNE_LIB_SCENARIO_SCENARIO_H_
#define ATTUNE_LIB_SCENARIO_SCENARIO_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "lib/candidates/rejection.h"
#include "lib/context/value.h"
#include "lib/customer/customer_record.h"
#include "lib/stops/stop_set.h"
#include "lib/strategy/strategy.h"

namespace attune::scenario {

// Why a treatment is not to be ranked; what is absent or empty is not looked at.
struct ExpectedRejection {
  int treatment = 0;  // index into Catalog::treatments
  std::optional<candidates::Reason> reason;
  std::string rule;                        // name of a rule or contact policy
  std::optional<int64_t> allowed_from_ms;  // Unix time
  std::string detail;                      // a part of the explanation
  int line = 0;                            // of the file of cases; so everywhere below
};

// The chance with which exploration is to put a treatment on top.
struct ExpectedChance {
  int treatment = 0;  // index into Catalog::treatments
  double chance = 0;  // 0 … 1
  int line = 0;
};

// The channel that a ranked treatment is to be used on, or the place that it is to be in.
struct ExpectedSpot {
  int treatment = 0;  // index into Catalog::treatments
  int spot = 0;       // index into ContextSchema::channels or ::placements
  int line = 0;
};

// What is to be told of what can't be used yet; what is absent is not looked at.
struct ExpectedOpportunity {
  std::optional<int> treatment;    // index into Catalog::treatments
  std::optional<int> channel;      // index into ContextSchema::channels
  std::optional<int64_t> time_ms;  // Unix time
  int line = 0;
};

// What a ranked treatment is to show; other fields are not looked at.
struct ExpectedContent {
  int treatment = 0;                                        // index into Catalog::treatments
  std::vector<std::pair<std::string, std::string>> fields;  // name and text, by name
  int line = 0;
};

// What a decision is to be; what is absent or empty is not looked at. Treatments are indexes into
// Catalog::treatments.
struct Expectation {
  std::optional<std::vector<int>> ranking;  // exactly
  std::optional<int> top;
  std::vector<int> includes;
  std::vector<ExpectedRejection> rejected;
  std::vector<ExpectedChance> chances;
  std::vector<ExpectedSpot> channels;
  std::vector<ExpectedSpot> placements;
  std::optional<ExpectedOpportunity> earliest;
  std::vector<ExpectedContent> content;
  int ranking_line = 0;
  int top_line = 0;
  int includes_line = 0;
};

// What a customer says in a step.
struct SaidConsent {
  uint32_t purpose = 0;             // number in the store's NameDictionary
  std::optional<uint32_t> channel;  // the same; absent: all
  bool granted = false;
  int64_t time_us = 0;  // Unix time
};

// How far the ramps have come, and where the customer stands in them.
struct RampState {
  std::vector<int64_t> evidence;  // of each of Catalog::ramps; empty: of none
  double place = 0;               // on [0, 1)
};

// A situation as an interaction tells it.
struct Situation {
  std::string channel;                     // context::kEveryChannel: open
  std::vector<std::string> open_channels;  // instead of `channel`
  std::string intent;                      // empty: not known
  std::vector<std::pair<std::string, OwnedValue>> attributes;
  std::vector<std::string> treatment_ids;
  int max_treatments = 0;  // 0: as the strategy says
  std::vector<std::string> placements;
};

// A moment with a customer: what has become known by then, and the decision that is made.
struct Step {
  int line = 0;
  absl::Time at;
  // By number of the feature in the store's NameDictionary, ascending.
  std::vector<std::pair<uint32_t, OwnedValue>> features;
  std::vector<SaidConsent> consents;
  std::vector<customer::Interaction> history;
  std::vector<stops::Change> stops;
  RampState ramps;
  Situation situation;
  // Absent: nothing is decided.
  std::optional<Expectation> expect;
};

// One customer's story.
struct Case {
  std::string name;
  int line = 0;
  std::vector<Step> steps;  // at least one, in the order of time
};

// A file of cases, checked against its strategy.
struct ScenarioFile {
  std::string path;
  std::shared_ptr<const strategy::Strategy> strategy;
  std::vector<Case> cases;
};

}  // namespace attune::scenario

#endif  // ATTUNE_LIB_SCENARIO_SCENARIO_H_
