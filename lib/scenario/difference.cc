#include "lib/scenario/difference.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "lib/base/absl_strings.h"
#include "lib/decision/explanation.h"

namespace attune::scenario {
namespace {

// How far a chance may be from the expected one.
constexpr double kChanceTolerance = 1e-6;

// Where a treatment stands in a decision.
struct Standing {
  int rank = 0;  // from 1 on; 0: it was rejected
  double priority = 0;
  candidates::Reason reason = candidates::Reason::kNotRequested;
  std::string rule;    // the rule or contact policy that said no; may be empty
  std::string detail;  // the explanation
  std::optional<int64_t> allowed_from_ms;
};

std::string Time(int64_t unix_ms) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", absl::FromUnixMillis(unix_ms),
                          absl::UTCTimeZone());
}

// Compares one decision with what was expected. Not thread-safe.
class Comparison {
 public:
  Comparison(const strategy::Strategy& strategy, const context::DecisionContext& context,
             const decision::Decision& decision)
      : strategy_(strategy), context_(context), decision_(decision) {
    for (const arbitration::RankedTreatment& ranked : decision.result.arbitration.ranked) {
      ranking_.push_back(ranked.treatment);
    }
  }

  void CompareRanking(const std::vector<int>& expected, int line);
  void CompareTop(int expected, int line);
  void CompareIncluded(const std::vector<int>& expected, int line);
  void CompareRejection(const ExpectedRejection& expected);
  void CompareChance(const ExpectedChance& expected);
  // `of` says where a ranked treatment is: an index into `names`, or -1.
  template <typename Of>
  void CompareSpots(const std::vector<ExpectedSpot>& expected, std::string_view what,
                    const context::NameTable& names, Of of);
  void CompareEarliest(const ExpectedOpportunity& expected);
  void CompareContent(const ExpectedContent& expected);

  std::vector<Difference> Take() { return std::move(differences_); }

 private:
  const std::string& Name(int treatment) const {
    return strategy_.catalog.treatments[static_cast<size_t>(treatment)].name;
  }
  std::string Names(const std::vector<int>& treatments) const {
    if (treatments.empty()) return "nothing";
    return absl::StrJoin(treatments, ", ",
                         [this](std::string* out, int treatment) { out->append(Name(treatment)); });
  }
  bool IsRanked(int treatment) const {
    return std::find(ranking_.begin(), ranking_.end(), treatment) != ranking_.end();
  }
  Standing StandingOf(int treatment) const;
  // What the treatment shows on its channel, as written and as computed; by name of the field.
  // REQUIRES: it is ranked.
  std::map<std::string, std::string> ContentOf(int treatment) const;
  // "plan_upgrade: ranked 2nd with priority 12.5", "plan_upgrade: no_consent: the customer …".
  std::string Explain(int treatment) const;

  const strategy::Strategy& strategy_;
  const context::DecisionContext& context_;
  const decision::Decision& decision_;
  std::vector<int> ranking_;
  std::vector<Difference> differences_;
};

Standing Comparison::StandingOf(int treatment) const {
  Standing standing;
  const auto ranked = std::find(ranking_.begin(), ranking_.end(), treatment);
  if (ranked != ranking_.end()) {
    standing.rank = static_cast<int>(ranked - ranking_.begin()) + 1;
    standing.priority =
        decision_.result.arbitration.ranked[static_cast<size_t>(standing.rank) - 1].priority;
    return standing;
  }
  decision_.result.ForEachRejection([&](const candidates::Rejection& rejection) {
    if (rejection.treatment != treatment) return;
    standing.reason = rejection.reason;
    decision::RejectionExplainer why(strategy_, context_, decision_);
    why.Explain(rejection);
    {
      TextBuffer detail(standing.detail);
      why.AppendDetail(detail);
    }
    standing.rule = why.rule();
    standing.allowed_from_ms = why.allowed_from_ms();
  });
  return standing;
}

std::string Comparison::Explain(int treatment) const {
  const Standing standing = StandingOf(treatment);
  if (standing.rank > 0) {
    return absl::StrFormat("%s: ranked number %d with priority %.4g", Name(treatment),
                           standing.rank, standing.priority);
  }
  return absl::StrCat(Name(treatment), ": ", ToAbsl(candidates::ReasonName(standing.reason)), ": ",
                      standing.detail);
}

