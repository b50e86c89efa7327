#ifndef ATTUNE_LIB_CATALOG_CATALOG_H_
#define ATTUNE_LIB_CATALOG_CATALOG_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/absl_strings.h"
#include "lib/context/context_schema.h"

namespace attune::catalog {

// Most treatments of one strategy.
inline constexpr int kMaxTreatments = 10'000;
// Largest value and cost of a treatment.
inline constexpr double kMaxMoney = 1e12;

// What a channel shows for a treatment: fields by name, in the order of their names.
using Content = std::vector<std::pair<std::string, std::string>>;

// A kind of treatment.
struct Group {
  std::string name;
  uint32_t number = 0;  // in the store's NameDictionary
};

// What customers may consent to.
struct Purpose {
  std::string name;
  uint32_t number = 0;   // in the store's NameDictionary
  bool opt_out = false;  // holds until the customer says no; else only once the customer says yes
};

// How a treatment reaches more and more customers, compiled (strategy.proto has the formula).
struct Ramp {
  int treatment = 0;    // index into Catalog::treatments
  double from = 0;      // the share of the customers without evidence, 0 … 1
  int64_t full_at = 1;  // how much evidence makes the share 1; at least 1
  // What is evidence: outcomes by their numbers in the store's NameDictionary, and decisions.
  std::vector<uint32_t> outcomes;
  bool counts_decided = false;
  std::string counted;  // the same for people: "accepted, decided"
};

// One way to treat a customer, compiled.
struct Treatment {
  std::string name;
  uint32_t number = 0;  // in the store's NameDictionary
  int group = 0;        // index into Catalog::groups
  int model = 0;        // index into the strategy's models
  int purpose = -1;     // index into Catalog::purposes; -1: needs no consent
  // Of the good outcome, in the strategy's currency; 0 where each decision computes it.
  double value = 0;
  double cost = 0;    // of showing the treatment, in the same currency; as the value
  int name_rank = 0;  // position among the catalog's treatments when sorted by name
  // Validity, Unix microseconds: from inclusive, until exclusive.
  int64_t valid_from_us = std::numeric_limits<int64_t>::min();
  int64_t valid_until_us = std::numeric_limits<int64_t>::max();
  // Channels and intents that the treatment makes sense for.
  context::ChannelSet channels;
  context::IntentSet intents;  // with the bit of kUnknownIntent when it needs none
  // Contact policies of the strategy and of the group don't hold for it, but for suppressions.
  bool transactional = false;
  // Ranked only when nothing else is.
  bool only_as_fallback = false;
  // The levers of the group and its own together: 0 or more, 1 without any.
  double lever = 1;
  // Ranked before all that need not be shown, whatever the thresholds say.
  bool must_show = false;
  // May be put on top by exploration, and may make way for another.
  bool explored = true;
  // Index into Catalog::ramps; -1: reaches every customer.
  int ramp = -1;
  // By index of the channel; absent: the channel can't carry the treatment.
  std::vector<std::optional<Content>> content;
};

// Everything that can be offered. Immutable once built, thread-safe.
struct Catalog {
  std::vector<Group> groups;
  std::vector<Purpose> purposes;
  std::vector<Treatment> treatments;  // in the order of the strategy
  std::vector<Ramp> ramps;            // in the order of their treatments

  // By name of the treatment: its index in `treatments`.
  StringMap<int> index;

  // Index of the treatment; -1 when there is none of that name.
  int Find(std::string_view name) const;
};

}  // namespace attune::catalog

#endif  // ATTUNE_LIB_CATALOG_CATALOG_H_
