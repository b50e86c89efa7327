#include "lib/strategy/ramp_compiler.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "lib/catalog/outcome_terms.h"
#include "lib/strategy/ramp_checker.h"

namespace attune::strategy {
namespace {

catalog::Ramp RampOf(const v1::Ramp& file, const context::NameTable& outcomes) {
  catalog::Ramp ramp;
  ramp.from = file.has_from() ? file.from() : kDefaultRampFrom;
  ramp.full_at = std::max<int64_t>(file.full_at(), 1);
  for (const std::string& name : file.outcomes()) {
    const int outcome = outcomes.IndexOf(name);
    if (name == catalog::kDecidedName) {
      ramp.counts_decided = true;
    } else if (outcome >= 0) {
      ramp.outcomes.push_back(outcomes[outcome].number);
    }
  }
  ramp.counted = absl::StrJoin(file.outcomes(), ", ");
  return ramp;
}

}  // namespace

void CompileRamps(const v1::Strategy& file, Strategy& strategy) {
  catalog::Catalog& catalog = strategy.catalog;
  std::vector<bool> is_fallback(catalog.treatments.size());
  for (const arbitration::Fallback& fallback : strategy.arbitration.fallbacks) {
    is_fallback[static_cast<size_t>(fallback.treatment)] = true;
  }
  for (const v1::Treatment& source : file.treatments()) {
    const v1::Ramp* ramp = nullptr;
    if (source.has_ramp()) {
      ramp = &source.ramp();
    } else if (file.arbitration().has_ramp()) {
      ramp = &file.arbitration().ramp();
    }
    const int index = catalog.Find(source.name());
    if (ramp == nullptr || ramp->off() || index < 0) continue;
    catalog::Treatment& treatment = catalog.treatments[static_cast<size_t>(index)];
    if (treatment.must_show || treatment.transactional || treatment.only_as_fallback ||
        is_fallback[static_cast<size_t>(index)] || treatment.ramp >= 0) {
      continue;
    }
    treatment.ramp = static_cast<int>(catalog.ramps.size());
    catalog.ramps.push_back(RampOf(*ramp, strategy.outcomes));
    catalog.ramps.back().treatment = index;
  }
}

}  // namespace attune::strategy
