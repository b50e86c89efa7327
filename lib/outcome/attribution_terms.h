#ifndef ATTUNE_LIB_OUTCOME_ATTRIBUTION_TERMS_H_
#define ATTUNE_LIB_OUTCOME_ATTRIBUTION_TERMS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lib/catalog/outcome_terms.h"
#include "lib/outcome/reward.h"

namespace attune::outcome {

// What of a strategy outcomes are attributed by. Immutable once built, thread-safe.
struct AttributionTerms {
  struct Treatment {
    std::string name;
    std::string group_name;
    uint32_t group = 0;  // number of the NameDictionary
    double value = 0;    // where the decision's event has none
    double cost = 0;
  };

  // By index of the outcome, which is that of the reward's outcomes.
  std::vector<catalog::OutcomeTerms> outcomes;
  // By number of the NameDictionary.
  absl::flat_hash_map<uint32_t, int> outcome_index;
  absl::flat_hash_map<uint32_t, Treatment> treatments;
  absl::flat_hash_map<uint32_t, std::string> channels;  // names
  bool has_showing = false;                             // an outcome is the showing
  int64_t showing_window_us = 0;                        // its window
  int64_t longest_window_us = 0;                        // of the other outcomes; 0: there is none
  std::shared_ptr<const Reward> reward;                 // never null
};

}  // namespace attune::outcome

#endif  // ATTUNE_LIB_OUTCOME_ATTRIBUTION_TERMS_H_
