#ifndef ATTUNE_LIB_STRATEGY_STRATEGY_H_
#define ATTUNE_LIB_STRATEGY_STRATEGY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lib/arbitration/arbitration.h"
#include "lib/catalog/catalog.h"
#include "lib/catalog/outcome_terms.h"
#include "lib/context/context_schema.h"
#include "lib/context/value_schema.h"
#include "lib/customer/customer_record.h"
#include "lib/outcome/attribution_terms.h"
#include "lib/policy/contact_policies.h"
#include "lib/policy/engagement_rules.h"
#include "lib/scoring/adaptive_scorer.h"
#include "lib/scoring/model.h"

namespace attune::strategy {

// Where a model of a strategy comes from.
struct ModelOrigin {
  std::string name;     // of the model in the strategy
  std::string version;  // as in scoring::NamedModel
  std::string kind;     // "trees", "linear", ...
  std::string hash;     // of its content, all digits
  std::string stored;   // what the strategy calls it in the registry; empty: it is a file
};

// An adaptive model of a strategy: what it does, and what it learns from.
struct AdaptiveUse {
  enum class Mode : uint8_t { kOnline, kShadow, kLogging };
  int model = 0;  // index into Strategy::models
  Mode mode = Mode::kOnline;
  const scoring::AdaptiveScorer* scorer = nullptr;  // that model
  // By index of the treatment: it learns from the treatment. In mode logging: what was predicted
  // for it is measured.
  std::vector<bool> treatments;
};

// Everything a strategist wrote, checked and compiled. One version of it never changes; decisions
// hold a reference while they run. Immutable, thread-safe.
struct Strategy {
  std::string name;
  // name@hash, the hash being that of the strategy file and of the content of every model.
  std::string version;
  std::string currency;
  ValueSchema features;
  context::ContextSchema context;
  context::NameTable outcomes;
  std::vector<bool> outcome_without_treatment;       // by index of the outcome
  std::vector<catalog::OutcomeTerms> outcome_terms;  // by index of the outcome
  int showing_outcome = -1;                          // index of the one that is it; -1: none is
  // How long a decision is kept in the customer's record for outcomes that name it, microseconds:
  // until it is shown and from then on for the longest window.
  int64_t decisions_kept_us = 0;
  catalog::Catalog catalog;
  // What rules may know about treatments.
  ValueSchema treatment_attributes;
  policy::EngagementRules engagement;
  policy::ContactPolicies contact;
  // How outcomes are attributed and what they are worth; nullptr: it says nothing of learning.
  std::shared_ptr<const outcome::AttributionTerms> attribution;
  customer::HistoryBounds history;
  scoring::ModelSet models;
  std::vector<AdaptiveUse> adaptive;       // in the order of the models
  bool uses_success_rates = false;         // one of the models is of that kind
  std::vector<ModelOrigin> model_origins;  // of those that have content, in their order
  arbitration::Settings arbitration;

  // Whether decisions depend on what was learned.
  bool learns() const { return !adaptive.empty() || uses_success_rates; }
  // Whether the outcome with this index, or -1, may be reported without a treatment.
  bool MayLackTreatment(int outcome) const {
    return outcome >= 0 && outcome_without_treatment[static_cast<size_t>(outcome)];
  }
};

}  // namespace attune::strategy

#endif  // ATTUNE_LIB_STRATEGY_STRATEGY_H_