void Comparison::CompareRanking(const std::vector<int>& expected, int line) {
  if (ranking_ == expected) return;
  Difference difference{line, "ranking", Names(expected), Names(ranking_), {}};
  for (const int treatment : expected) {
    if (!IsRanked(treatment)) difference.why.push_back(Explain(treatment));
  }
  // Among those that are ranked the order or one too many is the matter: the priorities tell.
  for (const int treatment : ranking_) difference.why.push_back(Explain(treatment));
  differences_.push_back(std::move(difference));
}

void Comparison::CompareTop(int expected, int line) {
  const bool is_top = !ranking_.empty() && ranking_.front() == expected;
  if (is_top) return;
  Difference difference{line, "top", Name(expected), "nothing", {Explain(expected)}};
  if (!ranking_.empty()) {
    difference.got = Name(ranking_.front());
    difference.why.push_back(Explain(ranking_.front()));
  }
  differences_.push_back(std::move(difference));
}

void Comparison::CompareIncluded(const std::vector<int>& expected, int line) {
  Difference difference{line, "includes", Names(expected), Names(ranking_), {}};
  for (const int treatment : expected) {
    if (!IsRanked(treatment)) difference.why.push_back(Explain(treatment));
  }
  if (!difference.why.empty()) differences_.push_back(std::move(difference));
}

void Comparison::CompareRejection(const ExpectedRejection& expected) {
  const Standing standing = StandingOf(expected.treatment);
  std::vector<std::string> wanted;
  std::vector<std::string> got;
  bool is_same = standing.rank == 0;
  const auto compare = [&](bool is_asked, bool is_equal, const std::string& want,
                           const std::string& is) {
    if (!is_asked) return;
    wanted.push_back(want);
    got.push_back(is);
    is_same &= is_equal;
  };
  const auto reason = [](candidates::Reason value) {
    return std::string(candidates::ReasonName(value));
  };
  const auto moment = [](const std::optional<int64_t>& unix_ms) {
    return unix_ms ? absl::StrCat("allowed from ", Time(*unix_ms)) : "never allowed by waiting";
  };
  compare(expected.reason.has_value(), expected.reason == standing.reason,
          expected.reason ? reason(*expected.reason) : "", reason(standing.reason));
  compare(!expected.rule.empty(), expected.rule == standing.rule, "by " + expected.rule,
          standing.rule.empty() ? "by no rule" : "by " + standing.rule);
  compare(expected.allowed_from_ms.has_value(),
          expected.allowed_from_ms == standing.allowed_from_ms, moment(expected.allowed_from_ms),
          moment(standing.allowed_from_ms));
  compare(!expected.detail.empty(), absl::StrContains(standing.detail, expected.detail),
          absl::StrCat("with \"", expected.detail, "\""), "with another explanation");
  if (is_same) return;
  const std::string want = wanted.empty() ? "not ranked" : absl::StrJoin(wanted, ", ");
  differences_.push_back({expected.line,
                          absl::StrCat("rejected.", Name(expected.treatment)),
                          want,
                          standing.rank > 0 ? "ranked" : absl::StrJoin(got, ", "),
                          {Explain(expected.treatment)}});
}

void Comparison::CompareChance(const ExpectedChance& expected) {
  const auto& scored = decision_.result.scored.scored;
  const auto found = std::find_if(scored.begin(), scored.end(), [&](const auto& candidate) {
    return candidate.treatment == expected.treatment;
  });
  const double chance = found == scored.end() ? 0.0
                                              : decision_.result.arbitration.SelectionProbabilityOf(
                                                    static_cast<int>(found - scored.begin()));
  if (std::fabs(chance - expected.chance) <= kChanceTolerance) return;
  differences_.push_back({expected.line,
                          absl::StrCat("chances.", Name(expected.treatment)),
                          absl::StrFormat("%.9g", expected.chance),
                          absl::StrFormat("%.9g", chance),
                          {Explain(expected.treatment)}});
}

template <typename Of>
void Comparison::CompareSpots(const std::vector<ExpectedSpot>& expected, std::string_view what,
                              const context::NameTable& names, Of of) {
  for (const ExpectedSpot& one : expected) {
    const auto at = std::find(ranking_.begin(), ranking_.end(), one.treatment);
    const int spot =
        at == ranking_.end()
            ? -1
            : of(decision_.result.arbitration.ranked[static_cast<size_t>(at - ranking_.begin())]);
    if (spot == one.spot) continue;
    const std::string got = at == ranking_.end() ? "not ranked"
                            : spot < 0           ? "none"
                                                 : names[spot].name;
    differences_.push_back({one.line,
                            absl::StrCat(ToAbsl(what), ".", Name(one.treatment)),
                            names[one.spot].name,
                            got,
                            {Explain(one.treatment)}});
  }
}

