#include "lib/strategy/ramp_checker.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/catalog/catalog.h"
#include "lib/catalog/outcome_terms.h"
#include "lib/strategy/checker_base.h"

namespace attune::strategy {
namespace {

constexpr std::string_view kRampOfArbitration = "arbitration.ramp";

std::string RampOfTreatment(int index) { return Field(Element("treatments", index), "ramp"); }

class RampChecker : public CheckerBase {
 public:
  RampChecker(const v1::Strategy& file, YamlDocument& source, IssueList& issues)
      : CheckerBase(source, issues), file_(file) {}

  void Check();

 private:
  void CheckRamp(const v1::Ramp& ramp, const std::string& path);
  void CheckTreatment(const v1::Treatment& treatment, const std::string& path);

  const v1::Strategy& file_;
  NameIndex outcomes_;
  absl::flat_hash_set<std::string> fallbacks_;
};

void RampChecker::Check() {
  for (int i = 0; i < file_.outcomes_size(); ++i)
    outcomes_.try_emplace(file_.outcomes(i).name(), i);
  outcomes_.try_emplace(catalog::kDecidedName, -1);
  for (const v1::Fallback& fallback : file_.fallbacks()) fallbacks_.insert(fallback.treatment());
  if (file_.arbitration().has_ramp()) {
    CheckRamp(file_.arbitration().ramp(), std::string(kRampOfArbitration));
  }
  for (int i = 0; i < std::min(file_.treatments_size(), catalog::kMaxTreatments); ++i) {
    const v1::Treatment& treatment = file_.treatments(i);
    if (!treatment.has_ramp()) continue;
    CheckRamp(treatment.ramp(), RampOfTreatment(i));
    CheckTreatment(treatment, RampOfTreatment(i));
  }
}

void RampChecker::CheckRamp(const v1::Ramp& ramp, const std::string& path) {
  if (ramp.off()) {
    if (ramp.has_from() || ramp.has_full_at() || !ramp.outcomes().empty()) {
      Report(Field(path, "off"), "a ramp that is off has no other keys; leave them or it out");
    }
    return;
  }
  if (ramp.has_from()) CheckRange(path, "from", ramp.from(), 0, 1);
  if (!ramp.has_full_at()) {
    IsUsable(path, "ramp", "full_at");
  } else if (ramp.full_at() < 1 || ramp.full_at() > kMaxRampEvidence) {
    Report(Field(path, "full_at"), absl::StrCat("full_at must be between 1 and ", kMaxRampEvidence,
                                                ", not ", ramp.full_at()));
  }
  const std::string outcomes = Field(path, "outcomes");
  if (ramp.outcomes().empty() && IsUsable(path, "ramp", "outcomes")) {
    Report(outcomes, "outcomes needs at least one; without evidence the share can't grow");
  }
  CheckReferences(outcomes, ramp.outcomes(), "outcome", outcomes_);
}

void RampChecker::CheckTreatment(const v1::Treatment& treatment, const std::string& path) {
  if (treatment.ramp().off()) return;
  std::string_view what;
  if (treatment.must_show()) {
    what = "is must_show";
  } else if (treatment.transactional()) {
    what = "is transactional";
  } else if (treatment.only_as_fallback() || fallbacks_.contains(treatment.name())) {
    what = "is a fallback";
  } else {
    return;
  }
  Report(path, absl::StrCat("a treatment that ", ToAbsl(what),
                            " must reach everybody; leave the ramp out"));
}

// Warns of what can be told from the ramp alone.
void WarnOfBounds(const v1::Ramp& ramp, const std::string& path, const YamlDocument& source,
                  IssueList& issues) {
  if (ramp.off() || !ramp.has_from()) return;
  if (ramp.from() == 0) {
    source.Warn(Field(path, "from"),
                "from 0 reaches nobody as long as there is no evidence, and so there will be none, "
                "unless it was counted before; write a share above 0, such as 0.02",
                issues);
  } else if (ramp.from() == 1) {
    source.Warn(
        Field(path, "from"),
        "from 1 reaches everybody from the start; leave the ramp out, or write a share below "
        "1, such as 0.02",
        issues);
  }
}

}  // namespace

void CheckRamps(const v1::Strategy& file, YamlDocument& source, IssueList& issues) {
  RampChecker(file, source, issues).Check();
}

void WarnOfUselessRamps(const v1::Strategy& file, const Strategy& strategy,
                        const YamlDocument& source, IssueList& issues) {
  const v1::Arbitration& arbitration = file.arbitration();
  const bool has_common = arbitration.has_ramp() && !arbitration.ramp().off();
  if (arbitration.has_ramp()) {
    const std::string path(kRampOfArbitration);
    WarnOfBounds(arbitration.ramp(), path, source, issues);
    const auto own = std::count_if(file.treatments().begin(), file.treatments().end(),
                                   [](const v1::Treatment& treatment) {
                                     return treatment.has_ramp() && !treatment.ramp().off();
                                   });
    if (!has_common) {
      source.Warn(path, "nothing is switched off by this: it is the ramp of treatments without one",
                  issues);
    } else if (static_cast<size_t>(own) == strategy.catalog.ramps.size()) {
      source.Warn(path,
                  "no treatment takes this ramp: each has one of its own or must reach everybody",
                  issues);
    }
  }
  for (int i = 0; i < file.treatments_size(); ++i) {
    const v1::Treatment& treatment = file.treatments(i);
    if (!treatment.has_ramp()) continue;
    WarnOfBounds(treatment.ramp(), RampOfTreatment(i), source, issues);
    if (treatment.ramp().off() && !has_common) {
      source.Warn(RampOfTreatment(i),
                  "nothing is switched off by this: the arbitration has no ramp", issues);
    }
  }
}

}  // namespace attune::strategy
