#include "lib/candidates/candidates.h"

#include <cstddef>

namespace attune::candidates {
namespace {

// Looks at one treatment after the other. What is looked at comes in this order: reasons before the
// content, the content, reasons after it.
class Selector {
 public:
  Selector(const catalog::Catalog& catalog, const stops::StopSet& stops,
           const context::DecisionContext& context, const evidence::RampReach& reach)
      : catalog_(catalog),
        stops_(stops),
        context_(context),
        reach_(reach),
        requested_(context.restricted_to.begin()) {}

  // REQUIRES: called once for each treatment, in their order.
  std::optional<Reason> ReasonBeforeContent(int treatment) {
    if (context_.restricted) {
      if (requested_ == context_.restricted_to.end() || *requested_ != treatment) {
        return Reason::kNotRequested;
      }
      ++requested_;
    }
    if (stops_.IsStopped(treatment)) return Reason::kStopped;
    return std::nullopt;
  }
  std::optional<Reason> ReasonAfterContent(int index) const {
    const catalog::Treatment& treatment = catalog_.treatments[static_cast<size_t>(index)];
    if (context_.time_us < treatment.valid_from_us) return Reason::kNotYetValid;
    if (context_.time_us >= treatment.valid_until_us) return Reason::kNoLongerValid;
    if (!reach_.Reaches(treatment)) return Reason::kNotReachedYet;
    return std::nullopt;
  }

 private:
  const catalog::Catalog& catalog_;
  const stops::StopSet& stops_;
  const context::DecisionContext& context_;
  const evidence::RampReach& reach_;
  std::vector<int>::const_iterator requested_;  // the next one that is requested
};

bool IsBeforeContent(Reason reason) {
  return reason == Reason::kNotRequested || reason == Reason::kStopped;
}

bool HasContent(const catalog::Catalog& catalog, int treatment, int channel) {
  const catalog::Treatment& one = catalog.treatments[static_cast<size_t>(treatment)];
  return one.content[static_cast<size_t>(channel)].has_value();
}

void Add(int treatment, std::optional<Reason> reason, CandidateSet& result) {
  if (reason) {
    result.rejected.push_back({treatment, *reason});
  } else {
    result.kept.push_back(treatment);
  }
}

}  // namespace

void SelectCandidates(const catalog::Catalog& catalog, const stops::StopSet& stops,
                      const context::DecisionContext& context, CandidateSet& result,
                      const evidence::RampReach& reach) {
  result.kept.clear();
  result.rejected.clear();
  Selector selector(catalog, stops, context, reach);
  for (int i = 0; i < static_cast<int>(catalog.treatments.size()); ++i) {
    std::optional<Reason> reason = selector.ReasonBeforeContent(i);
    if (!reason) {
      reason = HasContent(catalog, i, context.channel) ? selector.ReasonAfterContent(i)
                                                       : Reason::kNoContentForChannel;
    }
    Add(i, reason, result);
  }
}

void FindReasonsOnAnyChannel(const catalog::Catalog& catalog, const stops::StopSet& stops,
                             const context::DecisionContext& context,
                             const evidence::RampReach& reach, ReasonsOnAnyChannel& reasons) {
  reasons.clear();
  Selector selector(catalog, stops, context, reach);
  for (int i = 0; i < static_cast<int>(catalog.treatments.size()); ++i) {
    const std::optional<Reason> before = selector.ReasonBeforeContent(i);
    reasons.push_back(before ? before : selector.ReasonAfterContent(i));
  }
}

void SelectCandidatesOn(const catalog::Catalog& catalog, int channel,
                        const ReasonsOnAnyChannel& reasons, CandidateSet& result) {
  result.kept.clear();
  result.rejected.clear();
  for (int i = 0; i < static_cast<int>(catalog.treatments.size()); ++i) {
    std::optional<Reason> reason = reasons[static_cast<size_t>(i)];
    const bool is_settled = reason && IsBeforeContent(*reason);
    if (!is_settled && !HasContent(catalog, i, channel)) reason = Reason::kNoContentForChannel;
    Add(i, reason, result);
  }
}

}  // namespace attune::candidates
