#ifndef ATTUNE_LIB_OUTCOME_DECISION_OFFER_H_
#define ATTUNE_LIB_OUTCOME_DECISION_OFFER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attune::outcome {

// What a decision offered, as far as outcomes ask. Names are numbers of the NameDictionary.
struct DecisionOffer {
  struct Ranked {
    uint32_t treatment = 0;
    uint32_t channel = 0;
  };

  std::string decision_id;      // its bytes
  int64_t time_us = 0;          // the moment that was decided for, Unix microseconds
  uint32_t channel = 0;         // of the decision as a whole
  std::vector<Ranked> ranking;  // best first

  // nullptr: it was not ranked.
  const Ranked* Find(uint32_t treatment) const;
};

// What the bytes of a storage.v1.DecisionEvent say of it; nullopt: they are none.
std::optional<DecisionOffer> ReadDecisionOffer(std::string_view event);

}  // namespace attune::outcome

#endif  // ATTUNE_LIB_OUTCOME_DECISION_OFFER_H_