void Comparison::CompareEarliest(const ExpectedOpportunity& expected) {
  const context::NameTable& channels = strategy_.context.channels;
  const auto text = [&](std::optional<int> treatment, std::optional<int> channel,
                        std::optional<int64_t> time_ms) {
    std::vector<std::string> parts;
    if (treatment) parts.push_back(Name(*treatment));
    if (channel) parts.push_back(absl::StrCat("on ", channels[*channel].name));
    if (time_ms) parts.push_back(absl::StrCat("from ", Time(*time_ms)));
    return absl::StrJoin(parts, " ");
  };
  const auto& earliest = decision_.result.earliest;
  std::string got = "nothing";
  if (earliest) {
    const int channel = context_.ChannelOf(earliest->slot);
    if (expected.treatment.value_or(earliest->treatment) == earliest->treatment &&
        expected.channel.value_or(channel) == channel &&
        expected.time_ms.value_or(earliest->time_ms) == earliest->time_ms) {
      return;
    }
    got = text(earliest->treatment, channel, earliest->time_ms);
  }
  std::string want = text(expected.treatment, expected.channel, expected.time_ms);
  if (want.empty()) want = "something";
  differences_.push_back({expected.line, "earliest", std::move(want), std::move(got), {}});
}

std::map<std::string, std::string> Comparison::ContentOf(int treatment) const {
  std::map<std::string, std::string> shown;
  const auto at = std::find(ranking_.begin(), ranking_.end(), treatment);
  const arbitration::RankedTreatment& ranked =
      decision_.result.arbitration.ranked[static_cast<size_t>(at - ranking_.begin())];
  const int channel = context_.ChannelOf(decision_.result.SlotOf(ranked));
  const auto& written = strategy_.catalog.treatments[static_cast<size_t>(treatment)]
                            .content[static_cast<size_t>(channel)];
  if (written) shown.insert(written->begin(), written->end());
  decision_.result.content.ForEachField(treatment,
                                        [&](std::string_view name, std::string_view text) {
                                          shown.emplace(std::string(name), std::string(text));
                                        });
  return shown;
}

void Comparison::CompareContent(const ExpectedContent& expected) {
  const std::string what = absl::StrCat("content.", Name(expected.treatment));
  if (!IsRanked(expected.treatment)) {
    differences_.push_back(
        {expected.line, what, "ranked", "not ranked", {Explain(expected.treatment)}});
    return;
  }
  const std::map<std::string, std::string> shown = ContentOf(expected.treatment);
  for (const auto& [name, text] : expected.fields) {
    const auto found = shown.find(name);
    if (found != shown.end() && found->second == text) continue;
    differences_.push_back(
        {expected.line,
         absl::StrCat(what, ".", name),
         absl::StrCat("\"", text, "\""),
         found == shown.end() ? "no such field" : absl::StrCat("\"", found->second, "\""),
         {}});
  }
}

}  // namespace

std::vector<Difference> Compare(const strategy::Strategy& strategy,
                                const context::DecisionContext& context,
                                const decision::Decision& decision, const Expectation& expect) {
  Comparison comparison(strategy, context, decision);
  if (expect.ranking) comparison.CompareRanking(*expect.ranking, expect.ranking_line);
  if (expect.top) comparison.CompareTop(*expect.top, expect.top_line);
  if (!expect.includes.empty()) comparison.CompareIncluded(expect.includes, expect.includes_line);
  for (const ExpectedRejection& rejection : expect.rejected) {
    comparison.CompareRejection(rejection);
  }
  for (const ExpectedChance& chance : expect.chances) comparison.CompareChance(chance);
  comparison.CompareSpots(
      expect.channels, "channels", strategy.context.channels,
      [&](const auto& ranked) { return context.ChannelOf(decision.result.SlotOf(ranked)); });
  comparison.CompareSpots(
      expect.placements, "placements", strategy.context.placements, [&](const auto& ranked) {
        return ranked.place < 0 ? -1 : context.placements[static_cast<size_t>(ranked.place)];
      });
  if (expect.earliest) comparison.CompareEarliest(*expect.earliest);
  for (const ExpectedContent& content : expect.content) comparison.CompareContent(content);
  return comparison.Take();
}

}  // namespace attune::scenario
